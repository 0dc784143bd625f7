r"""Arithmetic in which a thought is rarely needed: one question in eight is a longer chain.

The others have one operation, which the embedded solver answers alone. Their first numbers have
two or three digits, so that there are enough of them. The longer chains are those of `arithmetic`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ccpo_env.tasks.arithmetic import draw_chain, named_question
from ccpo_env.tasks.procedural import DEFAULT_TASKS, distinct_tasks
from ccpo_env.types import Task

SOURCE = "arithmetic_rare"
LONG_EVERY = 8
"""One question in this many needs a thought."""
FIRST_NUMBERS = (10, 1000)
"""Range of the first number of a question of one operation."""
MOST_TASKS: Mapping[str, int] = {"train": 16_000, "test": 1_600}
"""Below the number of distinct questions of one operation, so that drawing terminates."""


def arithmetic_rare(
    *, split: str | None = None, limit: int | None = None, seed: int = 0
) -> list[Task]:
    """Generate distinct tasks, every eighth a longer chain; the same arguments give the same tasks.

    Args:
        split: "train" (also for None) or "test"; no question is in both, for any seed.
        limit: Number of tasks; None: the default of the split.
        seed: Determines the selection of questions.

    Returns:
        Tasks whose gold answer is one digit.

    Raises:
        ValueError: If the limit is too large.
    """
    split = split or "train"
    num_tasks = DEFAULT_TASKS[split] if limit is None else limit
    if num_tasks > MOST_TASKS[split]:
        raise ValueError(
            f"limit must be <= {MOST_TASKS[split]} for the {split} split of {SOURCE}, got "
            f"{num_tasks}; pass a smaller limit"
        )
    num_long = num_tasks // LONG_EVERY
    short, long = (
        iter(distinct_tasks(draw, source=SOURCE, split=split, limit=number, seed=seed))
        for draw, number in ((_draw_short, num_tasks - num_long), (_draw_long, num_long))
    )
    return [next(long if _is_long(place) else short) for place in range(num_tasks)]


def _is_long(place: int) -> bool:
    return place % LONG_EVERY == LONG_EVERY - 1


def _draw_short(rng: np.random.Generator) -> tuple[str, str, str]:
    _, steps = draw_chain(rng)
    return named_question(int(rng.integers(*FIRST_NUMBERS)), steps[:1])


def _draw_long(rng: np.random.Generator) -> tuple[str, str, str]:
    while True:
        start, steps = draw_chain(rng)
        if len(steps) > 1:
            return named_question(start, steps)
