r"""Arithmetic of one kind: two to four operations that are all the same, for a team of specialists.

Of an adder, a subtracter and a multiplier, one can work a question out; the others are needless.
"""

from __future__ import annotations

import numpy as np

from ccpo_env.tasks.arithmetic import (
    FIRST_NUMBERS,
    MAX_OPERATIONS,
    OPERATIONS,
    draw_number,
    named_question,
)
from ccpo_env.tasks.procedural import distinct_tasks
from ccpo_env.types import Task

SOURCE = "arithmetic_one_kind"
FEWEST_OPERATIONS = 2
"""One operation needs no specialist: the embedded solver answers it alone."""
_SYMBOLS = tuple(OPERATIONS)


def arithmetic_one_kind(
    *, split: str | None = None, limit: int | None = None, seed: int = 0
) -> list[Task]:
    """Generate distinct tasks, each with one kind of operation; equal arguments give equal tasks.

    Args:
        split: "train" (also for None) or "test"; no question is in both, for any seed.
        limit: Number of tasks; None: the default of the split.
        seed: Determines the selection of questions.

    Returns:
        Tasks whose gold answer is one digit.

    Raises:
        ValueError: If the limit is too large.
    """
    return distinct_tasks(_draw, source=SOURCE, split=split, limit=limit, seed=seed)


def _draw(rng: np.random.Generator) -> tuple[str, str, str]:
    return named_question(*draw_chain_of_one_kind(rng))


def draw_chain_of_one_kind(rng: np.random.Generator) -> tuple[int, list[tuple[str, int]]]:
    """Return a first number and two to four steps with the same symbol, each with a digit."""
    start = int(rng.integers(*FIRST_NUMBERS))
    symbol = _SYMBOLS[int(rng.integers(len(_SYMBOLS)))]
    num_steps = int(rng.integers(FEWEST_OPERATIONS, MAX_OPERATIONS + 1))
    return start, [(symbol, draw_number(symbol, rng)) for _ in range(num_steps)]
