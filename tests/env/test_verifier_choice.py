"""The verifier of multiple-choice questions: which option a response states."""

from __future__ import annotations

import pytest

from ccpo_env import Task, verify, vote_v0
from ccpo_env.verifiers.choice import ChoiceVerifier

DRUGS = ("ibuprofen", "warfarin", "aspirin", "heparin")
TASK = Task("a", "Which drug?", "C", choices=DRUGS)


def status(response: object, gold: str = "C", choices: tuple[str, ...] = DRUGS) -> str:
    return ChoiceVerifier(choices)(response, gold).status  # type: ignore[arg-type]


def test_a_vote_counts_letters_without_comparing_answers() -> None:
    env = vote_v0(tasks=[TASK], num_voters=5)
    env.reset(seed=1)
    for message in ("So B.", r"\boxed{warfarin}", "The answer is (C).", "A and C", "no idea"):
        env.step(message)
    assert (env.ballot.clusters, env.verdict.answer) == ((0, 0, 1, 2, -1), "B")


def test_verify_reads_the_options_of_the_task() -> None:
    assert verify("It is aspirin.", "C", verifier="choice", task=TASK).status == "correct"
    assert verify("It is aspirin.", "aspirin", verifier="choice", task=TASK).status == "correct"
    assert verify("The answer is (C).", "C", verifier="choice").status == "correct"
    assert verify("The answer is (N).", "N", verifier="choice").status == "correct"


@pytest.mark.parametrize("gold", ["", "E", "aspirin and heparin", "A, C", None])
def test_a_gold_answer_that_is_no_option_is_an_error(gold: str) -> None:
    verdict = ChoiceVerifier(DRUGS)("C", gold)
    assert verdict.status == "error"
    assert verdict.detail.startswith("gold must be the letter or the text of one option")
