"""Immutable data types of the environment's public interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict

Role = str
"""Role of an agent, such as "thinker"; the agent's name is the role and a number."""
Decision = Literal["last", "majority"]
"""How the team's answer is chosen: the last speaker's, or the majority of the voters."""
Status = Literal["correct", "wrong", "no_answer", "timeout", "error"]


@dataclass(frozen=True, slots=True)
class Task:
    """One question with a checkable answer.

    Args:
        id: Unique within its source and stable between loads.
        question: The question as the team reads it.
        answer: The gold answer, which no agent reads.
        source: Origin of the task: a registered name or a file name.
        tags: Names and values that group tasks in reports, such as ("level", "5"); no agent reads
            them. Pairs instead of a dict, so that a task is hashable and immutable.
    """

    id: str
    question: str
    answer: str
    source: str = "custom"
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """The message of one agent in one turn."""

    agent: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of verifying one response.

    Args:
        status: "correct" and "wrong" are measured; "no_answer" means that the response holds no
            answer and counts as wrong; "timeout" and "error" are not measured.
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
    """The acting agent's observation, as plain text."""

    prompt: str


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """The instructions for the roles of a team.

    Args:
        roles: Description of each role, addressed to the agent.
        hand_over: Instruction for an agent whose message is read by later agents.
        give_answer: Instruction for an agent whose answer counts, regardless of its role.
    """

    roles: Mapping[Role, str]
    hand_over: str
    give_answer: str

    def instruction(self, role: Role, *, answers: bool) -> str:
        """Return the instruction for an agent of a role that hands over or answers.

        Raises:
            ValueError: If the template has no such role.
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
        prompts: Default instructions for the agents.
        decision: "last": the last agent that is not removed answers for the team. "majority": every
            turn is an answer and `ccpo_env.voting` counts the votes.
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
