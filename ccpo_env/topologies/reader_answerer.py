"""Reader and answerer: the reader reads the passages, the answerer only what it hands over."""

from __future__ import annotations

from ccpo_env.prompts import GIVE_ANSWER
from ccpo_env.types import PromptTemplate, Topology, Turn

READER_ANSWERER = PromptTemplate(
    roles={
        "reader": "You are the reader in a team: only you see the passages below the question.",
        "answerer": (
            "You are the answerer in a team: you see the question and, if there is a reader, "
            "what it found in passages that you cannot see."
        ),
    },
    hand_over="Write down what the passages say that is needed to answer the question.",
    give_answer=GIVE_ANSWER,
)


def reader_answerer() -> Topology:
    """Return the pair reader_0, answerer_0; the passages of a task are read by the reader only.

    Without the reader, the answerer answers from the question alone: the credit of the reader is
    what the team gains from the passages through it. Without the answerer, the reader answers with
    the passages in view. What the reader quotes may hold the answer, so nothing is hidden from the
    answerer.

    Source: ours.
    """
    turns = (
        Turn("reader_0", "reader", ()),
        Turn("answerer_0", "answerer", ("reader_0",), reads_context=False),
    )
    return Topology("reader_answerer", turns, READER_ANSWERER)
