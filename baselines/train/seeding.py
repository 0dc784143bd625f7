"""The random streams of a run, and the tasks that they choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from baselines.common.processes import SINGLE_PROCESS, ProcessGroup
from ccpo_env.types import Task


class Stream(IntEnum):
    """What chance decides; the numbers are part of what a seed means."""

    TASKS = 0
    ROLLOUTS = 1
    EVALUATION = 2
    EVAL_TASKS = 3


@dataclass(frozen=True, slots=True)
class Streams:
    """Makes the generators of a run.

    Each step of each stream has its own, so a resumed run needs the state of none.

    Args:
        seed: Of the run.
        processes: Processes that train the same team.
    """

    seed: int
    processes: ProcessGroup = SINGLE_PROCESS

    def common(self, stream: Stream, step: int) -> np.random.Generator:
        """Return the generator that all processes have alike."""
        return np.random.default_rng([self.seed, stream, step])

    def own(self, stream: Stream, step: int) -> np.random.Generator:
        """Return a generator that no other process has; the first has that of one alone."""
        place = [self.processes.rank] if self.processes.rank else []
        return np.random.default_rng([self.seed, stream, step, *place])

    def choose(self, tasks: Sequence[Task], count: int, stream: Stream, step: int) -> list[Task]:
        """Return different tasks, the same ones in all processes; all of them if there are few."""
        rng = self.common(stream, step)
        chosen = rng.choice(len(tasks), size=min(count, len(tasks)), replace=False)
        return [tasks[index] for index in chosen]
