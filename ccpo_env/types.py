"""Values that cross the borders of the environment: frozen, without logic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict

Role = str
"""What an agent is in a topology, such as "thinker"; its name is the role and a number."""
Decision = Literal["last", "majority"]
"""Whose answer is the team's: the last speaker's, or the one that most voters gave."""
Status = Literal["correct", "wrong", "no_answer", "timeout", "error"]


@dataclass(frozen=True, slots=True)
class Task:
    """One question with a checkable answer.

    Args:
        id: Unique within its source and stable between loads.
        question: What the team reads.
        answer: The gold answer, which no agent reads.
        source: Where the task is from: a registered name or a file name.
        tags: Names and values that group tasks in reports, such as ("level", "5"); no agent reads
            them. Pairs and not a dict, so that a task can be hashed and never changes.
    """

    id: str
    question: str
    answer: str
    source: str = "custom"
    tags: tuple[tuple[str, str], ...] = ()


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
class PromptTemplate:
    """The instructions of a team, as data.

    Args:
        roles: What each role is told about itself.
        hand_over: What an agent is told when others speak after it.
        give_answer: What an agent is told whose answer counts, whatever its role.
    """

    roles: Mapping[Role, str]
    hand_over: str
    give_answer: str

    def instruction(self, role: Role, *, answers: bool) -> str:
        """Return the instruction of an agent that hands over or answers.

        Raises:
            ValueError: If the template does not know the role.
        """
        if role not in self.roles:
            raise ValueError(
                f"roles must instruct every role of the team, got {sorted(self.roles)}; "
                f"add an entry for {role!r}"
            )
        return f"{self.roles[role]} {self.give_answer if answers else self.hand_over}"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a topology: who speaks, in which role, after reading whose messages."""

    speaker: str
    role: Role
    reads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """Who speaks when, who reads what, and whose answer counts.

    Args:
        name: Registered name.
        turns: In speaking order; an agent may have several. The turns of a removed agent do not
            take place.
        prompts: What the agents are told unless a user says otherwise.
        decision: "last": the last speaker that is left answers for the team. "majority": every
            turn is an answer and `ccpo_env.voting` counts them.
        has_secret_answer: Whether an answer that is stated before the last turn is a leak.
    """

    name: str
    turns: tuple[Turn, ...]
    prompts: PromptTemplate = field(hash=False)
    decision: Decision = "last"
    has_secret_answer: bool = False

    @property
    def agents(self) -> tuple[str, ...]:
        """Agents in the order in which they first speak."""
        return tuple(dict.fromkeys(turn.speaker for turn in self.turns))

    @property
    def roles(self) -> tuple[Role, ...]:
        """Roles in the order in which they first speak."""
        return tuple(dict.fromkeys(turn.role for turn in self.turns))


TaskInput = str | Sequence[Task | tuple[str, str]]
"""A registered task source, a .jsonl or .parquet path, or tasks themselves."""
