"""The conversation of one episode as an immutable value; each message makes a new one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

from ccpo_env.content.leaks import strip_answers
from ccpo_env.prompts import chat_messages, problem_text, without_answer_request
from ccpo_env.text import clip_middle, valid_unicode
from ccpo_env.types import (
    Message,
    PromptTemplate,
    Task,
    Topology,
    Turn,
    Verdict,
    Verifier,
    speakers,
)
from ccpo_env.verifiers.calling import call_verifier, verifier_of
from ccpo_env.voting import Ballot, count_votes

_stripped = lru_cache(maxsize=512)(strip_answers)
"""Cached, because the messages of a group's rollouts are often equal."""


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """Settings shared by all episodes of an environment.

    Args:
        topology: Who speaks when and who reads what.
        prompts: The instructions of the roles.
        verifier: Compares a response with a gold answer.
        strip_leaks: Whether answers stated before the last turn are hidden from the others.
        max_chars: Longest question and message, and most characters of all passages and of all
            options, in characters.
    """

    topology: Topology
    prompts: PromptTemplate
    verifier: Verifier
    strip_leaks: bool
    max_chars: int

    @property
    def is_vote(self) -> bool:
        """Whether the answer is a majority vote, so that every turn is an answer."""
        return self.topology.decision == "majority"

    def fit(self, text: str) -> tuple[str, int]:
        """Return valid text of at most max_chars, and the number of characters cut."""
        if len(text) <= self.max_chars and text.isascii():
            return text, 0
        return clip_middle(valid_unicode(text), self.max_chars)

    def fit_all(self, texts: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
        """Return valid texts of at most max_chars together, and the number of characters cut.

        If they are longer, each keeps at most an equal share.
        """
        if not texts:
            return texts, 0
        valid = [valid_unicode(text) for text in texts]
        is_short = sum(map(len, valid)) <= self.max_chars
        share = self.max_chars if is_short else self.max_chars // len(valid)
        fitted = [clip_middle(text, share) for text in valid]
        return tuple(text for text, _ in fitted), sum(num_cut for _, num_cut in fitted)

    def begin(self, task: Task, removed: frozenset[str]) -> Conversation:
        """Return a new conversation without messages."""
        question, of_question = self.fit(task.question)
        context, of_context = self.fit_all(task.context)
        choices, of_choices = self.fit_all(task.choices)
        cut = {"question": of_question, "context": of_context, "choices": of_choices}
        clipped = {name: num_cut for name, num_cut in cut.items() if num_cut}
        turns = self.topology.turns
        if removed:
            turns = tuple(turn for turn in turns if turn.speaker not in removed)
        first_answer = 0 if self.is_vote else len(turns) - 1
        others = without_answer_request(question)
        opening = Opening(
            self, task, removed, turns, first_answer, question, others, context, choices
        )
        return Conversation(opening, (), (), clipped, {})


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """The constants of an episode, from its first turn to its end.

    Args:
        rules: Settings shared by all episodes.
        task: The task.
        removed: Agents that do not exist in this episode.
        turns: The turns that take place.
        first_answer: Index of the first turn whose message is an answer of the team.
        question: The question as read by the agents whose answer counts.
        question_of_others: The question as read by the others: no request to box the answer.
        context: The passages, for the agents that read them.
        choices: The texts of the options.
    """

    rules: Rules
    task: Task
    removed: frozenset[str]
    turns: tuple[Turn, ...]
    first_answer: int
    question: str
    question_of_others: str
    context: tuple[str, ...]
    choices: tuple[str, ...]


@lru_cache(maxsize=512)
def _roles(rules: Rules, removed: frozenset[str], place: int) -> tuple[tuple[str, str], ...]:
    """Return each agent with the role of its next turn from a place on, else of its last one."""
    turns = [turn for turn in rules.topology.turns if turn.speaker not in removed]
    role_of = {turn.speaker: turn.role for turn in (*turns[:place], *reversed(turns[place:]))}
    return tuple((speaker, role_of[speaker]) for speaker in speakers(turns))


Outcome: TypeAlias = tuple[Verdict | None, Ballot | None]
"""The verdict on the last turn, and the ballot if it was a vote."""
NO_OUTCOME: Outcome = (None, None)
"""The outcome of every turn but the last."""


@dataclass(slots=True, eq=False)
class Conversation:
    """The messages of one episode so far, and its outcome.

    Several episodes may continue from one conversation: each continuation is a new object, and
    no method modifies one. Not a frozen dataclass, because creating one takes four times as long.

    Args:
        opening: The constants of the episode.
        messages: All messages so far, in turn order.
        read: The same messages as the other agents read them, without leaked answers.
        clipped: Number of characters cut, by "question", "context", "choices" or agent.
        leaks: Number of stated answers hidden from the others, by agent.
        verdict: The verdict of the verifier, or None while the episode runs.
        ballot: The answers of the voters after a vote, else None.
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
        """The agent whose turn it is, while the episode runs."""
        return self.opening.turns[len(self.messages)].speaker

    def verify(self, text: str) -> Outcome:
        """Return the outcome of the episode if the current speaker's message is this text.

        The verifier is called after the last turn only; its exceptions propagate.
        """
        opening = self.opening
        if len(self.messages) < len(opening.turns) - 1:
            return NO_OUTCOME
        rules, gold = opening.rules, opening.task.answer
        verify = verifier_of(rules.verifier, opening.task)
        response, _ = rules.fit(text)
        if rules.is_vote:
            responses = [*(message.text for message in self.messages), response]
            ballot = count_votes(responses, gold, verify)
            return ballot.verdict(), ballot
        return call_verifier(verify, response, gold), None

    def add_message(self, text: str, outcome: Outcome | None = None) -> Conversation:
        """Return the conversation after a message of the current speaker.

        Args:
            text: The message.
            outcome: The result of `verify` for this text; None calls it here.
        """
        fitted, num_cut = self.opening.rules.fit(text)
        return self._after(fitted, num_cut, *(outcome or self.verify(fitted)))

    def replay(
        self,
        messages: Sequence[Message],
        clipped: Mapping[str, int],
        verdict: Verdict | None,
        ballot: Ballot | None,
    ) -> Conversation:
        """Return a recorded continuation of this conversation, without calling the verifier."""
        replayed = self
        for message in messages:
            replayed = replayed._after(message.text)
        lost = {**self.clipped, **clipped}
        return replace(replayed, clipped=lost, verdict=verdict, ballot=ballot)

    def prompt_parts(self, turn_index: int, *, left_out: Collection[int] = ()) -> tuple[str, str]:
        """Return the instruction and the problem text of a turn's prompt.

        Args:
            turn_index: Index of the turn.
            left_out: Indices of messages that are not shown, of those that the agent reads.
        """
        opening = self.opening
        turn = opening.turns[turn_index]
        answers = turn_index >= opening.first_answer
        read = (
            [
                message
                for place, message in enumerate(self.read[:turn_index])
                if message.agent in turn.reads and place not in left_out
            ]
            if turn_index
            else []
        )
        instruction = opening.rules.prompts.instruction(turn.role, answers=answers)
        question = opening.question if answers else opening.question_of_others
        context = opening.context if turn.reads_context else ()
        return instruction, problem_text(question, read, context=context, choices=opening.choices)

    def turn_of(self, agent: str) -> int | None:
        """Return the index of an agent's next turn, else of its last; None for a removed agent."""
        last = None
        for index, turn in enumerate(self.opening.turns):
            if turn.speaker == agent:
                last = index
                if index >= len(self.messages):
                    break
        return last

    def infos(self, prompt_parts: tuple[str, str] | None) -> dict[str, dict[str, Any]]:
        """Return PettingZoo's `infos` of each agent; new objects on each call.

        Args:
            prompt_parts: Instruction and problem for the current speaker; None at the end.
        """
        opening, removed = self.opening, sorted(self.opening.removed)
        roles = _roles(opening.rules, opening.removed, len(self.messages))
        infos: dict[str, dict[str, Any]] = {
            speaker: {
                "role": role,
                "task_id": opening.task.id,
                "removed": removed.copy(),
                "messages": [],
                "clipped_chars": dict(self.clipped),
                "leak": self.leaks.get(speaker, 0),
            }
            for speaker, role in roles
        }
        if prompt_parts is not None:
            infos[self.speaker]["messages"] = chat_messages(*prompt_parts)
        return infos

    def _after(
        self,
        text: str,
        num_cut: int = 0,
        verdict: Verdict | None = None,
        ballot: Ballot | None = None,
    ) -> Conversation:
        opening, place = self.opening, len(self.messages)
        agent = opening.turns[place].speaker
        message = shown = Message(agent, text)
        clipped, leaks = self.clipped, self.leaks
        if place < opening.first_answer and opening.rules.strip_leaks:
            stripped, num_leaks = _stripped(text, opening.choices)
            if num_leaks:
                shown = Message(agent, stripped)
                leaks = {**leaks, agent: leaks.get(agent, 0) + num_leaks}
        if num_cut:
            clipped = {**clipped, agent: clipped.get(agent, 0) + num_cut}
        messages = (*self.messages, message)
        is_all_shown = shown is message and self.read is self.messages
        read = messages if is_all_shown else (*self.read, shown)
        return Conversation(opening, messages, read, clipped, leaks, verdict, ballot)
