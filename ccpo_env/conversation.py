"""What is said in one episode: a value that nobody changes, and the next after each message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

from ccpo_env.leaks import strip_answers
from ccpo_env.prompts import chat_messages, problem_text, without_answer_request
from ccpo_env.text import clip_middle, valid_unicode
from ccpo_env.types import Message, PromptTemplate, Task, Topology, Turn, Verdict, Verifier
from ccpo_env.voting import Ballot, count_votes

_stripped = lru_cache(maxsize=512)(strip_answers)
"""The rollouts of a group often say the same, one after the other."""


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """What holds in all episodes of an environment.

    Args:
        topology: Who speaks when and reads what.
        prompts: The instructions of the roles.
        verifier: Compares a response with a gold answer.
        strip_leaks: Whether answers stated before the last turn are hidden from the others.
        max_chars: Longest question and message, in characters.
    """

    topology: Topology
    prompts: PromptTemplate
    verifier: Verifier
    strip_leaks: bool
    max_chars: int

    @property
    def is_vote(self) -> bool:
        """Whether every turn is an answer."""
        return self.topology.decision == "majority"

    def fit(self, text: str) -> tuple[str, int]:
        """Return a text fit to be read, and how many characters it lost."""
        if len(text) <= self.max_chars and text.isascii():
            return text, 0
        return clip_middle(valid_unicode(text), self.max_chars)

    def begin(self, task: Task, removed: frozenset[str]) -> Conversation:
        """Return an episode in which nothing has been said."""
        question, num_cut = self.fit(task.question)
        turns = self.topology.turns
        if removed:
            turns = tuple(turn for turn in turns if turn.speaker not in removed)
        first_answer = 0 if self.is_vote else len(turns) - 1
        others = without_answer_request(question)
        opening = Opening(self, task, removed, turns, first_answer, question, others)
        return Conversation(opening, (), (), {"question": num_cut} if num_cut else {}, {})


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """What stays as it is from the first turn of an episode to its end.

    Args:
        rules: What holds in all episodes.
        task: The task.
        removed: Agents that do not exist in this episode.
        turns: The turns that take place.
        first_answer: The first turn in which what is said is an answer of the team.
        question: What the agents read whose answer counts.
        question_of_others: What the others read: without a request to box the answer.
    """

    rules: Rules
    task: Task
    removed: frozenset[str]
    turns: tuple[Turn, ...]
    first_answer: int
    question: str
    question_of_others: str


Outcome: TypeAlias = tuple[Verdict | None, Ballot | None]
"""What the verifier said of the last turn, and what the voters answered after a vote."""
NO_OUTCOME: Outcome = (None, None)
"""Of a turn that is not the last."""


@dataclass(slots=True, eq=False)
class Conversation:
    """What has been said in one episode, and what it came to.

    Several episodes may go on from one conversation: each gets a conversation of its own, and
    nobody changes one. They are not frozen, since making one would take four times as long.

    Args:
        opening: What does not change.
        messages: What was said, in turn order.
        read: The same as the others read it.
        clipped: How many characters the question or the messages of an agent lost.
        leaks: How many stated answers were hidden of what an agent said.
        verdict: What the verifier said, or None while the episode runs.
        ballot: What the voters answered, after a vote; else None.
    """

    opening: Opening
    messages: tuple[Message, ...]
    read: tuple[Message, ...]
    clipped: Mapping[str, int]
    leaks: Mapping[str, int]
    verdict: Verdict | None = None
    ballot: Ballot | None = None

    @property
    def speaker(self) -> str:
        """Whose turn it is, while the episode runs."""
        return self.opening.turns[len(self.messages)].speaker

    def judge(self, text: str) -> Outcome:
        """Return what the episode comes to if the agent whose turn it is says this.

        Whatever the verifier raises is passed on; it is asked after the last turn only.
        """
        opening = self.opening
        if len(self.messages) < len(opening.turns) - 1:
            return NO_OUTCOME
        rules, gold = opening.rules, opening.task.answer
        response, _ = rules.fit(text)
        ballot: Ballot | None = None
        if rules.is_vote:
            responses = [*(message.text for message in self.messages), response]
            ballot = count_votes(responses, gold, rules.verifier)
        verdict: object = ballot.verdict() if ballot else rules.verifier(response, gold)
        if not isinstance(verdict, Verdict):
            raise TypeError(
                f"a verifier must return a Verdict, got {verdict!r}; return Verdict('correct')"
            )
        return verdict, ballot

    def say(self, text: str, outcome: Outcome | None = None) -> Conversation:
        """Return what follows if the agent whose turn it is says this.

        Args:
            text: What it says.
            outcome: What `judge` said of it; None: it is asked here.
        """
        said, num_cut = self.opening.rules.fit(text)
        return self._after(said, num_cut, *(outcome or self.judge(said)))

    def replay(
        self,
        messages: Sequence[Message],
        clipped: Mapping[str, int],
        verdict: Verdict | None,
        ballot: Ballot | None,
    ) -> Conversation:
        """Return an episode that has only begun as it once was, without asking the verifier."""
        told = self
        for message in messages:
            told = told._after(message.text)
        lost = {**self.clipped, **clipped}
        return replace(told, clipped=lost, verdict=verdict, ballot=ballot)

    def prompt_parts(self, turn_index: int) -> tuple[str, str]:
        """Return the instruction and the problem that are read in a turn."""
        opening = self.opening
        turn = opening.turns[turn_index]
        answers = turn_index >= opening.first_answer
        read = [m for m in self.read[:turn_index] if m.agent in turn.reads]
        instruction = opening.rules.prompts.instruction(turn.role, answers=answers)
        question = opening.question if answers else opening.question_of_others
        return instruction, problem_text(question, read)

    def turn_of(self, agent: str) -> int | None:
        """Return the next turn of an agent, else its last one, else None: it is removed."""
        last = None
        for index, turn in enumerate(self.opening.turns):
            if turn.speaker == agent:
                last = index
                if index >= len(self.messages):
                    break
        return last

    def infos(self, offered: tuple[str, str] | None) -> dict[str, dict[str, Any]]:
        """Return what PettingZoo's `infos` hold of each agent; new objects on each call.

        Args:
            offered: What the agent reads whose turn it is; None: the episode is over.
        """
        opening, removed = self.opening, sorted(self.opening.removed)
        infos: dict[str, dict[str, Any]] = {
            turn.speaker: {
                "role": turn.role,
                "task_id": opening.task.id,
                "removed": removed.copy(),
                "messages": [],
                "clipped_chars": dict(self.clipped),
                "leak": self.leaks.get(turn.speaker, 0),
            }
            for turn in opening.turns
        }
        if offered is not None:
            infos[self.speaker]["messages"] = chat_messages(*offered)
        return infos

    def _after(
        self,
        said: str,
        num_cut: int = 0,
        verdict: Verdict | None = None,
        ballot: Ballot | None = None,
    ) -> Conversation:
        opening, place = self.opening, len(self.messages)
        agent = opening.turns[place].speaker
        message = shown = Message(agent, said)
        clipped, leaks = self.clipped, self.leaks
        if place < opening.first_answer and opening.rules.strip_leaks:
            text, num_leaks = _stripped(said)
            if num_leaks:
                shown = Message(agent, text)
                leaks = {**leaks, agent: leaks.get(agent, 0) + num_leaks}
        if num_cut:
            clipped = {**clipped, agent: clipped.get(agent, 0) + num_cut}
        messages = (*self.messages, message)
        is_all_shown = shown is message and self.read is self.messages
        read = messages if is_all_shown else (*self.read, shown)
        return Conversation(opening, messages, read, clipped, leaks, verdict, ballot)
