"""Start the episodes of an environment: from the options of ``reset``, or from a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ccpo_env.conversation import Conversation, Rules
from ccpo_env.episode import EpisodeState, draw_task_index
from ccpo_env.reset_options import (
    check_option_names,
    check_prefix,
    check_removed,
    check_seed,
    find_task,
)
from ccpo_env.types import Task


class Stream(NamedTuple):
    """A position in a stream of tasks.

    Args:
        seed: Seed of the stream, at least 0.
        num_drawn: How many tasks have been drawn from it.
    """

    seed: int
    num_drawn: int = 0


class Start(NamedTuple):
    """The start of an episode.

    Args:
        task: The task.
        removed: Agents that do not exist in the episode.
        prefix: Messages of the first turns.
        stream: The stream of tasks after the start.
    """

    task: Task
    removed: frozenset[str]
    prefix: Sequence[str]
    stream: Stream


def stream_of_entropy() -> Stream:
    """Return a stream whose seed is from the entropy of the operating system."""
    return Stream(int(np.random.SeedSequence().generate_state(1)[0]))


@dataclass(frozen=True, slots=True, eq=False)
class EpisodeStarter:
    """Starts the episodes of an environment, and of a batch of its episodes.

    Args:
        rules: Settings shared by all episodes.
        agents: All agents.
        tasks: Tasks to draw from.
        index_of: The index of each task by its id.
        removed: Agents removed unless the options say otherwise.
    """

    rules: Rules
    agents: Sequence[str]
    tasks: Sequence[Task]
    index_of: Mapping[str, int]
    removed: frozenset[str]

    def start(
        self, stream: Stream | None, seed: int | None, options: Mapping[str, Any] | None
    ) -> Start:
        """Return the start that a seed and options describe; see `TeamAnswerEnv.reset`.

        Args:
            stream: The stream of tasks so far; None: there is none.
            seed: Seed of a new stream, or None.
            options: ``task``, ``removed`` and ``prefix``, in any combination.

        Raises:
            ValueError, TypeError: If the seed or an option is not valid.
        """
        options = options or {}
        check_option_names(options)
        removed = options.get("removed")
        prefix = () if options.get("prefix") is None else options["prefix"]
        pinned = options.get("task")
        task = None if pinned is None else find_task(pinned, self.tasks, self.index_of)
        if seed is not None:
            stream = Stream(check_seed(seed))
        elif stream is None:
            stream = stream_of_entropy()
        if task is None:
            task = self.tasks[draw_task_index(*stream, len(self.tasks))]
            stream = Stream(stream.seed, stream.num_drawn + 1)
        absent = self.removed if removed is None else self._checked(removed)
        return Start(task, absent, prefix, stream)

    def conversation(
        self, task: Task, *, removed: Iterable[str] = (), prefix: Sequence[str] = ()
    ) -> Conversation:
        """Return a new conversation; see `TeamAnswerEnv.conversation`."""
        conversation = self.rules.begin(task, self._checked(removed))
        check_prefix(prefix, len(conversation.opening.turns))
        for text in prefix:
            conversation = conversation.add_message(text)
        return conversation

    def state(self, conversation: Conversation, stream: Stream, num_left: int = 0) -> EpisodeState:
        """Return a snapshot of an episode; see `EpisodeState`."""
        topology, opening = self.rules.topology, conversation.opening
        return EpisodeState(
            topology=topology.name,
            turns=topology.turns,
            decision=topology.decision,
            task=opening.task,
            removed=opening.removed,
            messages=conversation.messages,
            clipped=tuple(conversation.clipped.items()),
            verdict=conversation.verdict,
            ballot=conversation.ballot,
            num_left=num_left,
            stream_seed=stream.seed,
            stream_index=stream.num_drawn,
        )

    def resume(self, state: EpisodeState) -> tuple[Conversation, Stream]:
        """Return the conversation of a snapshot and its stream of tasks.

        Raises:
            TypeError: If it is not a snapshot of a team that speaks.
            ValueError: If it is of another topology.
        """
        if not isinstance(state, EpisodeState):
            raise TypeError(
                f"a snapshot must be an EpisodeState, got {state!r}; pass what snapshot() returned"
            )
        own = self.rules.topology
        if (state.topology, state.agents) != (own.name, own.agents):
            raise ValueError(
                f"a snapshot must be of {own.name} with {list(own.agents)}, got "
                f"{state.topology} with {list(state.agents)}; restore it in such an environment"
            )
        if (state.turns, state.decision) != (own.turns, own.decision):
            raise ValueError(
                f"a snapshot must be of {own.name} with these {len(own.turns)} turns and the "
                f"decision {own.decision!r}, got another {state.topology} with {len(state.turns)} "
                f"turns and {state.decision!r}; restore it in an environment of that topology"
            )
        beginning = self.rules.begin(state.task, state.removed)
        conversation = beginning.replay(
            state.messages, dict(state.clipped), state.verdict, state.ballot
        )
        return conversation, Stream(state.stream_seed, state.stream_index)

    def _checked(self, removed: Iterable[str]) -> frozenset[str]:
        return check_removed(removed, self.agents)
