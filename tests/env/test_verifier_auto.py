"""The verifier "auto": the one that the tasks need."""

from __future__ import annotations

import pytest

from ccpo_env import Task, think_solve_v0, verify, vote_v0
from ccpo_env.types import Verifier
from ccpo_env.verifiers.auto import verifier_name
from ccpo_env.verifiers.code.verifier import CodeVerifier
from ccpo_env.verifiers.registry import VERIFIERS, resolve_verifier

PLAIN = Task("plain", "1+1", "2")
CHOICE = Task("choice", "Which?", "B", choices=("x", "y"))
PASSAGE = Task("passage", "Who?", "Ada", context=("Ada wrote it.",))
SEVERAL = Task("several", "Who?", "Ada", answers=("Ada Lovelace",))
CODE = Task("code", "Write f.", "f", tests="assert f()")


@pytest.mark.parametrize(
    ("tasks", "name"),
    [([], "math"), ([PLAIN], "math"), ([CHOICE], "choice"), ([PASSAGE, SEVERAL], "qa")],
)
def test_auto_is_the_verifier_that_the_tasks_need(tasks: list[Task], name: str) -> None:
    assert verifier_name(tasks) == name
    assert resolve_verifier("auto", tasks) is VERIFIERS[name]


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([CODE, CHOICE], "need verifier='code', which runs code that a model wrote, .*'code'"),
        ([PLAIN, CHOICE], "'math' for 'plain', 'choice' for 'choice'; name one"),
        ([SEVERAL, PLAIN], "'qa' for 'several', 'math' for 'plain'"),
    ],
)
def test_auto_refuses_programs_and_tasks_of_several_kinds(tasks: list[Task], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        think_solve_v0(tasks=tasks)


def test_a_named_verifier_is_kept() -> None:
    assert think_solve_v0(tasks=[PLAIN, CHOICE], verifier="math").unwrapped.tasks[1] == CHOICE


def test_verify_takes_auto_with_and_without_a_task() -> None:
    assert verify("It is y.", "B", verifier="auto", task=CHOICE).status == "correct"
    assert verify(r"\boxed{1/2}", "0.5", verifier="auto").status == "correct"


def test_environments_ask_for_the_form_that_auto_reads() -> None:
    env = think_solve_v0(tasks=[CHOICE])
    env.reset(options={"prefix": ["a thought"]})
    assert r"answer as the letter of one option in \boxed{}." in env.observe("solver_0")["prompt"]


@pytest.mark.parametrize(
    ("verifier", "tasks", "message"),
    [
        ("code", [CODE, CHOICE], "'code' must have tests, got task 'choice' without; pass"),
        ("code_partial", [PLAIN], "'code_partial' must have tests, got task 'plain' without"),
        ("choice", [CHOICE, PLAIN, CODE], "'choice' must have options, got task 'plain' without"),
        (CodeVerifier(), [PLAIN], "'CodeVerifier' must have tests, got task 'plain'"),
    ],
)
def test_a_verifier_that_cannot_judge_a_task_is_refused(
    verifier: str | Verifier, tasks: list[Task], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        vote_v0(tasks=tasks, verifier=verifier)


def test_choice_takes_a_letter_as_the_answer_to_options_within_the_question() -> None:
    vote_v0(tasks=[Task("within", "Is it (A) yes or (B) no?", "B")], verifier="choice")
