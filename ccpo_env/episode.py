"""The immutable state of one episode, and the random stream that chooses its task."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ccpo_env.types import Decision, Message, Task, Turn, Verdict, speakers
from ccpo_env.voting import Ballot

CHUNK_SIZE = 1024
"""Task indices drawn at a time: creating a generator costs more than the draws."""


@dataclass(frozen=True, slots=True)
class EpisodeState:
    """The complete state of an episode and of its environment's random stream.

    Args:
        topology: Name of the topology it belongs to.
        turns: The turns of that topology, those of removed agents included.
        decision: How that topology chooses the team's answer.
        task: The task.
        removed: Agents that do not exist in this episode.
        messages: All messages so far in turn order, the prefix included.
        clipped: Number of characters cut to fit ``max_chars``, by "question",
            "context", "choices" or agent.
        verdict: The verdict of the verifier, or None while the episode runs.
        ballot: The answers of the voters after a vote, else None.
        num_left: Number of agents that have taken their final step since the end.
        stream_seed: Seed of the environment's stream of tasks.
        stream_index: How many tasks have been drawn from it.
    """

    topology: str
    turns: tuple[Turn, ...]
    decision: Decision
    task: Task
    removed: frozenset[str]
    messages: tuple[Message, ...]
    clipped: tuple[tuple[str, int], ...]
    verdict: Verdict | None
    ballot: Ballot | None
    num_left: int
    stream_seed: int
    stream_index: int

    @property
    def agents(self) -> tuple[str, ...]:
        """All agents of the topology, in the order in which they first speak."""
        return speakers(self.turns)


@lru_cache(maxsize=64)
def _chunk(stream_seed: int, number: int, num_tasks: int) -> tuple[int, ...]:
    rng = np.random.default_rng([stream_seed, number])
    return tuple(rng.integers(num_tasks, size=CHUNK_SIZE).tolist())


def draw_task_index(stream_seed: int, stream_index: int, num_tasks: int) -> int:
    """Return the task index at one position of a stream, without drawing the earlier ones.

    Args:
        stream_seed: Seed of the stream, at least 0.
        stream_index: Position in the stream, counted from 0.
        num_tasks: Exclusive upper bound of the index.
    """
    return _chunk(stream_seed, stream_index // CHUNK_SIZE, num_tasks)[stream_index % CHUNK_SIZE]
