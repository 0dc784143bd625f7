"""The prompts of a batch: of all agents whose turn it is, in many episodes at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

from ccpo_env.conversation import Conversation
from ccpo_env.prompts import chat_messages, plain_text
from ccpo_env.types import Role, Turn

ChatMessages = list[dict[str, str]]
"""Chat messages for a chat template: dicts with "role" and "content"."""


@dataclass(frozen=True, slots=True)
class AgentTurn:
    """The turn of one agent in one episode.

    Args:
        episode: Index of the episode.
        agent: The agent.
        role: The role in which it speaks.
        prompt: All that it may read, as plain text.
        messages: The same as chat messages.
    """

    episode: int
    agent: str
    role: Role
    prompt: str
    messages: ChatMessages


@dataclass(frozen=True, eq=False)
class BatchTurn(Sequence[AgentTurn]):
    """The turns that are taken next, in the order of the episodes; a sequence of `AgentTurn`.

    Prompts are made when they are read, once for episodes that were equal so far.

    Args:
        episodes: Index of the episode of each turn.
        conversations: The conversation of each.
        places: Position of each turn among those of its episode.
    """

    episodes: list[int]
    conversations: Sequence[Conversation]
    places: Sequence[int]

    @property
    def agents(self) -> list[str]:
        """The agent of each turn."""
        return [turn.speaker for turn in self.turns]

    @property
    def roles(self) -> list[Role]:
        """The role of each turn, by which a policy is chosen."""
        return [turn.role for turn in self.turns]

    @property
    def prompts(self) -> list[str]:
        """The prompt of each turn, as plain text."""
        text_of = {parts: plain_text(*parts) for parts in dict.fromkeys(self._parts)}
        return [text_of[parts] for parts in self._parts]

    @property
    def messages(self) -> list[ChatMessages]:
        """The prompt of each turn, as chat messages for a chat template; new objects."""
        return [chat_messages(*parts) for parts in self._parts]

    @cached_property
    def turns(self) -> list[Turn]:
        """What the topology says about each turn."""
        pairs = zip(self.conversations, self.places, strict=True)
        return [conversation.opening.turns[place] for conversation, place in pairs]

    def take(self, indices: Iterable[int]) -> BatchTurn:
        """Return some of the turns, by their index in this batch."""
        chosen = list(indices)
        return BatchTurn(
            [self.episodes[index] for index in chosen],
            [self.conversations[index] for index in chosen],
            [self.places[index] for index in chosen],
        )

    def of_role(self, role: Role) -> BatchTurn:
        """Return the turns of one role, as for a policy that plays only this role."""
        return self.take(index for index, own in enumerate(self.roles) if own == role)

    def __len__(self) -> int:
        return len(self.episodes)

    def __iter__(self) -> Iterator[AgentTurn]:
        return map(self.__getitem__, range(len(self)))

    @overload
    def __getitem__(self, index: int) -> AgentTurn: ...
    @overload
    def __getitem__(self, index: slice) -> BatchTurn: ...
    def __getitem__(self, index: int | slice) -> AgentTurn | BatchTurn:
        """Return one turn, or a part of the batch."""
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        turn, parts = self.turns[index], self._parts[index]
        return AgentTurn(
            self.episodes[index],
            turn.speaker,
            turn.role,
            plain_text(*parts),
            chat_messages(*parts),
        )

    def __repr__(self) -> str:
        return f"BatchTurn({len(self)} turns of {sorted(set(self.agents))})"

    @cached_property
    def _parts(self) -> list[tuple[str, str]]:
        """Instruction and problem of each prompt."""
        own = list(zip(self.conversations, self.places, strict=True))
        parts = {pair: pair[0].prompt_parts(pair[1]) for pair in dict.fromkeys(own)}
        return [parts[pair] for pair in own]
