from __future__ import annotations

import pytest

from ccpo_env import Task
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.topologies.reader_answerer import reader_answerer
from ccpo_env.types import Turn

TASK = Task("t", "Who wrote it?", "Ada", context=("A wrote one.", "Ada wrote it."))
PASSAGES = "\n\nPassage 1:\nA wrote one.\n\nPassage 2:\nAda wrote it."


def played(*texts: str, removed: tuple[str, ...] = ()) -> tuple[TeamAnswerEnv, list[str]]:
    env = TeamAnswerEnv(reader_answerer(), tasks=[TASK], verifier="exact")
    env.reset(options={"removed": removed})
    problems = []
    for text in texts:
        problems.append(env.infos[env.agent_selection]["messages"][1]["content"])
        env.step(text)
    return env, problems


def test_the_answerer_reads_the_question_and_what_the_reader_hands_over() -> None:
    env, (of_reader, of_answerer) = played("It says: the answer is Ada.", r"\boxed{Ada}")
    assert of_reader == f"Problem:\nWho wrote it?{PASSAGES}"
    assert of_answerer == (
        "Problem:\nWho wrote it?\n\nMessage of reader_0:\nIt says: the answer is Ada."
    )
    assert env.rewards["reader_0"] == 1.0


def test_without_the_reader_there_are_no_passages() -> None:
    _, (of_answerer,) = played(r"\boxed{Ada}", removed=("reader_0",))
    assert of_answerer == "Problem:\nWho wrote it?"


def test_without_the_answerer_the_reader_answers() -> None:
    env, (of_reader,) = played(r"\boxed{Ada}", removed=("answerer_0",))
    assert of_reader.endswith(PASSAGES)
    assert env.verdict is not None
    assert env.verdict.status == "correct"


def test_a_turn_reads_the_context_or_not() -> None:
    assert Turn("a_0", "a", ()).reads_context
    with pytest.raises(TypeError, match="reads_context of a Turn must be True or False, got 1"):
        Turn("a_0", "a", (), reads_context=1)  # type: ignore[arg-type]
