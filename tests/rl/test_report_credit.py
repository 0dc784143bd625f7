from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.common.credit_file import CREDIT_FILE, read_credit
from baselines.common.metrics import METRICS, MetricRow
from baselines.credit.registry import ALLOCATORS
from baselines.pages.svg import COLOURS, DASHES, HATCHES, MARKS
from baselines.report.credit_map import MAX_TASKS, STRONGEST, credit_by_name, credit_map, role_of
from baselines.report.run_page import write_report
from baselines.report.update_figures import MAX_LINES, UPDATE_QUANTITIES, UPDATES
from baselines.rollouts.groups import Group
from baselines.train.logging.credit_record import MAX_GROUPS, CreditHistory
from ccpo_env.types import Task
from tests.rl.report_runs import credit_of, draw_only, make_run, metric_rows, read_page
from tests.rl.strategies import measured_group
from tests.rl.teams import PAIR, TASK, rollout

pytestmark = pytest.mark.figures
VOTERS = tuple(f"voter_{k}" for k in range(7))


def group_of(*rewards, task=TASK):
    statuses = ["correct" if reward > 0 else "wrong" for reward in rewards]
    return Group(task, tuple(rollout(status, task=task) for status in statuses), {}, {})


def add(history, step, groups, credit):
    history.add(step, groups, [group.outcomes(PAIR) for group in groups], credit)


def written(path, step, num_groups=1):
    history = CreditHistory(path, PAIR, step - 1)
    groups = [group_of(1.0, -1.0)] * num_groups
    add(history, step, groups, [np.full((2, 2), float(step))] * num_groups)
    history.write()
    return path


def steps_in(path):
    return [group["step"] for group in read_credit(path)["groups"]]


def one_task(credit, *, agents=PAIR, rewards=(1.0, -1.0), task_id="t/0", step=1):
    """Return a record of a single group with the credit of each agent in each rollout."""
    group = {
        "step": step,
        "task_id": task_id,
        "question": "1+1",
        "rewards": list(rewards),
        "credit": credit,
    }
    return {"agents": list(agents), "groups": [group]}


def test_credit_history_keeps_who_earned_what(tmp_path):
    path = tmp_path / "credit.json"
    task = Task("t/1", "x" * 500, "2")
    history = CreditHistory(path, PAIR, 0)
    add(history, 3, [group_of(1.0, -1.0, task=task)], [np.array([[1, 2], [3, 4.5]])])
    assert not path.exists()  # until it is written
    history.write()
    record = read_credit(path)
    assert record["agents"] == list(PAIR)
    (group,) = record["groups"]
    assert group == {
        "step": 3,
        "task_id": "t/1",
        "question": "x" * 200,
        "rewards": [1.0, -1.0],
        "credit": [[1.0, 2.0], [3.0, 4.5]],
    }


def test_credit_history_replaces_the_steps_that_a_resumed_run_makes_again(tmp_path):
    path = tmp_path / "credit.json"
    for step in (1, 2, 3, 4):
        written(path, step)
    unbroken = path.read_bytes()
    for step in (3, 4):
        written(path, step)
    assert path.read_bytes() == unbroken
    assert steps_in(written(path, 2)) == [1, 2]


def test_credit_history_of_many_steps_is_what_writing_each_of_them_leaves(tmp_path):
    history = CreditHistory(tmp_path / "once.json", PAIR, 0)
    for step in (1, 2, 3):
        groups = [group_of(1.0, -1.0)] * (MAX_GROUPS // 2 - step)
        add(history, step, groups, [np.full((2, 2), float(step))] * len(groups))
        written(tmp_path / "each.json", step, num_groups=len(groups))
    history.write()
    assert (tmp_path / "once.json").read_bytes() == (tmp_path / "each.json").read_bytes()


def test_credit_history_drops_the_oldest_groups(tmp_path):
    path = tmp_path / "credit.json"
    written(path, 1, num_groups=10)
    assert steps_in(written(path, 2, num_groups=MAX_GROUPS - 4)) == [1] * 4 + [2] * (MAX_GROUPS - 4)


def test_credit_history_of_a_step_without_groups_is_empty(tmp_path):
    path = tmp_path / "credit.json"
    written(path, 1, num_groups=0)
    assert credit_map(read_credit(path)) is None
    assert credit_by_name(read_credit(path)) == {}


def test_read_credit_of_a_run_without_it_is_none(tmp_path):
    assert read_credit(tmp_path / "credit.json") is None
    assert credit_map(None) is None


def test_credit_map_has_the_mean_and_the_spread_of_each_agent():
    # thinker: 1 and 0, mean 0.5, std 0.5; solver: -1 twice, the largest mean.
    found = credit_map(one_task([[1.0, -1.0], [0.0, -1.0]]))
    assert (found.columns, found.notes) == (PAIR, ())
    (row,) = found.rows
    assert (row.num_right, row.num_rollouts) == (1, 2)
    thinker, solver = row.cells
    assert (thinker.mean, thinker.std, thinker.opacity) == (0.5, 0.5, STRONGEST / 2)
    assert (solver.mean, solver.std, solver.opacity) == (-1.0, 0.0, STRONGEST)


def test_credit_map_joins_the_groups_of_a_task():
    first, again = one_task([[1.0, 0.0], [1.0, 0.0]]), one_task([[0.0, 0.0]], rewards=[1.0], step=9)
    found = credit_map({**first, "groups": [*first["groups"], *again["groups"]]})
    assert (found.num_tasks, found.first_step, found.last_step) == (1, 1, 9)
    assert (found.rows[0].num_right, found.rows[0].num_rollouts) == (2, 3)
    assert found.rows[0].cells[0].mean == pytest.approx(2 / 3)


def test_credit_map_without_any_credit_has_no_colour():
    found = credit_map(one_task([[0.0, 0.0], [0.0, 0.0]]))
    assert [cell.opacity for cell in found.rows[0].cells] == [0.0, 0.0]


def test_credit_map_shows_a_large_team_role_by_role():
    agents = (*VOTERS, "solver_0")
    record = one_task([[1.0] * 7 + [0.0], [0.0] * 7 + [1.0]], agents=agents)
    found = credit_map(record)
    assert found.columns == ("voter", "solver")
    assert [cell.mean for cell in found.rows[0].cells] == [0.5, 0.5]
    assert {name: len(own) for name, own in credit_by_name(record).items()} == {
        "voter": 14,
        "solver": 2,
    }


@given(st.integers(1, 80))
def test_credit_map_goes_from_the_hardest_task_to_the_easiest(num_tasks):
    record = credit_of(PAIR, num_tasks=num_tasks)
    found = credit_map(record)
    shares = [row.num_right / row.num_rollouts for row in found.rows]
    everything = [np.mean(np.array(group["rewards"]) > 0) for group in record["groups"]]
    assert shares == sorted(shares)
    assert len(shares) == min(num_tasks, MAX_TASKS)
    assert (shares[0], shares[-1]) == (min(everything), max(everything)) or num_tasks == 1


def test_role_of_an_agent_is_its_name_without_the_number():
    assert [role_of(name) for name in ("thinker_0", "deep_thinker_12", "judge")] == [
        "thinker",
        "deep_thinker",
        "judge",
    ]


def test_page_has_the_map_in_numbers_and_the_distribution_in_quartiles(tmp_path, monkeypatch):
    draw_only(monkeypatch, "distribution")
    record = one_task([[1.0, -1.0], [0.0, -1.0]])
    page = read_page(make_run(tmp_path, num_steps=3, credit=record))
    assert [text.strip() for text in page.texts["td"] if "±" in text] == [
        "+0.50 ± 0.50",
        "-1.00 ± 0.00",
    ]
    said = said_of(page, "Distribution of credit")
    # Quartiles of 0 and 1, by linear interpolation: 0.25, 0.5 and 0.75.
    assert "thinker_0: median 0.5, half of the rollouts between 0.25 and 0.75" in said


def test_page_without_a_record_leaves_out_what_it_would_show(tmp_path, monkeypatch):
    draw_only(monkeypatch, "distribution")
    page = read_page(make_run(tmp_path, num_steps=3, credit=None))
    assert not {"Credit by task", "Distribution of credit"} & set(page.texts["h3"])


def said_of(page, title):
    """Return the alternative text of a figure."""
    (said,) = [v for v in page.values("aria-label") if v.startswith(f"{title}. ")]
    return said


def test_shares_are_those_of_the_variance_within_tasks(tmp_path, monkeypatch):
    draw_only(monkeypatch, "shares")
    row = {"step": 1}
    for agent, variance in zip(PAIR, (0.25, 0.75), strict=True):
        # Of two agents with the same credit on average.
        row |= {f"credit/{agent}/mean": 3.0, f"credit/{agent}/advantage_variance": variance}
    said = said_of(read_page(make_run(tmp_path, rows=[row])), "Share of the centred advantage")
    assert "thinker_0: 0.25 in the first" in said
    assert "solver_0: 0.75 in the first" in said


def test_shares_of_a_large_team_are_those_of_its_roles(tmp_path, monkeypatch):
    draw_only(monkeypatch, "shares")
    agents = (*VOTERS, "solver_0")
    row = {"step": 1}
    for agent in agents:  # 7 voters of variance 1 and a solver of variance 7
        row[f"credit/{agent}/mean"] = 1.0
        row[f"credit/{agent}/advantage_variance"] = 7.0 if agent == "solver_0" else 1.0
    page = read_page(make_run(tmp_path, agents=agents, rows=[row]))
    said = said_of(page, "Share of the centred advantage")
    assert "voter: 0.5 in the first" in said
    assert "solver: 0.5 in the first" in said
    assert "it is the same for all in every step" in " ".join(page.texts["figcaption"])


def centred_record(num_tasks=4):
    """Return groups in which the thinker's credit has mean 0, as that of branch always has."""
    spreads = np.linspace(0.0, 1.0, num_tasks)
    groups = []
    for k, spread in enumerate(spreads):
        credit = [[spread, k + 1.0], [-spread, k + 1.0]]
        groups += one_task(credit, task_id=f"t/{k}")["groups"]
    return {"agents": list(PAIR), "groups": groups}


def test_a_column_with_one_mean_for_all_tasks_shows_the_spread_and_says_why():
    found = credit_map(centred_record())
    (note,) = found.notes
    assert note.startswith("The credit of thinker_0 is relative to its task: its mean is +0.00 for")
    thinker, solver = zip(*(row.cells for row in found.rows), strict=True)
    assert [cell.mean for cell in thinker] == [None] * 4
    np.testing.assert_allclose([cell.std for cell in thinker], [0.0, 1 / 3, 2 / 3, 1.0])
    np.testing.assert_allclose([c.opacity for c in thinker], STRONGEST * np.linspace(0, 1, 4))
    assert [cell.mean for cell in solver] == [1.0, 2.0, 3.0, 4.0]
    assert solver[-1].opacity == STRONGEST


def test_a_column_without_any_spread_says_that_no_rollout_is_preferred():
    record = centred_record()
    for group in record["groups"]:
        group["credit"] = [[0.5, row[1]] for row in group["credit"]]
    (note,) = credit_map(record).notes
    assert note == (
        "thinker_0 has credit +0.50 in every rollout: no rollout is preferred to another."
    )


CENTRED = {"branch", "c3", "hierarchical_grpo"}


@pytest.mark.parametrize("name", ALLOCATORS)
def test_no_allocator_has_a_column_that_repeats_one_mean(name):
    rng = np.random.default_rng(3)
    outcomes = [measured_group(rng, num_agents=3) for _ in range(12)]
    allocator = ALLOCATORS[name]
    state = {} if allocator.new_state is None else {"state": allocator.new_state()}
    groups = []
    for number, group in enumerate(outcomes):
        credit = allocator(group, **state)
        found = one_task(
            credit.round(6).tolist(), rewards=group.team_rewards.tolist(), task_id=f"t/{number}"
        )
        groups += found["groups"]
    found = credit_map({"agents": list(outcomes[0].agents), "groups": groups})
    shown = [[cell.std if cell.mean is None else cell.mean for cell in r.cells] for r in found.rows]
    assert np.ptp(np.array(shown), axis=0).min() > 0.1
    assert len(found.notes) == (name in CENTRED)  # the first agent: the mean of its task is 0


def test_page_prints_the_spread_of_a_centred_column(tmp_path):
    page = read_page(make_run(tmp_path, rows=[], credit=centred_record(), evaluations=[]))
    cells = [text.strip() for text in page.texts["td"] if "±" in text]
    assert cells[::2] == ["± 0.00", "± 0.33", "± 0.67", "± 1.00"]
    assert cells[1] == "+1.00 ± 0.00"
    assert "its mean is +0.00 for every task" in " ".join(page.texts["p"])


def test_figures_are_told_apart_without_colours(tmp_path, monkeypatch):
    draw_only(monkeypatch, "completions", "shares")
    assert len(set(COLOURS)) == len(set(HATCHES)) == len(set(DASHES)) == len(set(MARKS))
    agents = tuple(f"voter_{k}" for k in range(MAX_LINES))
    html = write_report(make_run(tmp_path, agents=agents, num_steps=3)).read_text(encoding="utf-8")
    figures = {one.partition('"')[0].split(".")[0]: one for one in html.split('aria-label="')}
    lengths = figures["Completions"].partition("</svg>")[0]
    dashes = re.findall(r"stroke-dasharray: ([^;\"]+)", lengths)
    assert len(set(dashes)) == MAX_LINES - 1  # one line is solid
    share = figures["Share of the centred advantage"].partition("</svg>")[0]
    patterns = set(re.findall(r"fill: url\(#([^)]+)\)", share))
    assert len(patterns) == MAX_LINES - 1  # one area is plain


@pytest.mark.parametrize("roles", [["team"], ["debater"], [f"role{k}" for k in range(8)]])
def test_page_names_the_policies_that_were_updated(tmp_path, roles, monkeypatch):
    draw_only(monkeypatch, "updates")
    rows = list(metric_rows(4, ("debater_0", "debater_1"), roles=roles))
    page = read_page(make_run(tmp_path, agents=("debater_0", "debater_1"), rows=rows))
    (said,) = [v for v in page.values("aria-label") if v.startswith("Updates. ")]
    assert [role for role in roles if f"{role}, gradient norm" in said] == roles[:6]
    assert "entropy" not in said  # null in every row
    assert not any(name in said for name in ("KL", "clipped", "log-probability gap"))  # zero
    (caption,) = [text for text in page.texts["figcaption"] if text.startswith("Norm of the")]
    assert "Not drawn: KL of the update (below 1e-05 in every step), clipped tokens" in caption


def test_a_panel_is_drawn_as_soon_as_a_value_matters(tmp_path, monkeypatch):
    draw_only(monkeypatch, "updates")
    rows = list(metric_rows(4, PAIR))
    rows[2]["update/solver/mismatch"] = 0.011
    said = said_of(read_page(make_run(tmp_path, rows=rows)), "Updates")
    assert "solver, log-probability gap" in said
    assert "KL of the update" not in said


def test_legends_name_what_is_drawn_and_nothing_else(tmp_path, monkeypatch):
    draw_only(monkeypatch, "_rates", "updates")
    rows = list(metric_rows(4, PAIR))
    for row in rows:  # no rollout was removed; the thinker has no signal-to-noise ratio
        row |= {"accuracy/solo": None, "credit/help_rate": None, "credit/hurt_rate": None}
        row |= {"update/thinker/grad_norm": None, "update/thinker/grad_snr": 0.5}
    page = read_page(make_run(tmp_path, rows=rows, num_steps=4))
    texts = page.texts["text"]
    assert texts.count("whole team") == texts.count("held-out tasks") == 1
    for label in (
        "without thinker_0",
        "only the whole team is right",
        "right only without thinker",
    ):
        assert label not in texts
        assert sum(text.startswith(label) and text.endswith("held out") for text in texts) == 1
    assert texts.count("thinker") == texts.count("solver") == 1  # each in the panel it is in first
    captions = {t: c for t, c in zip(page.texts["h3"][1:3], page.texts["figcaption"], strict=False)}
    assert captions["Accuracy"].startswith("Lines: rollouts of training tasks. Marks: held-out")
    (effects,) = [c for c in page.texts["figcaption"] if c.startswith("Marks")]
    assert effects.startswith("Marks: held-out tasks with 95 % intervals.")


def test_tokens_are_told_apart_by_purpose(tmp_path, monkeypatch):
    draw_only(monkeypatch, "tokens")
    rows = [
        {
            "step": 1,
            "cost/tokens_generated": 100,
            "cost/tokens_removed": 20,
            "cost/tokens_branch": 10,
            "cost/tokens_rating": 0,
        }
    ]
    page = read_page(make_run(tmp_path, rows=rows, credit=None))
    (said,) = [v for v in page.values("aria-label") if v.startswith("Tokens. ")]
    assert "whole team 70 % of all" in said
    assert "with an agent removed 20 % of all" in said
    assert "continuations 10 % of all" in said
    assert "ratings" not in said


def test_time_that_no_part_accounts_for_is_other(tmp_path, monkeypatch):
    draw_only(monkeypatch, "times")
    row = {"step": 1, "time/step_s": 10.0, "time/generate_s": 4.0, "time/rate_s": 1.0}
    row |= {"time/verify_s": 1.0, "time/credit_s": 1.0, "time/update_s": 2.0}
    page = read_page(make_run(tmp_path, rows=[row], credit=None))
    (said,) = [v for v in page.values("aria-label") if v.startswith("Time. ")]
    shares = {"generate": 40, "rate": 10, "verify": 10, "credit": 10, "update": 20, "other": 10}
    assert all(f"{part} {share} % of all" in said for part, share in shares.items())


def test_record_is_plain_json(tmp_path):
    path = written(tmp_path / "credit.json", 1)
    assert json.loads(path.read_text(encoding="utf-8"))["groups"][0]["credit"] == [[1.0, 1.0]] * 2


def test_signal_to_noise_of_the_gradient_per_token() -> None:
    (quantity,) = [own for own in UPDATE_QUANTITIES if own.per_million]
    name = "update/thinker/grad_snr"
    rows: list[MetricRow] = [
        {name: 0.5, "cost/tokens_generated": 2000},
        {name: None, "cost/tokens_generated": 2000},
        {name: 0.5, "cost/tokens_generated": 0},
    ]
    np.testing.assert_array_equal(quantity.values(rows, "thinker"), [250.0, np.nan, np.nan])


def test_the_caption_of_updates_says_of_the_signal_what_its_formula_is():
    """Gradients of signal 1 and noise of variance v: the ratio is 1 / v on average, by sampling."""
    noise = np.random.default_rng(0).normal(size=(2, 200_000))
    for variance in (0.5, 1.0, 4.0):
        first, second = 1.0 + variance**0.5 * noise
        ratio = (first @ second) / (((first - second) ** 2).sum() / 2)
        assert ratio == pytest.approx(1.0 / variance, rel=0.05)
    assert "g·h / (|g - h|² / 2). Below 1 noise is the larger part of a step" in UPDATES
    assert "g·h / (|g - h|² / 2)" in METRICS["update/<role>/grad_snr"]
    assert "it is no measurement of how efficient this credit is" in " ".join(UPDATES.split())


def damaged(**changes):
    group = {"step": 1, "task_id": "t", "question": "?", "rewards": [1.0, -1.0]}
    return {**group, "credit": [[0.5, 1], [0, -0.5]], **changes}


@pytest.mark.parametrize(
    "record",
    [
        [],
        {},
        {"agents": 1, "groups": []},
        {"agents": ["a", 1], "groups": []},
        {"agents": PAIR, "groups": {}},
        {"agents": PAIR, "groups": [1]},
        *({"agents": PAIR, "groups": [damaged(**{name: "x"})]} for name in ("step", "rewards")),
        *({"agents": PAIR, "groups": [damaged(**{name: 1})]} for name in ("task_id", "question")),
        {"agents": PAIR, "groups": [damaged(credit=[[0.0, 0.0]])]},
        {"agents": PAIR, "groups": [damaged(credit=[[0.0], [0.0]])]},
        {"agents": PAIR, "groups": [damaged(credit=[[None, 0.0], [0.0, 0.0]])]},
    ],
)
def test_a_damaged_credit_file_is_named_before_a_run_is_resumed(tmp_path, record):
    path = tmp_path / CREDIT_FILE
    path.write_text(json.dumps({"agents": list(PAIR), "groups": [damaged()]}), encoding="utf-8")
    CreditHistory(path, PAIR, 9)
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"credit\.json must hold the credit of a run, got another"
    ):
        CreditHistory(path, PAIR, 9)
