"""Immutable data types of the environment's public interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict, get_args, runtime_checkable

from ccpo_env.errors import unknown_name

Role = str
"""Role in which an agent speaks, such as "thinker"; of an agent with several, the turn decides."""
Decision = Literal["last", "majority"]
"""How the team's answer is chosen: the last speaker's, or the majority of the voters."""
Status = Literal["correct", "wrong", "no_answer", "timeout", "error"]
_DECISIONS: tuple[Decision, ...] = get_args(Decision)
_STATUSES: tuple[Status, ...] = get_args(Status)


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, got {value!r}; pass a str")


def _is_pair_of_texts(value: object) -> bool:
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    return isinstance(value[0], str) and isinstance(value[1], str)


def _check_tuple_of(kind: type, name: str, values: object, example: str) -> None:
    if not isinstance(values, tuple) or not all(isinstance(value, kind) for value in values):
        raise TypeError(
            f"{name} must be a tuple of {kind.__name__}, got {values!r}; pass e.g. {example}"
        )


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
        choices: Texts of the options of a multiple-choice question, which prompts show as letters;
            the gold answer is then the letter of one of them.
        context: Passages given with the question, for the agents that read them.
        answers: Further gold answers, each as right as the first.
        tests: Program that calls the entry point of a code task; no agent reads it.

    Raises:
        TypeError: If a field that is text or a tuple of texts is not, or the tags are not pairs of
            texts.
    """

    id: str
    question: str
    answer: str
    source: str = "custom"
    tags: tuple[tuple[str, str], ...] = ()
    choices: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    tests: str = ""

    def __post_init__(self) -> None:
        # There may be a million tasks: fields are checked one by one only if some are unusual.
        tuples: tuple[object, ...] = (self.choices, self.context, self.answers, self.tags)
        if {*map(type, tuples)} == {tuple}:
            texts = (self.id, self.question, self.answer, self.source, self.tests)
            inner = (*self.choices, *self.context, *self.answers)
            if {*map(type, texts + inner)} == {str} and all(map(_is_pair_of_texts, self.tags)):
                return
        for name in ("id", "question", "answer", "source", "tests"):
            _check_text(f"{name} of a Task", getattr(self, name))
        for name in ("choices", "context", "answers"):
            _check_tuple_of(str, f"{name} of a Task", getattr(self, name), "('a text',)")
        if not isinstance(self.tags, tuple) or not all(map(_is_pair_of_texts, self.tags)):
            raise TypeError(
                f"tags of a Task must be a tuple of pairs of texts, got {self.tags!r}; pass e.g. "
                f"(('level', '5'),)"
            )


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
        score: How much of a wrong answer is right, in [0, 1), of a verifier that pays for it; None:
            nothing is paid for a part.

    Raises:
        ValueError: If the status is none of the five, or a score is out of range or not of a wrong
            answer.
        TypeError: If the answer is neither text nor None, or the detail is not text.
    """

    status: Status
    answer: str | None = None
    detail: str = ""
    score: float | None = None

    def __post_init__(self) -> None:
        if self.score is not None and not (self.status == "wrong" and 0.0 <= self.score < 1.0):
            raise ValueError(
                f"score of a Verdict must be in [0, 1) and of a wrong answer, got {self.score!r} "
                f"of status {self.status!r}; leave it out for others"
            )
        if self.status not in _STATUSES:
            raise unknown_name("status", self.status, _STATUSES, of="a Verdict")
        if self.answer is not None:
            _check_text("answer of a Verdict", self.answer)
        _check_text("detail of a Verdict", self.detail)

    @property
    def reward(self) -> float | None:
        """Team reward: +1.0 if correct, -1.0 if wrong or no answer, None if not measured.

        A wrong answer with a score is paid score - 1, which is below 0, so that only right answers
        are paid more than 0.
        """
        if self.status in ("timeout", "error"):
            return None
        return 1.0 if self.status == "correct" else (self.score or 0.0) - 1.0


Verifier = Callable[[str, str], Verdict]
"""Compares a response (full text) with a gold answer."""


@runtime_checkable
class TaskVerifier(Protocol):
    """A verifier that reads more of a task than its gold answer, such as its options or tests."""

    def for_task(self, task: Task) -> Verifier:
        """Return the verifier of one task: it compares responses with answers to this task."""
        ...


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

    Raises:
        TypeError: If the roles are not a mapping of texts, or an instruction is not text.
    """

    roles: Mapping[Role, str]
    hand_over: str
    give_answer: str

    def __post_init__(self) -> None:
        if not isinstance(self.roles, Mapping):
            raise TypeError(
                f"roles of a PromptTemplate must map roles to descriptions, got {self.roles!r}; "
                f"pass e.g. {{'thinker': 'You think.'}}"
            )
        for role, description in self.roles.items():
            _check_text("a role of a PromptTemplate", role)
            _check_text(f"description of the role {role!r}", description)
        for name in ("hand_over", "give_answer"):
            _check_text(f"{name} of a PromptTemplate", getattr(self, name))

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
    """One turn of a topology: who speaks, in which role, after reading what.

    Args:
        speaker: The agent that speaks.
        role: The role in which it speaks, which selects its policy and its instruction.
        reads: Agents whose earlier messages it reads. One that has not spoken yet, such as a
            debater later in the first round, has none.
        reads_context: Whether it reads the passages that are given with the question; it reads the
            question and its options in any case.

    Raises:
        TypeError: If the speaker or the role is not text, reads is not a tuple of names, or
            reads_context is not a bool.
    """

    speaker: str
    role: Role
    reads: tuple[str, ...]
    reads_context: bool = True

    def __post_init__(self) -> None:
        _check_text("speaker of a Turn", self.speaker)
        _check_text("role of a Turn", self.role)
        _check_tuple_of(str, "reads of a Turn", self.reads, "('thinker_0',)")
        if not isinstance(self.reads_context, bool):
            raise TypeError(
                f"reads_context of a Turn must be True or False, got {self.reads_context!r}; "
                f"leave it out for True"
            )


def speakers(turns: Iterable[Turn]) -> tuple[str, ...]:
    """Return the agents of some turns in the order in which they first speak."""
    return tuple(dict.fromkeys(turn.speaker for turn in turns))


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

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If there are no turns, one reads an agent that never speaks, a role has no
            instruction, or the decision is unknown.
    """

    name: str
    turns: tuple[Turn, ...]
    prompts: PromptTemplate = field(hash=False)
    decision: Decision = "last"
    has_secret_answer: bool = False

    def __post_init__(self) -> None:
        _check_text("name of a Topology", self.name)
        _check_tuple_of(
            Turn, "turns of a Topology", self.turns, "(Turn('solver_0', 'solver', ()),)"
        )
        if not self.turns:
            raise ValueError(
                f"turns of topology {self.name!r} must hold at least one turn, got none; "
                f"pass e.g. (Turn('solver_0', 'solver', ()),)"
            )
        for turn in self.turns:
            for agent in turn.reads:
                if agent not in self.agents:
                    where = f"what {turn.speaker!r} reads in topology {self.name!r}"
                    raise unknown_name("agent", agent, self.agents, of=where)
        if self.decision not in _DECISIONS:
            raise unknown_name("decision", self.decision, _DECISIONS, of=f"topology {self.name!r}")
        if not isinstance(self.has_secret_answer, bool):
            raise TypeError(
                f"has_secret_answer must be True or False, got {self.has_secret_answer!r}; "
                f"leave it out for False"
            )
        self.check_prompts(self.prompts)

    def check_prompts(self, prompts: PromptTemplate) -> None:
        """Raise unless the prompts instruct every role.

        Raises:
            TypeError: If they are not a PromptTemplate.
            ValueError: If a role has no instruction.
        """
        if not isinstance(prompts, PromptTemplate):
            raise TypeError(
                f"prompts of topology {self.name!r} must be a PromptTemplate, got {prompts!r}; "
                f"pass PromptTemplate(roles=..., hand_over=..., give_answer=...)"
            )
        for role in self.roles:
            prompts.instruction(role, answers=True)

    @property
    def agents(self) -> tuple[str, ...]:
        """Agents in the order in which they first speak."""
        return speakers(self.turns)

    @property
    def roles(self) -> tuple[Role, ...]:
        """Roles in the order in which they first speak."""
        return tuple(dict.fromkeys(turn.role for turn in self.turns))


class Table(Protocol):
    """A table of rows, such as a DataFrame of pandas or polars."""

    @property
    def columns(self) -> Any:
        """Names of the columns."""
        ...


TaskEntry = Task | tuple[str, str] | list[str] | Mapping[str, Any]
"""A task, a question and its gold answer, or a row: columns and their values."""
TaskInput = str | Path | Table | Iterable[TaskEntry]
"""A registered task source, a .jsonl or .parquet file, a table, or tasks and rows themselves: a
list, a generator, a `datasets.Dataset`."""
