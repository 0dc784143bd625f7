"""The evaluator that training and ``python -m baselines.evaluate`` share."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from baselines.common.stats import proportion
from baselines.evaluate import command as evaluate
from baselines.evaluate.batches import EvaluationPlan, play_all
from baselines.evaluate.evaluation import Evaluation
from baselines.evaluate.paths import JOINT, TeamPath
from baselines.evaluate.tables import TERMINAL_WIDTH, grids
from baselines.train.config import TrainConfig
from baselines.train.seeding import Stream, Streams
from baselines.train.trainer import Trainer
from ccpo_env.types import Task
from tests.rl.teams import NO_THINKER, RecordingPolicy, judge, quietly, runner_of, write_tasks

VOTERS = ["voter_0", "voter_1", "voter_2"]
ALONE = TeamPath("without", ("thinker_0",))
TASKS = [Task(f"t/{number}", f"number {number}", str(number)) for number in range(6)]


def thinker(prompt: str) -> str:
    """Think right about tasks 0 to 2, and mislead about task 3."""
    number = int(prompt.split("number ")[1].split()[0])
    return {0: "it is 0", 1: "it is 1", 2: "it is 2", 3: "it is 9"}.get(number, "no idea")


def solver(prompt: str) -> str:
    """Repeat the thought; without one only task 3 is known, and task 5 is not measured."""
    number = int(prompt.split("number ")[1].split()[0])
    if number == 5:
        return "?"
    if "it is " in prompt:
        return prompt.split("it is ")[1][0]
    return "3" if number == 3 else "9"


def evaluation_of(solver=solver, *, removals=(NO_THINKER,), title="held out") -> Evaluation:
    runner = runner_of(RecordingPolicy(thinker), RecordingPolicy(solver))
    plan = EvaluationPlan(benchmarks={title: TASKS}, removals=removals)
    return Evaluation.of(play_all(runner, plan), verify=judge)


def counted(found: Evaluation, quantity, path=JOINT) -> tuple[int, int]:
    row = found.overall.find(quantity, path)
    return row.successes, row.total


def test_evaluation_by_hand():
    found = evaluation_of()
    # right together: 0, 1, 2; right alone: 3; 4 wrong in both; 5 not measured in either
    assert counted(found, "accuracy") == (3, 5)
    assert counted(found, "accuracy", ALONE) == (1, 5)
    assert counted(found, "help", ALONE) == (3, 5)
    assert counted(found, "hurt", ALONE) == (1, 5)
    assert counted(found, "net_gain", ALONE) == (2, 5)
    assert (found.num_tasks, found.num_unmeasured) == (6, 2)


def test_evaluation_with_one_sample_has_wilson_intervals():
    found = evaluation_of()
    wilson = proportion(3, 5)
    for estimate in (found.accuracy(), found.overall.find("help", ALONE).estimate):
        assert estimate.value == wilson.value
        assert (estimate.low, estimate.high) == pytest.approx((wilson.low, wilson.high))
    assert found.accuracy(ALONE).value == 1 / 5


def test_evaluation_metrics_are_the_rates():
    assert evaluation_of().metrics() == {
        "eval/accuracy/joint": 3 / 5,
        "eval/accuracy/solo": 1 / 5,
        "eval/help_rate": 3 / 5,
        "eval/hurt_rate": 1 / 5,
    }


def test_evaluation_as_json_names_who_was_removed():
    found = evaluation_of().to_json()
    (summary,) = found.pop("summaries")
    assert [row["quantity"] for row in summary["rows"]] == [
        *("accuracy", "accuracy", "help", "hurt", "net_gain")
    ]
    assert found == {
        "num_tasks": 6,
        "num_samples": 1,
        "joint": {"successes": 3, "total": 5},
        "without": {"thinker_0": {"successes": 1, "total": 5}},
        "help": {"thinker_0": {"successes": 3, "total": 5}},
        "hurt": {"thinker_0": {"successes": 1, "total": 5}},
        "unmeasured": 2,
    }


def test_evaluation_compares_only_tasks_measured_on_both_sides():
    def moody(prompt):  # task 0 cannot be told with the thought, task 1 without it
        told = "it is 0" not in prompt and ("number 1" not in prompt or "it is" in prompt)
        return solver(prompt) if told else "?"

    found = evaluation_of(moody)
    assert counted(found, "accuracy") == (2, 4)
    assert counted(found, "accuracy", ALONE) == (1, 4)
    assert counted(found, "help", ALONE) == (1, 3)
    assert counted(found, "hurt", ALONE) == (1, 3)
    assert found.metrics()["eval/help_rate"] == found.metrics()["eval/hurt_rate"] == 1 / 3
    assert found.num_unmeasured == 4


def test_evaluation_is_none_when_nothing_was_measured():
    found = evaluation_of(lambda _prompt: "?")
    assert found.accuracy() is None
    assert found.overall.find("help", ALONE).estimate is None
    assert found.num_unmeasured == 12
    assert set(found.metrics().values()) == {None}
    assert found.to_json()["joint"] == {"successes": 0, "total": 0}


def test_evaluation_without_removals_measures_the_whole_team_only():
    found = evaluation_of(removals=())
    assert found.removals == ()
    assert counted(found, "accuracy") == (3, 5)
    assert found.metrics()["eval/accuracy/solo"] is None
    assert found.to_json()["help"] == {}


def test_all_paths_are_played_in_one_lockstep_in_the_order_of_the_tasks():
    policy = RecordingPolicy(solver)
    runner = runner_of(RecordingPolicy(thinker), policy)
    plan = EvaluationPlan(benchmarks={"held out": TASKS}, removals=[NO_THINKER], tasks_per_batch=6)
    found = Evaluation.of(play_all(runner, plan, rng=np.random.default_rng(0)), verify=judge)
    assert [len(call) for call in policy.calls] == [12]
    for path in (JOINT, ALONE):
        assert [e.task for e in found.episodes if e.path == path] == TASKS


def test_evaluation_of_several_shares_is_that_of_all_tasks():
    """Each process plays its share of the tasks path by path; the episodes are concatenated."""
    whole = evaluation_of()
    shares = ({task.id for task in TASKS[:2]}, {task.id for task in TASKS[2:]})
    gathered = [e for share in shares for e in whole.episodes if e.task.id in share]
    assert gathered != whole.episodes
    found = Evaluation.of(gathered, verify=judge)
    assert found.to_json() == whole.to_json()
    assert found.metrics() == whole.metrics()


def text_of(evaluation: Evaluation) -> str:
    console = Console(file=StringIO(), width=TERMINAL_WIDTH)
    for grid in grids(evaluation.summaries):
        console.print(grid.for_terminal())
    return console.file.getvalue()


def test_table_shows_mean_interval_count_and_verdict():
    text = text_of(evaluation_of())
    head, *rows = (grid := grids(evaluation_of().summaries)[0]).columns, *grid.rows
    assert head == ("quantity", "mean", "95 % interval", "count", "verdict")
    # Wilson intervals of 3 of 5 and 1 of 5, by the formula of baselines.common.stats
    assert rows[:4] == [
        ("accuracy, whole team", "0.600", "[0.231, 0.882]", "3 of 5", ""),
        ("accuracy without thinker_0", "0.200", "[0.036, 0.624]", "1 of 5", ""),
        ("right only with thinker_0", "0.600", "[0.231, 0.882]", "3 of 5", ""),
        ("right only without thinker_0", "0.200", "[0.036, 0.624]", "1 of 5", ""),
    ]
    gain = rows[4]
    assert gain[:2] == ("net gain of thinker_0", "+0.400")
    # of 4 coins, 3 or more on one side, twice: 2 * (1 + 4) / 16
    assert gain[3:] == ("", "inconclusive, p = 0.625")
    assert "2 episodes not measured" in text
    assert all(cell.split()[0].rstrip(",") in text for row in rows for cell in row if cell)


def test_table_says_when_a_rate_was_not_measured():
    text = text_of(evaluation_of(lambda _prompt: "?"))
    assert "not measured" in text
    assert "0 of 0" in text


@pytest.mark.parametrize("title", ["runs/[/b] on x", "[red]policy[/red] on x"])
def test_table_title_is_text_and_not_markup(title):
    assert title in text_of(evaluation_of(title=title))


@pytest.fixture
def trainer(tmp_path) -> Trainer:
    tasks = write_tasks(tmp_path / "tasks.jsonl")
    return Trainer(TrainConfig(tasks=str(tasks), num_eval_tasks=4), tmp_path / "run")


def test_training_evaluates_with_the_same_random_numbers_after_every_step(trainer):
    runner, found = trainer._runner, trainer.evaluate()
    tasks = [e.task for e in found.episodes if e.path == JOINT]
    plan = EvaluationPlan(
        benchmarks={"tasks.jsonl": tasks}, removals=(NO_THINKER,), tasks_per_batch=4
    )
    rng = Streams(trainer.config.seed).own(Stream.EVALUATION, 0)
    assert found.episodes == play_all(runner, plan, rng=rng)
    trainer.steps_done = 3
    assert trainer.evaluate().episodes == found.episodes
    assert trainer.evaluate(draw=1).episodes != found.episodes


def test_training_and_evaluate_report_the_same_quantities(trainer, tmp_path):
    own = trainer.evaluate().to_json()
    out_dir = tmp_path / "out"
    flags = ("--policy", "tiny", "--tasks", trainer.config.tasks, "--limit", 4)
    assert quietly(evaluate.main, *flags, "--out-dir", out_dir)[0] == 0
    other = json.loads((out_dir / "evaluation.json").read_text(encoding="utf-8"))
    assert set(other) == {"config", *own}

    def keys(found):
        (summary,) = found["summaries"]
        rows = [(row["quantity"], row["path"], row["k"]) for row in summary["rows"]]
        return summary["benchmark"], summary["tag"], summary["num_tasks"], rows

    assert keys(own) == keys(other)


@pytest.mark.parametrize(
    ("settings", "removed", "paired"),
    [
        ({"topology": "vote", "num_voters": 3}, VOTERS, VOTERS),
        ({"topology": "debate", "num_debaters": 2}, ["debater_0", "debater_1"], ["debater_1"]),
        ({"num_thinkers": 2}, ["thinker_0", "thinker_1"], ["thinker_1"]),
        ({"topology": "vote", "num_voters": 1}, [], []),
    ],
    ids=["vote", "debate", "chain", "alone"],
)
def test_training_evaluates_every_agent_that_can_be_spared(
    trainer, tmp_path, settings, removed, paired
):
    config = replace(trainer.config, **settings, allocator="shared")
    found = Trainer(config, tmp_path / "other").evaluate()
    assert list(found.to_json()["without"]) == removed
    joint = {e.task.id: e.messages for e in found.episodes if e.path == JOINT}
    for episode in found.episodes:
        if episode.num_shared:
            left = [m for m in joint[episode.task.id] if m.agent not in episode.path.removed]
            assert list(episode.messages[: episode.num_shared]) == left[: episode.num_shared]
    assert {e.path.agents for e in found.episodes if e.num_shared} == {(name,) for name in paired}
    solo = [found.accuracy(path).value for path in found.removals]
    expected = float(np.mean(solo)) if solo else None
    assert found.metrics()["eval/accuracy/solo"] == expected
