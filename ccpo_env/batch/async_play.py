"""Play the episodes of a batch with calls that are awaited, a limited number at a time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from typing import Any, Literal, TypeAlias, TypeVar

from ccpo_env.batch.episodes import EpisodeBatch
from ccpo_env.batch.outcomes import answer_key, is_built_in, is_last
from ccpo_env.batch.turn import AgentTurn, BatchTurn
from ccpo_env.conversation import NO_OUTCOME, Conversation, Outcome
from ccpo_env.errors import unknown_name

AsyncPolicy: TypeAlias = Callable[[AgentTurn], Awaitable[str]]
"""Returns the message of one turn."""
OnError: TypeAlias = Literal["raise", "end"]
T = TypeVar("T")


async def play_async(
    team: EpisodeBatch, policy: AsyncPolicy, *, max_concurrency: int, on_error: OnError
) -> None:
    """Play all episodes to their end; see `BatchedTeamEnv.play_async`."""
    if max_concurrency < 1:
        raise ValueError(f"max_concurrency must be >= 1, got {max_concurrency}; pass e.g. 64")
    if on_error not in ("raise", "end"):
        raise unknown_name("on_error", on_error, ("raise", "end"))
    player = _Player(team, policy, max_concurrency, on_error)
    await _all(player.play(episode) for episode in dict.fromkeys(team.turn.episodes))


class _Player:
    """Plays each episode on its own.

    Args:
        team: The episodes.
        policy: Returns the message of one turn.
        max_concurrency: Most calls of the policy at a time.
        on_error: What happens if a call raises.
    """

    def __init__(
        self, team: EpisodeBatch, policy: AsyncPolicy, max_concurrency: int, on_error: OnError
    ) -> None:
        self._team = team
        self._policy = policy
        self._limit = asyncio.Semaphore(max_concurrency)
        self._on_error = on_error
        self._locks: defaultdict[Hashable, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._outcomes: dict[Hashable, Outcome] = {}

    async def play(self, episode: int) -> None:
        """Play an episode to its end."""
        while turns := self._team.turn_of(episode):
            before = conversation = self._team.conversation(episode)
            try:
                texts = await _all(self._text(turns, index) for index in range(len(turns)))
            except Exception as error:
                if self._on_error == "raise":
                    raise
                self._team.fail(episode, f"{type(error).__name__}: {error}")
                return
            for text in texts:
                outcome = await self._verify(conversation, text)
                conversation = conversation.add_message(text, outcome)
            self._team.advance(episode, before, conversation)

    async def _text(self, turns: BatchTurn, index: int) -> str:
        """Return the message of one turn, whose prompt is made when its call begins."""
        async with self._limit:
            call: object = self._policy(turns[index])
            if not isinstance(call, Awaitable):
                raise TypeError(
                    f"policy must be a coroutine function, got one that returns "
                    f"{type(call).__name__}; define it with async def, or use play()"
                )
            text: object = await call
        if not isinstance(text, str):
            raise TypeError(
                f"policy must return str, got {type(text).__name__}; return the completion as text"
            )
        return text

    async def _verify(self, conversation: Conversation, text: str) -> Outcome:
        """Return what `Conversation.verify` returns, of equal answers once."""
        if not is_last(conversation):
            return NO_OUTCOME
        if not is_built_in(conversation.opening.rules.verifier):
            return conversation.verify(text)
        key = answer_key(conversation, text)
        async with self._locks[key]:
            if key not in self._outcomes:
                self._outcomes[key] = await asyncio.to_thread(conversation.verify, text)
            return self._outcomes[key]


async def _all(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Await calls together; the first exception cancels the others and is raised itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
