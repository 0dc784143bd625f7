"""Shared by procedural task families: distinct seeded questions in disjoint splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from ccpo_env.tasks.splits import in_split
from ccpo_env.types import Task

DEFAULT_TASKS: Mapping[str, int] = {"train": 4096, "test": 512}
"""Default number of tasks per split: few enough to find distinct short questions."""
MAX_TASKS = 20_000
"""Well below the number of distinct questions of a split, so that drawing terminates."""
_STREAMS: Mapping[str, int] = {"train": 0, "test": 1}

Draw = Callable[[np.random.Generator], tuple[str, str, str]]
"""Draws a short name, a question and its gold answer."""


def distinct_tasks(
    draw: Draw, *, source: str, split: str | None, limit: int | None, seed: int
) -> list[Task]:
    """Draw distinct questions of a split until there are enough.

    Args:
        draw: Draws one question of the family.
        source: Name of the family.
        split: "train" (also for None) or "test".
        limit: Number of tasks; None: DEFAULT_TASKS of the split.
        seed: Determines the selection of questions.

    Raises:
        ValueError: If limit > MAX_TASKS.
    """
    split = split or "train"
    num_tasks = DEFAULT_TASKS[split] if limit is None else limit
    if num_tasks > MAX_TASKS:
        raise ValueError(
            f"limit must be <= {MAX_TASKS} for {source}, got {num_tasks}; pass a smaller limit"
        )
    return list(_drawn(draw, source, split, num_tasks, seed))


@lru_cache(maxsize=16)
def _drawn(draw: Draw, source: str, split: str, num_tasks: int, seed: int) -> tuple[Task, ...]:
    rng = np.random.default_rng([seed, _STREAMS[split]])
    tasks: dict[str, Task] = {}
    while len(tasks) < num_tasks:
        name, question, answer = draw(rng)
        if question not in tasks and in_split(question, split):
            tasks[question] = Task(f"{source}/{name}", question, answer, source)
    return tuple(tasks.values())
