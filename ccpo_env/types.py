"""Values that cross the borders of the environment: frozen, without logic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

Role = Literal["thinker", "solver"]
Status = Literal["correct", "wrong", "no_answer", "timeout", "error"]


@dataclass(frozen=True, slots=True)
class Task:
    """One question with a checkable answer.

    Args:
        id: Unique within its source and stable between loads.
        question: What the team reads.
        answer: The gold answer, which no agent reads.
        source: Where the task is from: a registered name or a file name.
    """

    id: str
    question: str
    answer: str
    source: str = "custom"


@dataclass(frozen=True, slots=True)
class Message:
    """What one agent said in one turn."""

    agent: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier says about one response.

    Args:
        status: "correct" and "wrong" are measured; "no_answer" is the model's fault and counts
            as wrong; "timeout" and "error" are not measured.
        answer: The extracted answer, or None when there is none.
        detail: Why the status is "timeout" or "error", in one sentence; empty otherwise.
    """

    status: Status
    answer: str | None = None
    detail: str = ""

    @property
    def reward(self) -> float | None:
        """Team reward: +1.0 if correct, -1.0 if wrong or no answer, None if not measured."""
        if self.status in ("timeout", "error"):
            return None
        return 1.0 if self.status == "correct" else -1.0


Verifier = Callable[[str, str], Verdict]
"""Compares a response (full text) with a gold answer."""


class Observation(TypedDict):
    """What the acting agent may read, as plain text."""

    prompt: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a topology: who speaks, in which role, after reading whose messages."""

    speaker: str
    role: Role
    reads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """Who speaks when and who reads what: one turn per agent, in speaking order.

    The last turn that is left after agents are removed answers for the team.
    """

    name: str
    turns: tuple[Turn, ...]

    @property
    def agents(self) -> tuple[str, ...]:
        """Agents in speaking order."""
        return tuple(turn.speaker for turn in self.turns)

    @property
    def roles(self) -> tuple[Role, ...]:
        """Roles in the order in which they first speak."""
        return tuple(dict.fromkeys(turn.role for turn in self.turns))


TaskInput = str | Sequence[Task | tuple[str, str]]
"""A registered task source, a .jsonl or .parquet path, or tasks themselves."""
