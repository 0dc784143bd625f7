"""The episodes of a batch: what was said in each, whose turn it is, and what was decided."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ccpo_env.batch.turn import BatchTurn
from ccpo_env.conversation import Conversation
from ccpo_env.types import Message, Task, Verdict


class EpisodeBatch:
    """The conversations of N episodes, each at its own turn, and what can be read of them.

    Args:
        num_envs: Number of episodes, N.
        parallel_turns: Whether consecutive turns of an episode that do not read each other are
            taken together.

    Attributes:
        num_envs: Number of episodes, N.
    """

    def __init__(self, num_envs: int, *, parallel_turns: bool) -> None:
        self.num_envs = num_envs
        self._has_parallel_turns = parallel_turns
        self._conversations: list[Conversation | None] = [None] * num_envs
        self._turn: BatchTurn | None = None  # of all running episodes, until one changes

    @property
    def turn(self) -> BatchTurn:
        """The turns that are taken next, of all running episodes; empty if all are over.

        Raises:
            RuntimeError: Before the first reset.
        """
        if self._turn is None:
            if not any(self._conversations):
                raise RuntimeError(
                    "a batch must have episodes, got none; call reset() before you play"
                )
            self._turn = self._turns_of(range(self.num_envs))
        return self._turn

    def turn_of(self, episode: int) -> BatchTurn:
        """Return the turns of one episode that are taken next; empty if it is over."""
        return self._turns_of([episode])

    @property
    def done(self) -> bool:
        """Whether no episode is running."""
        return not self.turn

    @property
    def verdicts(self) -> list[Verdict | None]:
        """The verdict on each episode; None while it runs."""
        return [None if own is None else own.verdict for own in self._conversations]

    @property
    def rewards(self) -> npt.NDArray[np.float64]:
        """The team reward of each episode, shape (N,): -1 or +1; NaN where not measured (yet)."""
        rewards = [None if verdict is None else verdict.reward for verdict in self.verdicts]
        return np.array([np.nan if reward is None else reward for reward in rewards])

    @property
    def terminations(self) -> npt.NDArray[np.bool_]:
        """Whether each episode has ended with a reward, shape (N,)."""
        return ~np.isnan(self.rewards)

    @property
    def truncations(self) -> npt.NDArray[np.bool_]:
        """Whether each episode has ended without one and must be dropped, shape (N,)."""
        return np.array([verdict is not None for verdict in self.verdicts]) & ~self.terminations

    @property
    def tasks(self) -> list[Task]:
        """The task of each episode."""
        return [conversation.opening.task for conversation in self.conversations()]

    def messages(self, episode: int) -> tuple[Message, ...]:
        """Return all messages of an episode in turn order, the prefix included."""
        return self.conversation(episode).messages

    def conversation(self, episode: int) -> Conversation:
        """Return what was said and decided in an episode.

        Raises:
            RuntimeError: If it has not been started.
            ValueError: If there is no such episode.
        """
        if not 0 <= episode < self.num_envs:
            self._checked([episode])
        conversation = self._conversations[episode]
        if conversation is None:
            raise RuntimeError(f"episode {episode} must be started; call reset() first")
        return conversation

    def conversations(self, episodes: Iterable[int] | None = None) -> list[Conversation]:
        """Return what was said and decided in several episodes.

        Args:
            episodes: Their indices. None: all, in order.

        Raises:
            RuntimeError: If one has not been started.
            ValueError: If there is no such episode.
        """
        return list(map(self.conversation, range(self.num_envs) if episodes is None else episodes))

    def advance(self, episode: int, before: Conversation, after: Conversation) -> None:
        """Replace the conversation of an episode by its continuation.

        Raises:
            RuntimeError: If the episode has been changed since the conversation was read.
        """
        if self.conversation(episode) is not before:
            raise RuntimeError(
                f"an episode must have one player, got a change of episode {episode} while a "
                f"message was awaited; do not reset, step or play a batch that is being played"
            )
        self._conversations[episode] = after
        self._turn = None

    def fail(self, episode: int, reason: str) -> None:
        """End an episode without an answer: the verdict is "error", which is not measured.

        Args:
            episode: Index of the episode.
            reason: Why its turn is left without a message.
        """
        verdict = Verdict("error", detail=f"a turn was left without a completion: {reason}")
        conversation = self.conversation(episode)
        self._conversations[episode] = replace(conversation, verdict=verdict)
        self._turn = None

    def _put(self, episodes: Iterable[int], conversations: Iterable[Conversation]) -> BatchTurn:
        for episode, conversation in zip(episodes, conversations, strict=True):
            self._conversations[episode] = conversation
        self._turn = None
        return self.turn

    def _running(self, episodes: Iterable[int]) -> dict[int, Conversation]:
        """Return the conversations of episodes that are running.

        Raises:
            RuntimeError: If one has not been started.
            ValueError: If one is over.
        """
        found = {}
        for episode in episodes:
            own = self._conversations[episode] or self.conversation(episode)
            if own.verdict is not None:
                raise ValueError(
                    f"episodes must be running, got {episode}, which is over; reset it first"
                )
            found[episode] = own
        return found

    def _turns_of(self, episodes: Iterable[int]) -> BatchTurn:
        running = [
            (episode, own)
            for episode in episodes
            if (own := self._conversations[episode]) is not None and own.verdict is None
        ]
        places = [len(conversation.messages) for _, conversation in running]
        if self._has_parallel_turns:
            numbers = [self._num_parallel(conversation) for _, conversation in running]
            running = [own for own, n in zip(running, numbers, strict=True) for _ in range(n)]
            spans = zip(places, numbers, strict=True)
            places = [place for first, n in spans for place in range(first, first + n)]
        return BatchTurn(
            [episode for episode, _ in running],
            [conversation for _, conversation in running],
            places,
        )

    @staticmethod
    def _num_parallel(conversation: Conversation) -> int:
        """Return the number of turns from the next one on that read none of each other."""
        turns = conversation.opening.turns[len(conversation.messages) :]
        speakers: set[str] = set()
        for number, turn in enumerate(turns):
            if not speakers.isdisjoint(turn.reads):
                return number
            speakers.add(turn.speaker)
        return len(turns)

    def _checked(self, episodes: Sequence[int]) -> list[int]:
        """Return indices of episodes.

        Raises:
            ValueError: If there is no such episode.
            TypeError: If one is not a whole number.
        """
        places = list(map(operator.index, episodes))
        if places and not 0 <= min(places) <= max(places) < self.num_envs:
            wrong = next(place for place in places if not 0 <= place < self.num_envs)
            raise ValueError(
                f"episodes must be in 0..{self.num_envs - 1}, got {wrong}; start more with reset()"
            )
        return places
