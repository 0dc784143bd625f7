"""The random streams of a run, and the sampling of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from baselines.common.processes import SINGLE_PROCESS, ProcessGroup
from ccpo_env.types import Task


class Stream(IntEnum):
    """Random streams by purpose; changing the numbers changes the results of a seed."""

    TASKS = 0
    ROLLOUTS = 1
    EVALUATION = 2
    EVAL_TASKS = 3
    PROBE = 4


@dataclass(frozen=True, slots=True)
class Streams:
    """Creates the random generators of a run.

    Each step of each stream has its own generator, so resuming needs no generator state.

    Args:
        seed: Seed of the run.
        processes: Process group of the run.
    """

    seed: int
    processes: ProcessGroup = SINGLE_PROCESS

    def common(self, stream: Stream, step: int) -> np.random.Generator:
        """Return a generator that is the same in all processes."""
        return np.random.default_rng([self.seed, stream, step])

    def own(self, stream: Stream, step: int) -> np.random.Generator:
        """Return a generator unique to this process; rank 0 has that of a single process."""
        place = [self.processes.rank] if self.processes.rank else []
        return np.random.default_rng([self.seed, stream, step, *place])

    def choose(self, tasks: Sequence[Task], count: int, stream: Stream, step: int) -> list[Task]:
        """Sample distinct tasks, the same in all processes; all tasks if there are too few."""
        rng = self.common(stream, step)
        chosen = rng.choice(len(tasks), size=min(count, len(tasks)), replace=False)
        return [tasks[index] for index in chosen]
