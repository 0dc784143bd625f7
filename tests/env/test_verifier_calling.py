"""A verifier may read more of a task than its gold answer, wherever responses are verified."""

from __future__ import annotations

from typing import Any

import pytest

from ccpo_env import Task, Verdict, think_solve_v0, verify, vote_v0
from ccpo_env.types import TaskVerifier, Verifier
from ccpo_env.verifiers import exact
from ccpo_env.verifiers.calling import verifier_of

TASK = Task("a", "Which?", "two", answers=("2", "II"))


class AnyAnswer:
    """Accepts each gold answer of the task."""

    def __call__(self, response: str, gold: str) -> Verdict:
        raise AssertionError("a verifier for a task is called, not this one")

    def for_task(self, task: Task) -> Verifier:
        """Return the verifier of a task."""

        def verify_answer(response: str, gold: str) -> Verdict:
            golds = (gold, *task.answers) if gold == task.answer else (gold,)
            return Verdict("correct" if response in golds else "wrong", response)

        return verify_answer


def test_a_verifier_without_for_task_is_the_same_for_all_tasks() -> None:
    assert verifier_of(exact, TASK) is exact
    assert isinstance(AnyAnswer(), TaskVerifier)


def test_the_last_message_is_verified_with_the_task() -> None:
    env = think_solve_v0(tasks=[TASK], verifier=AnyAnswer())
    for message, reward in (("II", 1.0), ("III", -1.0)):
        env.reset(seed=1, options={"prefix": ["think"]})
        env.step(message)
        assert env.rewards["solver_0"] == reward


def test_ballots_are_verified_with_the_task() -> None:
    env = vote_v0(tasks=[TASK], num_voters=3, verifier=AnyAnswer())
    env.reset(seed=1)
    for message in ("II", "5", "2"):
        env.step(message)
    assert set(env.rewards.values()) == {1.0}


@pytest.mark.parametrize(
    ("response", "options", "status"),
    [
        ("So 5.", {"verifier": "number"}, "correct"),
        (r"\boxed{0.5}", {}, "correct"),
        (r"\boxed{0.5}", {"verifier": "exact"}, "wrong"),
        ("2", {"verifier": AnyAnswer(), "task": TASK}, "correct"),
    ],
)
def test_verify_takes_a_verifier_and_a_task(
    response: str, options: dict[str, Any], status: str
) -> None:
    gold = {"So 5.": "5", "2": "two"}.get(response, r"\frac12")
    assert verify(response, gold, **options).status == status


def test_an_unknown_verifier_is_refused() -> None:
    with pytest.raises(ValueError, match=r"verifier .*'exakt'.*did you mean 'exact'"):
        verify("x", "x", verifier="exakt")
