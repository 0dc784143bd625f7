"""Read rollouts.jsonl: the rollouts that credit was computed from, a line per task and step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from baselines.common.jsonl import read_rows

ROLLOUTS_FILE = "rollouts.jsonl"
"""File name, in the folder of a run."""
DIGITS = 4
"""Decimals of credit and advantages in the file."""
PAGE_CHARS = 24_000_000
"""Characters of all texts on a page, at most; a browser opens that in a second."""
MIN_CHARS = 60
"""Texts on a page are not clipped further."""


class RecordedReplays(TypedDict):
    """Episodes of the team without some agents, or of the whole team from some turn on.

    Keys:
        without: Agents that were removed; empty for continuations of the whole team.
        rollout: Index of the rollout with which they share messages; None: they belong to the
            task.
        kept: Positions of the turns, of the whole team, whose messages are those of that rollout.
        speakers: The agent of each other message.
        messages: The other messages of each of M episodes, (M, number of speakers).
        answers: The team's answer in each; None where there was none.
        rewards: The team reward of each, -1 or +1; None where it was not measured.
    """

    without: list[str]
    rollout: int | None
    kept: list[int]
    speakers: list[str]
    messages: list[list[str]]
    answers: list[str | None]
    rewards: list[float | None]


class RecordedGroup(TypedDict):
    """The G rollouts of one task in one step, of T turns each.

    Keys:
        step: Number of the step.
        task_id: The task.
        question: What the team was asked.
        gold: The gold answer.
        turns: Name of each turn: the agent, or ``<agent>#<n>`` where somebody speaks repeatedly.
        messages: The messages, (G, T).
        answers: The team's answers, (G,); None where there was none.
        rewards: Team rewards, (G,).
        credit: Credit of each message, (G, T).
        advantage: Advantage of each message, (G, T).
        shared_advantage: What its advantage would be under shared credit, (G, T).
        replays: Episodes without some agents, and continuations.
        version: Number of steps whose updates the weights had that sampled it, if recorded.
        votes: In a vote, the answer of each voter, (G, T); None: an abstention.
        recounts: In a vote, the reward of each rollout without the vote of each agent, (G,).
    """

    step: int
    task_id: str
    question: str
    gold: str
    turns: list[str]
    messages: list[list[str]]
    answers: list[str | None]
    rewards: list[float]
    credit: list[list[float]]
    advantage: list[list[float]]
    shared_advantage: list[list[float]]
    replays: list[RecordedReplays]
    version: NotRequired[int]
    votes: NotRequired[list[list[str | None]]]
    recounts: NotRequired[dict[str, list[float]]]


def read_rollouts(path: Path) -> list[RecordedGroup]:
    """Return the recorded groups in the order of their steps, none if there is no file.

    Takes no lock: a line that is being written is left out.

    Raises:
        ValueError: If a complete line is not JSON.
    """
    return cast(list[RecordedGroup], read_rows(path))


def clip(text: str, max_chars: int) -> str:
    """Return a text; if it is longer, its middle is replaced by how many characters it had.

    The first two thirds and the last third are kept, because answers stand at the end.

    Args:
        text: The text.
        max_chars: Number of its characters that are kept.
    """
    left_out = len(text) - max_chars
    if left_out <= 0:
        return text
    tail = max_chars // 3
    head = text[: max_chars - tail]
    return f"{head} … [{left_out:,} characters left out] … {text[len(text) - tail :]}"


def clip_length(lengths: Sequence[int], total: int) -> int:
    """Return the largest number of characters to which each text can be clipped.

    Args:
        lengths: Lengths of the texts.
        total: Sum of the lengths after clipping, at most.
    """
    ordered = sorted(lengths)
    for place, length in enumerate(ordered):
        share = max(0, total) // (len(ordered) - place)  # of the texts at least this long
        if length > share:
            return share
        total -= length
    return max(lengths, default=0)
