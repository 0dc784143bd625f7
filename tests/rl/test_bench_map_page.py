"""Page, pictures, command and checklist of the map."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from scipy.stats import t

from baselines.bench.map import command, figure
from baselines.bench.map.checklist import METHODOLOGY, checklist
from baselines.bench.map.checks import Check, CheckKey
from baselines.bench.map.mixture import chain_mixture
from baselines.bench.map.page import PART, PARTS, SKELETON, Results, filled
from baselines.bench.map.slices import (
    Found,
    _label,
    cells,
    measure,
    share_between_tasks,
    signal_of,
)
from baselines.bench.map.training import Credit
from baselines.common.jsonl import append_rows
from baselines.credit import ALLOCATORS
from scripts.write_docs import MAP_PAGE
from tests.rl.report_runs import metric_rows


def found(region="need", x=0.5, y=1, efficiency=0.5, cosine=1.0, **credit):
    return Found(
        region=region,
        x=x,
        y=y,
        credit=Credit(**{"allocator": "leave_one_out", **credit}),
        efficiency=efficiency,
        cosine=cosine,
    )


def results(*rows, checks=()):
    return Results(found=rows, checks=checks, seconds=60.0, num_workers=2)


def test_cells_are_those_of_the_issue_and_have_distinct_settings():
    wanted = cells()
    keys = [(one.region, one.x, one.y, one.credit, one.reference) for one in wanted]
    assert len(set(keys)) == len(keys)
    assert {one.region for one in wanted} == {
        *("need", "reliability", "team", "interaction", "spread", "group size"),
        "credit, group size",
        *("whitened", "whitened, group mean", "replay cost", "voters", "skill"),
    }
    assert len(cells(quick=True)) < len(wanted) / 6


def test_a_cell_is_measured_against_its_reference():
    cell = next(one for one in cells() if one.region == "replay cost" and one.x == 0.1)
    mixture = cell.make()
    expected = signal_of(mixture, cell.reference).cost / signal_of(mixture, cell.credit).cost
    assert measure(cell).efficiency == pytest.approx(expected)


def test_found_survives_json_up_to_its_digits():
    one = found(efficiency=1.234567, samples=2)
    again = Found.from_json(json.loads(json.dumps(one.to_json())))
    assert again.credit == one.credit
    assert again.efficiency == 1.2346


def test_page_keeps_its_text_and_replaces_its_parts():
    page = (
        "before\n<!-- map chains: written by ccpo bench map -->\nold\n<!-- end of map -->\nafter\n"
    )
    text = filled(page, results(found(), found(y=2, efficiency=2.0), found(y=2, efficiency=12.5)))
    assert text.startswith("before\n")
    assert text.endswith("<!-- end of map -->\nafter\n")
    assert "old" not in text
    assert "| `leave_one_out` | 0.50 | 2.00 to 12 | 1.00 |" in text
    assert filled(text, results(found())) != text


def test_biased_credit_is_marked_in_the_tables():
    text = filled(SKELETON, results(found(cosine=0.8)))
    assert "0.80 (biased)" in text


def test_summary_names_where_credit_pays_and_what_does_not():
    text = PARTS["summary"](
        results(
            found(efficiency=0.5),
            found(allocator="branch", samples=4, efficiency=1.3),
            found(allocator="last_branch", samples=1, efficiency=1.4, y=3),
            found(allocator="last_branch", samples=2, efficiency=1.6, y=3),
            found(allocator="last_branch", samples=2, efficiency=2.0, y=3, x=0.1),
        )
    )
    assert "1 of 2 cells are at most 1, 0.50. Above 1: branch, M = 4 with K = 1" in text
    assert "branch after last, with the best M: K = 3: 1.60 to 2.00. If" in text
    assert "No point was trained" in text


def test_summary_and_table_say_where_a_group_mean_is_worse():
    kinds = [("K = 1, a", 0.05, 1.2), ("K = 1, b", 0.08, 1.4), ("K = 1, c", 0.6, 0.5)]
    rows = [
        found("spread", x=share, y=label, efficiency=value, optimizer="reinforce_pp")
        for label, share, value in (*kinds, ("K = 2, a", 0.6, 0.4))
    ]
    assert "K = 1: 1.20 to 1.40 at 0% to 10%, 0.50 at 50% to 100%; K = 2: 0.40 at 50%" in PARTS[
        "summary"
    ](results(*rows))
    own = found("group size", x=8, y="K = 1, c", optimizer="reinforce_pp", efficiency=0.5)
    assert "| K = 1, c | 60% | `reinforce_pp` | 0.50 |" in PARTS["settings"](results(*rows, own))


@pytest.mark.parametrize(
    ("settings", "share", "efficiency"),
    [
        ({"need": 0.05, "hopeless": 0.5, "reliability": 1.0}, 0.96, 0.14),
        ({"need": 0.2, "hopeless": 0.5, "reliability": 1.0}, 0.83, 0.51),
        ({"need": 0.2, "hopeless": 0.5}, 0.53, 0.74),
        ({"skill": 0.1}, 0.52, 0.75),
        ({"need": 1.0}, 0.0, 1.18),
    ],
)
def test_a_group_mean_is_ahead_where_tasks_differ_in_difficulty(settings, share, efficiency):
    label = _label(1, **settings)
    cell = next(one for one in cells() if one.region == "spread" and one.y == label)
    assert cell.x == pytest.approx(share, abs=0.006)
    assert measure(cell).efficiency == pytest.approx(efficiency, abs=0.006)


def test_share_of_the_variance_between_tasks_by_hand():
    # Solved always, by half of the messages, never: E[R] = 1, 0, -1 with weights 1/4, 1/2, 1/4.
    mixture = chain_mixture(1, need=0.5, hopeless=0.5, skill=0.5, reliability=1.0)
    assert share_between_tasks(mixture) == pytest.approx(0.5)


def test_break_even_is_the_largest_cost_that_pays():
    rows = [
        found("replay cost", x=cost, y=2, efficiency=value, replay_cost=cost)
        for cost, value in ((0.0, 2.0), (0.1, 1.2), (0.2, 1.1), (0.5, 0.7))
    ]
    text = PARTS["summary"](results(*rows))
    assert "K = 2: up to a cost of 0.2 (leave_one_out, 1.10)" in text


def test_checks_say_where_training_does_not_agree():
    checks = [
        Check(
            key=CheckKey(point=point, num_seeds=3),
            start=efficiency,
            middle=efficiency,
            areas=tuple(gain + seed / 100 for seed in range(5)),
            reference_areas=(0.3,) * 5,
            seconds=1.0,
        )
        for point, efficiency, gain in ((0, 2.0, 0.5), (1, 0.5, 0.5), (2, 0.9, 0.26))
    ]
    text = PARTS["checks"](results(checks=checks))
    assert "with the map at 1 of 3 points, cannot tell at point 3, disagrees at point 2." in text
    # Each interval is for all twelve points at once: t(4) at 1 - .05 / 24 is 5.748, not 2.776.
    # Point 3, -0.02 with a standard error of 0.0071, would else be below 0.
    error = np.sqrt(0.00025 / 5)
    half = t.ppf(1 - 0.05 / 24, 4) * error
    assert f"+0.2200 [{0.22 - half:+.4f}, {0.22 + half:+.4f}]" in text
    assert -0.02 + t.ppf(0.975, 4) * error < 0 < -0.02 + half
    assert f"-0.0200 [{-0.02 - half:+.4f}, {-0.02 + half:+.4f}]" in text


@pytest.mark.parametrize("name", figure.FIGURES)
def test_pictures_can_be_drawn_from_any_results(tmp_path, name):
    rows = [measure(one) for one in cells(quick=True) if one.y in (None, 1) and one.x != 7]
    figure.save(figure.FIGURES[name], rows, tmp_path / name)
    assert (tmp_path / name).stat().st_size > 1000


def test_command_resumes_checks_and_writes_page_and_pictures(tmp_path, monkeypatch, capsys):
    calls = []

    def trained(key):
        calls.append(key.point)
        return Check(
            key=key,
            start=2.0,
            middle=2.0,
            areas=(0.5, 0.5001),
            reference_areas=(0.1, 0.1),
            seconds=1.0,
        )

    monkeypatch.setattr(command, "run_check", trained)
    monkeypatch.setattr(command, "cells", lambda **_: cells()[:2])
    monkeypatch.setattr(command, "FIGURES", {})
    arguments = ["--quick", "--workers", "1", "--out-dir", str(tmp_path)]
    assert command.main(arguments) == 0
    assert command.main(arguments) == 0
    assert calls == [0, 1]
    page = (tmp_path / "when_credit_pays.md").read_text(encoding="utf-8")
    assert len(PART.findall(page)) == len(PARTS)
    assert (tmp_path / "results" / figure.CHECKS_FIGURE).exists()
    printed = capsys.readouterr().out
    assert "agrees" in printed
    assert f"to {tmp_path}" in printed.splitlines()[0]


def test_page_of_the_documents_has_all_parts_and_pictures():
    page = MAP_PAGE.read_text(encoding="utf-8")
    assert [name for _, name, _ in PART.findall(page)] == list(PARTS)
    for picture in re.findall(r"!\[[^]]+\]\((\S+)\)", page):
        assert (MAP_PAGE.parent / picture).exists()


def run_folder(path, rows, **settings):
    config = {
        **{"policy": "tiny", "tasks": "arithmetic", "topology": "think_solve", "seed": 7},
        **{"allocator": "branch", "optimizer": "grpo", "group_size": 4, "verifier": "math"},
        **settings,
    }
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (path / "metrics.jsonl").write_text(lines, encoding="utf-8")
    return path


def test_checklist_is_answered_from_the_files_of_a_run(tmp_path):
    rows = [
        {
            **{"step": step, "cost/tokens_generated": 100, "cost/tokens_branch": 40},
            **{"cost/tokens_removed": None, "cost/verifier_calls": 8, "accuracy/joint": 0.5},
            **{"rollout/thinker_0/neg_logprob": 1.0 / step, "update/thinker/skipped_updates": 1},
        }
        for step in (1, 2)
    ]
    text = unwrapped(checklist(run_folder(tmp_path, rows)))
    assert "methodology: branch: Monte Carlo, continuations of a message" in text
    assert "baseline family: grpo: mean of the group; groups of 4" in text
    assert "extra rollouts or calls: 40.0 % of 200 sampled tokens; 16 verified answers" in text
    assert "entropy: nats per token, thinker_0 1.000 to 0.500" in text
    assert "stability: 2 steps, 2 updates skipped" in text
    assert "reward hacking: rollouts without an answer: not recorded in this run" in text


def unwrapped(text):
    assert max(map(len, text.splitlines())) <= 80
    return text.replace("\n  ", " ")


def test_checklist_tells_the_last_evaluation_with_its_interval(tmp_path):
    run = run_folder(tmp_path, [{"step": 1, "accuracy/joint": 0.1, "eval/accuracy/joint": 0.2}])
    for step, joint in ((0, "1000"), (20, "1110")):
        row = {"step": step, "tokens": 0, "benchmark": "b", "tasks": list("abcd")}
        append_rows(run / "evaluations.jsonl", [{**row, "outcomes": {"joint": [joint]}}])
    success = "task success: held-out accuracy after 20 steps 75.0 % [30.1, 95.4], 4 tasks"
    assert success in unwrapped(checklist(run))


def test_checklist_says_if_the_only_evaluation_is_before_training(tmp_path):
    run = run_folder(tmp_path, [{"step": 1}])
    row = {"step": 0, "tokens": 0, "benchmark": "b", "tasks": ["a"], "outcomes": {"joint": ["1"]}}
    append_rows(run / "evaluations.jsonl", [row])
    assert "held-out accuracy before training only 100.0 %" in unwrapped(checklist(run))


def test_checklist_counts_every_purpose_and_names_reused_samples(tmp_path):
    row = {"step": 1, "cost/tokens_generated": 100, "cost/tokens_read_influence": 7}
    row |= {"cost/tokens_probe": 10, "cost/tokens_rating": 20, "rollout/unmeasured_rate": 0.0}
    text = unwrapped(checklist(run_folder(tmp_path, [row], train_on="all", retrospect=8)))
    assert "30.0 % of 100 sampled tokens" in text
    assert "7 tokens read again for influence" in text
    assert "--train-on all" in text
    assert "--retrospect 8" in text
    assert "episodes that could not be verified: 0.0 % in step 1" in text
    assert "tiny, arithmetic, think_solve" in text
    assert not re.search(r"\w/\w+_", text)  # no key of a metric


def test_every_allocator_has_a_methodology():
    assert set(METHODOLOGY) == set(ALLOCATORS)


def test_checklist_reads_the_metrics_that_training_writes(tmp_path):
    text = checklist(run_folder(tmp_path, metric_rows(3, ("thinker_0", "solver_0"))))
    assert "task success: " in text
    assert "seeds: 1 (seed 7)" in text


@pytest.mark.parametrize("has_config", [False, True])
def test_checklist_of_no_run_is_refused(tmp_path, has_config):
    if has_config:
        run_folder(tmp_path, [])
    with pytest.raises((ValueError, FileNotFoundError), match="must be the folder of a"):
        checklist(tmp_path)
