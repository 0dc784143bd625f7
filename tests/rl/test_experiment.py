from __future__ import annotations

import json
import re

import numpy as np
import pytest
from matplotlib.axes import Axes
from scipy import stats

from baselines.common.command_line import parse
from baselines.common.stats import mean_over_seeds, seeds_for_power
from baselines.compare.methods import AgentCredit, Cost
from baselines.experiment import ExperimentConfig, main
from baselines.experiment.aggregate import aggregate
from baselines.experiment.command import settle
from baselines.experiment.figure import learning_curves, measured_means
from baselines.experiment.page import comparisons_of, methods_of
from baselines.experiment.runs import RunKey, RunResult, settings_of_run
from baselines.experiment.sweep import read_results
from baselines.experiment.tables import gains_grids, markdown, quartile_markdown, verdicts
from baselines.experiment.terminal import conclusions, next_commands, with_one_note
from baselines.train.config import TrainConfig
from tests.rl.teams import quietly, write_tasks

GRID = tuple(range(0, 1001, 100))


def result(allocator: str, seed: int, joint: float, *, solo: float = 0.3, grid=GRID) -> RunResult:
    """A run whose accuracy rises linearly from 0.3."""
    curve = tuple((t, 0.3 + (joint - 0.3) * t / grid[-1], solo) for t in grid)
    return RunResult(RunKey(allocator, "grpo", seed), 10, grid[-1], 80, curve)


def several(allocator: str, joints, **settings) -> list[RunResult]:
    return [result(allocator, seed, joint, **settings) for seed, joint in enumerate(joints)]


BASES = (0.5, 0.9, 0.32, 0.7, 0.6)
BETTER = tuple(base + 0.05 + 0.001 * seed for seed, base in enumerate(BASES))


def test_quantities_of_a_linear_curve_by_hand():
    run = result("shared", 0, 0.8, solo=0.2)
    # from 0.3 to 0.8 at 1000 tokens: 0.55 at 500, and 0.425 on average until then
    found = run.quantities(500)
    assert found == pytest.approx({"joint": 0.55, "contribution": 0.35}, abs=1e-12)
    assert run.quantities(1000)["area"] == pytest.approx(0.55)
    assert (run.joint, run.evaluated_at[-1]) == (0.8, 1000)


def test_runs_are_compared_at_equal_tokens_and_never_extrapolated():
    # Both learn alike; one was measured further, and ends higher.
    longer = tuple(range(0, 2001, 100))
    runs = several("shared", BASES)
    runs += several("branch", [0.3 + (base - 0.3) * 2 for base in BASES], grid=longer)
    found = aggregate(runs)
    _, branch = found.rows
    assert found.tokens == 1000
    assert branch.gains["joint"].value == pytest.approx(0.0, abs=1e-12)
    assert branch.gains["area"].value == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(
        ValueError, match="must have been measured up to 1,001 tokens, got 0 to 1,000"
    ):
        runs[0].quantities(1001)


def test_aggregate_compares_seed_by_seed_with_shared_credit():
    # The seeds differ much more than the methods: only the pairs show it.
    found = aggregate(several("shared", BASES) + several("branch", BETTER))
    shared, branch = found.rows
    assert shared.gains == {}
    assert branch.gains["joint"].value == pytest.approx(0.052)
    assert branch.gains["joint"].low > 0.0
    assert branch.gains["joint"].p_value < 0.05
    (sentence, *_) = verdicts(found)
    assert sentence.startswith("branch with grpo: joint accuracy at the end above shared by +0.052")
    assert "Holm p < 0.001" in sentence


def test_all_quantities_are_one_family_of_tests():
    found = aggregate(several("shared", BASES) + several("branch", BETTER, solo=0.31))
    gains = found.rows[1].gains
    single = {q: aggregate_of_one(q) for q in ("joint", "area")}
    assert set(gains) == {"joint", "contribution", "area"}
    # joint and area have the same t statistic here: Holm multiplies the smallest of three by 3
    smallest = min(own for own in single.values())
    assert gains["joint"].p_value == pytest.approx(3 * smallest, rel=0.05)


def aggregate_of_one(quantity: str) -> float:
    runs = (several("shared", BASES), several("branch", BETTER))
    values = [[run.quantities(1000)[quantity] for run in own] for own in runs]
    return float(stats.ttest_rel(values[1], values[0]).pvalue)


@pytest.mark.parametrize("num_seeds", [2, 3, 4])
def test_fewer_than_five_seeds_are_not_tested_and_told_how_many_a_gap_needs(num_seeds):
    found = aggregate(several("shared", BASES[:num_seeds]) + several("branch", BETTER[:num_seeds]))
    gain = found.rows[1].gains["area"]
    assert gain.p_value is None
    assert gain.seeds_needed == seeds_for_power(gain.value, gain.deviation)
    assert verdicts(found) == [f"a test over seeds needs at least 5 of them, got {num_seeds}"]
    for words in (markdown(found.rows), str(gains_grids(found, "area"))):
        assert not re.search(r"p [<=] 0", words)
        assert "needs 5 seeds" in words
    assert [own.verdict for own in comparisons_of(found)] == [None]


def test_inconclusive_gap_says_how_many_seeds_it_needs():
    others = [base + gap for base, gap in zip(BASES, (0.1, -0.05, 0.08, 0.02, -0.03), strict=True)]
    found = aggregate(several("shared", BASES) + several("branch", others))
    gain = found.rows[1].gains["joint"]
    assert gain.conclusion == "inconclusive"
    assert gain.seeds_needed > 5
    assert gains_grids(found, "joint")[0].rows[1][-1] == str(gain.seeds_needed)


def test_verdicts_claim_nothing_within_chance():
    runs = several("shared", [0.5 + 0.1 * (seed % 2) for seed in range(6)])
    runs += several("branch", [0.5 + 0.1 * ((seed + 1) % 2) for seed in range(6)])
    assert verdicts(aggregate(runs)) == ["no method differs significantly from shared credit"]


def test_differences_without_spread_are_no_verdict():
    runs = several("shared", [0.5] * 5) + several("branch", [0.6] * 5)
    found = aggregate(runs)
    assert found.rows[1].gains["joint"].p_value is None
    assert gains_grids(found, "joint")[0].rows[1][3] == "all equal"
    assert comparisons_of(found)[0].verdict is None


def test_p_values_are_never_printed_as_zero():
    rows = aggregate(several("shared", BASES) + several("branch", BETTER)).rows
    assert rows[1].gains["area"].p_value < 0.0005
    line = markdown(rows).splitlines()[-1]
    assert "| < 0.001 |" in line
    assert "0.000 |" not in line


def test_the_end_names_the_methods_that_differ_and_the_next_command(tmp_path):
    worse = [base - 0.01 * (seed % 2) for seed, base in enumerate(BASES)]
    runs = several("shared", BASES) + several("branch", BETTER) + several("shapley", worse)
    found = aggregate(runs)
    assert conclusions(found) == [
        "Joint accuracy at the end, 2 methods compared with shared credit: above: branch; "
        "inconclusive: shapley.",
        "Mean accuracy over training, 2 methods compared with shared credit: above: branch; "
        "inconclusive: shapley.",
    ]
    (command,) = next_commands(found, tmp_path)
    assert command.startswith("ccpo train --allocator branch --optimizer grpo --out-dir ")
    few = aggregate(several("shared", BASES[:2]) + several("branch", BETTER[:2]))
    assert "no verdict, nothing was tested." in conclusions(few)[0]
    again = next_commands(few, tmp_path, ["--allocators", "shared", "a b", "--num-seeds", "2"])
    assert "ccpo experiment --allocators shared 'a b' --num-seeds 2 --num-seeds 5" in again
    grids = with_one_note([own for q in ("joint", "area") for own in gains_grids(found, q)])
    assert [bool(grid.note) for grid in grids] == [False, True]


def test_missing_runs_are_left_out_and_named():
    runs = several("shared", BASES) + several("branch", BETTER[:3]) + several("shapley", BETTER[:1])
    expected = [
        RunKey(name, "grpo", seed) for name in ("shared", "branch", "shapley") for seed in range(5)
    ]
    found = aggregate(runs, expected)
    assert [row.allocator for row in found.rows] == ["shared", "branch"]
    assert found.rows[1].gains["joint"].num_units == 3
    assert found.notes[:2] == (
        "branch with grpo: 3 of 5 runs finished; compared on these",
        "shapley with grpo: 1 of 5 runs finished; left out",
    )


def test_too_few_evaluations_are_no_mean_over_training():
    coarse = several("branch", BETTER, grid=(0, 300, 600, 1000))
    found = aggregate(several("shared", BASES) + coarse)
    shared, branch = found.rows
    assert "area" in shared.means
    assert {*branch.means, *branch.gains} == {"joint", "contribution"}
    (note,) = found.notes
    assert note.startswith("no mean accuracy over training for branch with grpo (3): it needs")
    assert "at least 8 evaluations within 1,000 tokens" in note
    assert "too few evaluations" in markdown(found.rows)
    assert gains_grids(found, "area")[0].rows[1][1] == "too few evaluations"


def test_markdown_has_a_line_per_method():
    rows = aggregate(several("shared", (0.5, 0.6)) + several("branch", (0.5, 0.6))).rows
    for table in (markdown(rows), quartile_markdown(rows)):
        lines = table.splitlines()
        assert len(lines) == 4
        assert len({line.count("|") for line in lines}) == 1


def test_every_printed_number_stands_beside_its_interval():
    rows = aggregate(several("shared", (0.5, 0.6)) + several("branch", (0.5, 0.7))).rows
    for table, last in ((markdown(rows), -2), (quartile_markdown(rows), None)):
        for line in table.splitlines()[2:]:
            cells = line[2:-2].split(" | ")
            estimates = [cell for cell in cells[:last] if re.match(r"[-+]?\d\.\d", cell)]
            assert len(estimates) >= 3
            assert all(re.search(r" \[.+\]$", cell) for cell in estimates)


def test_result_written_as_json_is_read_back():
    run = result("branch", 3, 0.6)
    credited = RunResult(
        run.key,
        *(run.steps, run.tokens, run.verifier_calls, run.curve, 12.5, {"joint": "10-1"}),
        credit={"thinker_0": AgentCredit(mean=0.1, share=None, correlation=0.9)},
        cost=Cost(steps=10, tokens={"whole team": 5.0}, verifier_calls=3, seconds=2.0),
    )
    assert RunResult.from_json(json.loads(json.dumps(credited.to_json()))) == credited


def test_marks_of_the_figure_are_the_evaluations_and_bands_their_intervals(monkeypatch):
    bands, lines, plot = [], [], Axes.plot

    def plotted(axis, x, y, style, **kept):
        lines.append((list(x), list(y)))
        return plot(axis, x, y, style, **kept)

    monkeypatch.setattr(
        Axes, "fill_between", lambda _axis, x, low, high, **_arguments: bands.append((x, low, high))
    )
    monkeypatch.setattr(Axes, "plot", plotted)
    seeds = several("shared", (0.5, 0.6, 0.9), grid=(0, 400, 900))
    assert learning_curves(seeds).startswith(b"\x89PNG")
    ((at, low, high),) = bands
    expected = mean_over_seeds(np.array([0.5, 0.6, 0.9]), bounds=(0.0, 1.0))
    assert (low[-1], high[-1]) == pytest.approx((expected.low, expected.high))
    assert (low[0], high[0]) == (0.3, 0.3)  # all began alike
    ((x, y),) = lines
    assert x == at == [0.0, 0.4, 0.9]
    assert y == pytest.approx([own.value for _, own in measured_means(seeds)])


def test_page_shows_the_tests_of_the_table():
    found = aggregate(several("shared", BASES) + several("branch", BETTER))
    (compared,) = comparisons_of(found)
    gain = found.rows[1].gains["joint"]
    assert (compared.adjusted, compared.verdict) == (gain.p_value, "better")
    assert (compared.reference, compared.method) == ("shared", "branch")
    assert compared.num_tests == 3  # accuracy, contribution and the mean over training
    methods = methods_of(several("shared", BASES), found, {"group_size": 8})
    assert [method.name for method in methods] == ["shared", "branch"]
    assert [point.tokens for point in methods[0].runs[0].points] == list(GRID)


def test_settings_of_all_runs_hold_the_grid_and_a_learning_rate_for_small_steps():
    config = ExperimentConfig(token_budget=1001, num_evaluations=10)
    assert config.training.eval_every_tokens == 101
    assert config.training.learning_rate == 2e-4
    for train in (TrainConfig(tasks_per_step=32), TrainConfig(policy="smollm2", tasks_per_step=8)):
        assert ExperimentConfig(train=train).training.learning_rate is None


@pytest.mark.usefixtures("warm_pools")
def test_command_trains_writes_and_goes_on_where_it_stopped(tmp_path):
    tasks = write_tasks(tmp_path / "tasks.jsonl")
    flags = (
        *("--allocators", "shared", "counterfactual", "--optimizers", "grpo", "--num-seeds", 2),
        *("--token-budget", 150, "--num-workers", 1, "--out-dir", tmp_path / "x"),
        *("--train.tasks", tasks, "--train.tasks-per-step", 2, "--train.group-size", 4),
        *("--train.num-eval-tasks", 4, "--num-evaluations", 3),
    )
    code, printed = quietly(main, *flags)
    assert code == 0
    assert "| grpo | counterfactual | 2 |" in (tmp_path / "x" / "table.md").read_text()
    lines = printed.replace(str(tmp_path), "").splitlines()
    assert max(len(line) for line in lines if not line.startswith("next ")) <= 80
    assert printed.count("difference: paired by seed") == 1
    assert "Held-out accuracy" in (tmp_path / "x" / "compare.html").read_text()
    assert "interquartile mean" in (tmp_path / "x" / "quartile_means.md").read_text()
    for run in read_results(tmp_path / "x" / "runs.jsonl", RunResult):
        assert run.tokens >= 150
        assert run.curve[0][0] == 0
        assert run.curve[-1][0] == run.tokens
        assert {*run.outcomes} == {"joint", "without thinker_0"}
        assert len(run.outcomes["joint"]) == 4
        assert run.joint == run.outcomes["joint"].count("1") / 4
        assert run.cost.all_tokens == run.tokens
        assert {*run.credit} == {"thinker_0", "solver_0"}
    assert (tmp_path / "x" / "curves.png").read_bytes().startswith(b"\x89PNG")
    before = (tmp_path / "x" / "runs.jsonl").read_bytes()
    code, again = quietly(main, *flags)
    assert (code, again.splitlines()[-6:]) == (0, printed.splitlines()[-6:])
    assert "runs finished" in printed
    assert "runs finished" not in again
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


@pytest.mark.parametrize("flag", ["--train.eval-every", "--train.eval-every-tokens"])
def test_command_refuses_another_grid_of_evaluations(tmp_path, capsys, flag):
    code, _ = quietly(main, flag, 3, "--out-dir", tmp_path / "x")
    assert code == 2
    assert f"{flag} must be left out, got 3; pass --num-evaluations" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:Precision loss")
@pytest.mark.parametrize("num_seeds", [2, 5, 10])
def test_at_most_6_of_100_experiments_without_a_difference_have_a_verdict(num_seeds):
    # Curves of three methods: a common rise, the luck of each seed, and noise of each evaluation.
    num_tasks, methods = 300, ("shared", "branch", "shapley")
    rng = np.random.default_rng(num_seeds)
    grid, rise = np.array(GRID), 0.3 + 0.6 * (1.0 - np.exp(-np.array(GRID) / 250.0))

    def simulate(num_experiments: int) -> np.ndarray:
        shape = (num_experiments, len(methods), num_seeds)
        luck = 0.05 * rng.normal(size=(*shape, 1))
        chances = np.clip(rise + luck, 0.0, 1.0)
        joint = rng.binomial(num_tasks, chances) / num_tasks
        alone = rng.binomial(num_tasks, 0.3, size=joint.shape) / num_tasks
        return np.stack([joint, alone], axis=-1)  # experiments, methods, seeds, evaluations, 2

    def wrong_of(curves: np.ndarray) -> bool:
        runs = [
            RunResult(
                RunKey(name, "grpo", seed),
                *(10, int(grid[-1]), 80),
                tuple((int(t), *map(float, point)) for t, point in zip(grid, own, strict=True)),
            )
            for name, seeds in zip(methods, curves, strict=True)
            for seed, own in enumerate(seeds)
        ]
        found = aggregate(runs)
        says = " ".join(verdicts(found))
        page = [own.verdict for own in comparisons_of(found)]
        is_wrong = "above" in says or "below" in says
        assert is_wrong or not {"better", "worse"} & {*page}
        return is_wrong

    curves = simulate(2_000)
    joint, alone = curves[..., -1, 0], curves[..., -1, 1]
    area = np.trapezoid(curves[..., 0], grid, axis=-1) / grid[-1]
    gains = np.stack([own[:, 1:] - own[:, :1] for own in (joint, joint - alone, area)])
    p_values = stats.ttest_1samp(gains, 0.0, axis=-1).pvalue  # quantities, experiments, methods
    smallest = p_values.min(axis=(0, 2)) * len(gains) * (len(methods) - 1)
    is_wrong = (smallest < 0.05) & (num_seeds >= 5)
    assert is_wrong.mean() <= 0.06
    for place in [*np.flatnonzero(is_wrong)[:4], *np.flatnonzero(~is_wrong)[:8]]:
        assert wrong_of(curves[place]) == is_wrong[place]


def test_each_method_takes_the_hyperparameters_that_it_has():
    words = ("--allocators", "shared", "counterfactual", "--optimizers", "grpo", "reinforce_pp")
    words += ("--train.allocator-args", "weight", "0.5")
    config = parse(ExperimentConfig, words, "ccpo experiment", settle=settle)
    found = {
        key.allocator: settings_of_run(config.training, key).allocator_args for key in config.keys
    }
    assert found == {"shared": {}, "counterfactual": {"weight": "0.5"}}


def test_a_hyperparameter_that_no_method_has_is_refused(capsys):
    for kind, method in (("allocator", "shared"), ("optimizer", "rloo")):
        words = (f"--{kind}s", method, f"--train.{kind}-args", "weigth", "0.5")
        with pytest.raises(SystemExit):
            parse(ExperimentConfig, words, "ccpo experiment", settle=settle)
        assert f"unknown hyperparameter 'weigth' of the {kind}s compared" in capsys.readouterr().err
