"""The immutable state of one episode, and the random stream that chooses its task."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ccpo_env.types import Message, Task, Verdict
from ccpo_env.voting import Ballot

CHUNK_SIZE = 1024
"""Task numbers drawn at a time: a generator costs more than the numbers it draws."""


@dataclass(frozen=True, slots=True)
class EpisodeState:
    """All that an episode and its environment's random stream consist of.

    Args:
        topology: Name of the topology it belongs to.
        agents: All agents of that topology, in speaking order.
        task: The task.
        removed: Agents that do not exist in this episode.
        messages: What was said, in turn order; a prefix comes first.
        clipped: How many characters the question or a message lost to ``max_chars``.
        verdict: What the verifier said, or None while the episode runs.
        ballot: What the voters answered, after a vote; else None.
        num_left: Agents that have left since, having read their reward.
        stream_seed: Seed of the environment's stream of tasks.
        stream_index: How many tasks have been drawn from it.
    """

    topology: str
    agents: tuple[str, ...]
    task: Task
    removed: frozenset[str]
    messages: tuple[Message, ...]
    clipped: tuple[tuple[str, int], ...]
    verdict: Verdict | None
    ballot: Ballot | None
    num_left: int
    stream_seed: int
    stream_index: int


@lru_cache(maxsize=64)
def _chunk(stream_seed: int, number: int, num_tasks: int) -> tuple[int, ...]:
    rng = np.random.default_rng([stream_seed, number])
    return tuple(rng.integers(num_tasks, size=CHUNK_SIZE).tolist())


def draw_task_index(stream_seed: int, stream_index: int, num_tasks: int) -> int:
    """Return the task number of one place in a stream, without drawing those before it.

    Args:
        stream_seed: Seed of the stream, at least 0.
        stream_index: Place in the stream, from 0.
        num_tasks: The number drawn is below this.
    """
    return _chunk(stream_seed, stream_index // CHUNK_SIZE, num_tasks)[stream_index % CHUNK_SIZE]
