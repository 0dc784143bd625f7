"""Many episodes of one team at once: a batch of prompts per turn, for a batch of answers."""

from __future__ import annotations

import inspect
import operator
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ccpo_env.batch.async_play import AsyncPolicy, OnError, play_async
from ccpo_env.batch.episodes import EpisodeBatch
from ccpo_env.batch.outcomes import verify_messages
from ccpo_env.batch.turn import BatchTurn
from ccpo_env.conversation import Conversation
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.episode import EpisodeState
from ccpo_env.reset_options import each_options, each_seed
from ccpo_env.starting import Stream, stream_of_entropy
from ccpo_env.wrapper import SnapshotWrapper

BatchPolicy = Callable[[BatchTurn], Sequence[str]]
"""Returns one message for each turn of a batch, in order."""


class BatchedTeamEnv(EpisodeBatch):
    """Plays many episodes of a team in lockstep: one batch of prompts per turn.

    An episode is that of the environment with the same seed, options and messages: the same
    prompts, verdicts and rewards.

    Args:
        env: A team environment that speaks, wrapped or bare; its own episode is not affected.
        num_envs: Number of episodes until a reset says otherwise, N.
        parallel_turns: Whether consecutive turns of an episode that do not read each other are
            taken together, as all votes of `vote_v0`. False: one turn of each episode at a time.

    Attributes:
        num_envs: Number of episodes, N.
        verify_s: Seconds spent in the verifier by `step` so far.

    Raises:
        TypeError: If the environment is not a `TeamAnswerEnv`.
        ValueError: If num_envs is less than 1.
    """

    def __init__(
        self,
        env: SnapshotWrapper[TeamAnswerEnv] | TeamAnswerEnv,
        num_envs: int = 1,
        *,
        parallel_turns: bool = False,
    ) -> None:
        bare: object = getattr(env, "unwrapped", env)
        if not isinstance(bare, TeamAnswerEnv):
            raise TypeError(
                f"env must be a team that speaks, got {env!r}; pass e.g. think_solve_v0()"
            )
        if operator.index(num_envs) < 1:
            raise ValueError(f"num_envs must be >= 1, got {num_envs}; pass e.g. num_envs=8")
        super().__init__(num_envs, parallel_turns=parallel_turns)
        self.verify_s = 0.0
        self._starter = bare.starter
        self._streams: list[Stream | None] = [None] * num_envs
        self._entropy: int | None = None

    def reset(
        self,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = None,
        *,
        episodes: Sequence[int] | None = None,
    ) -> BatchTurn:
        """Start episodes; see `TeamAnswerEnv` for the options.

        Args:
            seed: Seed of each episode's stream of tasks, as of the environment; an int s is
                s + k for episode k, as in Gymnasium. None continues the streams.
            options: Options of each episode; one mapping: for all of them.
            episodes: The episodes to start, in the order of the lists above; the others stay as
                they are. None: all, as many as a list of options holds, else one of seeds, else
                num_envs, which is set to that number.

        Returns:
            The turns that are taken next, of all running episodes.

        Raises:
            ValueError, TypeError: If a seed, an option, an index or the length of a list is not
                valid. No episode is changed then.
        """
        streams = self._streams.copy()
        if episodes is None:
            lists = [given for given in (options, seed) if isinstance(given, Sequence)]
            chosen = list(range(len(lists[0]) if lists else self.num_envs))
            streams += [None] * len(chosen)
        else:
            chosen = self._checked(episodes)
        given = zip(chosen, each_seed(seed, chosen), each_options(options, chosen), strict=True)
        shared: dict[tuple[int, frozenset[str], tuple[str, ...]], Conversation] = {}
        pinned: dict[int, Conversation] = {}  # by the identity of options that name a task
        started: dict[int, Conversation] = {}
        for place, own_seed, own_options in given:
            stream = streams[place] or self._unseeded(place)
            known = pinned.get(id(own_options))
            if known is not None and own_seed is None:
                started[place], streams[place] = known, stream
                continue
            try:
                task, removed, prefix, stream = self._starter.start(stream, own_seed, own_options)
                key = id(task), removed, tuple(prefix)
                conversation = shared.get(key)
                if conversation is None:
                    conversation = shared[key] = self._starter.conversation(
                        task, removed=removed, prefix=prefix
                    )
            except (TypeError, ValueError) as error:
                error.add_note(f"The options or the seed of episode {place} led to this.")
                raise
            started[place], streams[place] = conversation, stream
            if own_options and own_options.get("task") is not None:
                pinned[id(own_options)] = conversation
        if episodes is None:
            self.num_envs = len(chosen)
            self._conversations = [None] * len(chosen)
        self._streams = streams[: self.num_envs]
        return self._put(started.keys(), started.values())

    def step(self, texts: Sequence[str], episodes: Sequence[int] | None = None) -> BatchTurn:
        """Take turns, each with its message.

        Args:
            texts: One message for each turn of `turn`, in order. Any text is legal.
            episodes: The episode of each text, if not all running episodes take their turns.

        Returns:
            The turns that are taken next, of all running episodes.

        Raises:
            ValueError: If there are not as many texts as turns, or an episode is over.
            TypeError: If a message is not text.

        Note: If the verifier raises, no episode is changed.
        """
        speaking = self.turn.episodes if episodes is None else self._checked(episodes)
        _check_texts(texts, speaking)
        conversations = self._running(speaking)
        if len(conversations) == len(speaking):
            return self._put(speaking, self._continued(conversations.values(), texts))
        texts_of: dict[int, list[str]] = {}
        for place, text in zip(speaking, texts, strict=True):
            texts_of.setdefault(place, []).append(text)
        for place, own in texts_of.items():
            num_turns = len(self.turn_of(place))
            if len(own) > num_turns:
                raise ValueError(
                    f"texts must be as many as turns, got {len(own)} for episode {place} with "
                    f"{num_turns}; pass one for each of its prompts"
                )
        for number in range(max(map(len, texts_of.values()))):
            places = [place for place, own in texts_of.items() if len(own) > number]
            said = [texts_of[place][number] for place in places]
            continued = self._continued([conversations[place] for place in places], said)
            conversations.update(zip(places, continued, strict=True))
        return self._put(conversations.keys(), conversations.values())

    def play(self, policy: BatchPolicy) -> npt.NDArray[np.float64]:
        """Play all episodes to their end.

        Args:
            policy: Returns one message for each turn of a batch, in order.

        Returns:
            The rewards, shape (N,).

        Raises:
            TypeError: If the policy is a coroutine function, or returns anything but a list of
                texts.
            ValueError: If it returns more or fewer messages than there are turns.

        Note: An exception of the policy or of the verifier leaves every episode where it is, and
            a further call goes on from there.
        """
        while not self.done:
            self.step(_called(policy, self.turn))
        return self.rewards

    async def play_async(
        self, policy: AsyncPolicy, *, max_concurrency: int = 64, on_error: OnError = "raise"
    ) -> npt.NDArray[np.float64]:
        """Play all episodes to their end, none of which waits for another.

        Args:
            policy: A coroutine function that returns the message of one turn.
            max_concurrency: Most calls of the policy at a time, at least 1.
            on_error: What happens if a call raises. "raise": the other calls are cancelled and the
                exception is raised. "end": its episode ends with the verdict "error", which is not
                measured, and the others go on.

        Returns:
            The rewards, shape (N,).

        Raises:
            ValueError: If max_concurrency is less than 1 or on_error is unknown.

        Note: After an exception, and after a cancellation, every episode has the messages that
            were returned before, and a further call goes on from there. Built-in verifiers run in
            threads, so that they hold up no call; a verifier of your own runs in the thread of the
            event loop, and its exceptions are always raised.
        """
        await play_async(self, policy, max_concurrency=max_concurrency, on_error=on_error)
        return self.rewards

    def snapshot(self, episode: int) -> EpisodeState:
        """Return the state of one episode: that of the environment after the same messages.

        Args:
            episode: Index of the episode.

        Raises:
            RuntimeError: If it has not been started.
        """
        conversation, stream = self.conversation(episode), self._streams[episode]
        assert stream is not None, "an episode that was started has a stream"
        return self._starter.state(conversation, stream)

    def restore(self, episode: int, state: EpisodeState) -> BatchTurn:
        """Replace one episode by a snapshot, of any episode of a batch or of an environment.

        Args:
            episode: Index of the episode that is replaced.
            state: What `snapshot` returned.

        Returns:
            The turns that are taken next, of all running episodes.

        Raises:
            ValueError: If the snapshot is of another topology.
        """
        (place,) = self._checked([episode])
        conversation, self._streams[place] = self._starter.resume(state)
        return self._put([place], [conversation])

    def _unseeded(self, place: int) -> Stream:
        """Return the stream of an episode that has never had a seed."""
        if self._entropy is None:
            self._entropy = stream_of_entropy().seed
        return Stream(self._entropy + place)

    def _continued(
        self, conversations: Collection[Conversation], texts: Sequence[str]
    ) -> list[Conversation]:
        """Return each conversation after a message; equal ones stay one object."""
        started = time.perf_counter()
        outcomes = verify_messages(conversations, texts)
        self.verify_s += time.perf_counter() - started
        shared: dict[tuple[Conversation, str], Conversation] = {}
        continued = []
        for conversation, text, outcome in zip(conversations, texts, outcomes, strict=True):
            key = conversation, text
            following = shared.get(key)
            if following is None or (following.verdict, following.ballot) != outcome:
                following = shared[key] = conversation.add_message(text, outcome)
            continued.append(following)
        return continued


def _called(policy: BatchPolicy, turn: BatchTurn) -> Sequence[str]:
    """Return the messages of a policy; a fault of it is an error that names the policy."""
    if not callable(policy):
        raise TypeError(f"policy must be a function, got {policy!r}; pass what takes a BatchTurn")
    texts: object = policy(turn)
    if inspect.isawaitable(texts):
        if inspect.iscoroutine(texts):
            texts.close()
        raise TypeError("policy must be a plain function, got a coroutine function; use play_async")
    if isinstance(texts, str) or not (isinstance(texts, Sequence | np.ndarray)):
        raise TypeError(
            f"policy must return a list of texts, got {type(texts).__name__}; return one message "
            f"for each of the {len(turn)} turns"
        )
    if len(texts) != len(turn):
        raise ValueError(
            f"policy must return as many texts as turns, got {len(texts)} for {len(turn)}; return "
            f"one message for each of turn.prompts"
        )
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(
                f"policy must return a list of str, got one of {type(text).__name__}; return the "
                f"completions as text"
            )
    return [str(text) for text in texts]


def _check_texts(texts: Sequence[str], episodes: Sequence[int]) -> None:
    """Raise unless there is one text for each turn."""
    if isinstance(texts, str) or len(texts) != len(episodes):
        got = "one text" if isinstance(texts, str) else f"{len(texts)} texts"
        raise ValueError(
            f"texts must be as many as turns, got {got} for {len(episodes)}; pass a list with one "
            f"for each prompt"
        )
    if not set(map(type, texts)) <= {str}:
        for episode, text in zip(episodes, texts, strict=True):
            if not isinstance(text, str):
                raise TypeError(
                    f"texts must be str, got {type(text).__name__} for episode {episode}; pass the "
                    f"completion as text"
                )
