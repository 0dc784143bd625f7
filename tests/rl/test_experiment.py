from __future__ import annotations

import json
import re

import numpy as np
import pytest
from matplotlib.axes import Axes

from baselines.common.stats import mean_over_seeds
from baselines.experiment import main
from baselines.experiment.aggregate import aggregate
from baselines.experiment.results import (
    learning_curves,
    markdown,
    quartile_markdown,
    verdicts,
)
from baselines.experiment.runs import RunKey, RunResult
from baselines.experiment.sweep import read_results
from tests.rl.teams import quietly, write_tasks


def result(allocator: str, seed: int, joint: float, *, solo: float = 0.3) -> RunResult:
    curve = ((0, 0.3, 0.3), (500, joint / 2, solo), (1000, joint, solo))
    return RunResult(RunKey(allocator, "grpo", seed), 10, 1000, 80, curve)


def test_area_is_the_mean_accuracy_over_the_tokens():
    run = RunResult(
        RunKey("shared", "grpo", 0), 3, 400, 9, ((0, 0.2, 0.1), (100, 0.4, 0.1), (400, 0.8, 0.3))
    )
    # trapezoids: 100 tokens at .3 and 300 at .6
    assert run.area == pytest.approx((100 * 0.3 + 300 * 0.6) / 400)
    assert run.joint == 0.8
    assert run.contribution == pytest.approx(0.5)


def test_aggregate_compares_seed_by_seed_with_shared_credit():
    # The seeds differ much more than the methods: only the pairs show it.
    bases = [0.5, 0.9, 0.3, 0.7, 0.6]
    runs = [result("shared", seed, base) for seed, base in enumerate(bases)]
    runs += [result("branch", seed, base + 0.05 + 0.001 * seed) for seed, base in enumerate(bases)]
    shared, branch = aggregate(runs)
    assert shared.gains == {}
    assert branch.gains["joint"].value == pytest.approx(0.052)
    assert branch.gains["joint"].low > 0.0
    assert branch.gains["joint"].p_value < 0.05
    assert (
        "branch with grpo: joint accuracy at the end above shared by 0.052"
        in verdicts([shared, branch])[0]
    )


def test_verdicts_claim_nothing_within_chance():
    runs = [result("shared", seed, 0.5 + 0.1 * (seed % 2)) for seed in range(4)]
    runs += [result("branch", seed, 0.5 + 0.1 * ((seed + 1) % 2)) for seed in range(4)]
    assert verdicts(aggregate(runs)) == ["no method differs significantly from shared credit"]


def test_markdown_has_a_line_per_method():
    runs = [
        result(name, seed, 0.5 + 0.1 * seed) for name in ("shared", "branch") for seed in (0, 1)
    ]
    for table in (markdown(aggregate(runs)), quartile_markdown(aggregate(runs))):
        lines = table.splitlines()
        assert len(lines) == 4
        assert len({line.count("|") for line in lines}) == 1


def test_every_printed_number_stands_beside_its_interval():
    runs = [
        result(name, seed, 0.5 + 0.1 * seed) for name in ("shared", "branch") for seed in (0, 1)
    ]
    for table, last in (
        (markdown(aggregate(runs)), -1),
        (quartile_markdown(aggregate(runs)), None),
    ):
        for line in table.splitlines()[2:]:
            cells = line[2:-2].split(" | ")
            estimates = [cell for cell in cells[:last] if re.match(r"-?\d\.\d", cell)]
            assert len(estimates) >= 3
            assert all(re.search(r" \[.+\]$", cell) for cell in estimates)


def test_result_written_as_json_is_read_back():
    run = result("branch", 3, 0.6)
    assert RunResult.from_json(json.loads(json.dumps(run.to_json()))) == run


def test_learning_curves_are_drawn_with_the_intervals_of_the_table(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        Axes, "fill_between", lambda _axis, _x, low, high, **_arguments: drawn.append((low, high))
    )
    seeds = [result("shared", seed, joint) for seed, joint in enumerate((0.5, 0.6, 0.9))]
    assert learning_curves(seeds).startswith(b"\x89PNG")
    ((low, high),) = drawn
    expected = mean_over_seeds(np.array([0.5, 0.6, 0.9]), bounds=(0.0, 1.0))
    assert (low[-1], high[-1]) == pytest.approx((expected.low, expected.high))
    assert (low[0], high[0]) == (0.3, 0.3)  # all began alike


@pytest.mark.usefixtures("warm_pools")
def test_command_trains_writes_and_goes_on_where_it_stopped(tmp_path):
    tasks = write_tasks(tmp_path / "tasks.jsonl")
    flags = (
        *("--allocators", "shared", "counterfactual", "--optimizers", "grpo", "--num-seeds", 2),
        *("--token-budget", 300, "--num-workers", 1, "--out-dir", tmp_path / "x"),
        *("--train.tasks", tasks, "--train.tasks-per-step", 2, "--train.group-size", 4),
        *("--train.num-eval-tasks", 4),
    )
    code, printed = quietly(main, *flags)
    assert code == 0
    assert "| grpo | counterfactual | 2 |" in printed
    assert "interquartile mean" in (tmp_path / "x" / "quartile_means.md").read_text()
    for run in read_results(tmp_path / "x" / "runs.jsonl", RunResult):
        assert run.tokens >= 300
        assert run.curve[0][0] == 0
        assert run.curve[-1][0] == run.tokens
    assert (tmp_path / "x" / "curves.png").read_bytes().startswith(b"\x89PNG")
    before = (tmp_path / "x" / "runs.jsonl").read_bytes()
    code, again = quietly(main, *flags)
    assert (code, again.splitlines()[-3:]) == (0, printed.splitlines()[-3:])
    assert (tmp_path / "x" / "runs.jsonl").read_bytes() == before


def test_command_refuses_one_seed(tmp_path, capsys):
    code, _ = quietly(main, "--num-seeds", 1, "--out-dir", tmp_path / "x")
    assert code == 2
    assert "num_seeds must be >= 2, got 1" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_command_refuses_a_folder_with_runs_of_other_settings(tmp_path, capsys):
    (tmp_path / "runs.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    code, _ = quietly(main, "--out-dir", tmp_path)
    assert code == 2
    assert "out_dir must hold runs with these settings" in capsys.readouterr().err
