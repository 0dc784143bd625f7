from __future__ import annotations

import numpy as np
import pytest

from baselines.credit.removals import each_but_the_last
from baselines.evaluate.team_evaluation import Evaluation, evaluate_team
from baselines.rollouts.costs import CostTracker
from ccpo_env.types import Task
from tests.rl.teams import NO_THINKER, RecordingPolicy, runner_of

WHOLE = frozenset()
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


def evaluation_of(solver=solver, *, removals=(NO_THINKER,), **knobs) -> Evaluation:
    runner = runner_of(RecordingPolicy(thinker), RecordingPolicy(solver))
    rng = np.random.default_rng(0)
    return evaluate_team(runner, TASKS, removals=list(removals), rng=rng, **knobs)


def counted(share) -> tuple[int, int]:
    return share.successes, share.num_units


def test_evaluation_by_hand():
    found = evaluation_of()
    # right together: 0, 1, 2; right alone: 3; 4 wrong in both; 5 not measured in either
    assert counted(found.accuracy()) == (3, 5)
    assert counted(found.accuracy(NO_THINKER)) == (1, 5)
    assert counted(found.help(NO_THINKER)) == (3, 5)
    assert counted(found.hurt(NO_THINKER)) == (1, 5)
    assert found.num_unmeasured == 2


def test_evaluation_metrics_are_the_rates():
    assert evaluation_of().metrics() == {
        "eval/accuracy/joint": 3 / 5,
        "eval/accuracy/solo": 1 / 5,
        "eval/help_rate": 3 / 5,
        "eval/hurt_rate": 1 / 5,
    }


def test_evaluation_as_json_names_who_was_removed():
    assert evaluation_of().to_json() == {
        "num_tasks": 6,
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
    assert counted(found.accuracy()) == (2, 4)
    assert counted(found.accuracy(NO_THINKER)) == (1, 4)
    assert counted(found.help(NO_THINKER)) == (1, 3)
    assert counted(found.hurt(NO_THINKER)) == (1, 3)
    assert found.num_unmeasured == 4


def test_evaluation_is_none_when_nothing_was_measured():
    found = evaluation_of(lambda _prompt: "?")
    assert found.accuracy() is None
    assert found.help(NO_THINKER) is None
    assert found.num_unmeasured == 12
    assert set(found.metrics().values()) == {None}
    assert found.to_json()["joint"] == {"successes": 0, "total": 0}


def test_evaluation_without_removals_measures_the_whole_team_only():
    found = evaluation_of(removals=())
    assert found.removals == ()
    assert counted(found.accuracy()) == (3, 5)
    assert found.metrics()["eval/accuracy/solo"] is None
    assert found.to_json()["help"] == {}


def test_evaluate_team_plays_all_paths_in_one_lockstep_in_the_order_of_the_tasks():
    costs = CostTracker()
    policy = RecordingPolicy(solver)
    runner = runner_of(RecordingPolicy(thinker), policy)
    rng = np.random.default_rng(0)
    found = evaluate_team(runner, TASKS, removals=[NO_THINKER], rng=rng, costs=costs)
    assert len(policy.calls) == 1
    assert costs.verifier_calls == 12
    for path in (WHOLE, NO_THINKER):
        assert [r.request.task for r in found.rollouts[path]] == TASKS
        assert {r.request.removed for r in found.rollouts[path]} == {path}


@pytest.mark.parametrize(
    ("agents", "removals"),
    [
        (("thinker_0", "solver_0"), [{"thinker_0"}]),
        (("thinker_0", "thinker_1", "solver_0"), [{"thinker_0"}, {"thinker_1"}]),
    ],
)
def test_each_but_the_last_keeps_the_agent_that_answers(agents, removals):
    assert list(each_but_the_last(agents)) == removals
