"""Multiple-choice arithmetic: the questions of `arithmetic`, each with four options.

A guess is right for one task in four, so that what a team learns can be compared with chance.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np

from ccpo_env.tasks.arithmetic import MODULUS, arithmetic
from ccpo_env.types import Task

SOURCE = "arithmetic_choice"
LETTERS = "ABCD"
_STREAM = 2


def arithmetic_choice(
    *, split: str | None = None, limit: int | None = None, seed: int = 0
) -> list[Task]:
    """Generate distinct tasks with four options; the same arguments give the same tasks.

    Args:
        split: "train" (also for None) or "test"; no question is in both, for any seed.
        limit: Number of tasks; None: the default of the split.
        seed: Determines the selection of questions. A question always has the same options.

    Returns:
        Tasks whose options are four different digits in random order, and whose gold answer is the
        letter of one of them, each letter equally often in expectation.

    Raises:
        ValueError: If the limit is too large.
    """
    return [with_options(task) for task in arithmetic(split=split, limit=limit, seed=seed)]


def with_options(task: Task) -> Task:
    """Return a task of `arithmetic` with four options, which depend on its question alone."""
    rng = np.random.default_rng([_STREAM, zlib.crc32(task.question.encode())])
    gold = int(task.answer)
    others = [digit for digit in range(MODULUS) if digit != gold]
    place = int(rng.integers(len(LETTERS)))
    options = [str(digit) for digit in rng.permutation(others)[: len(LETTERS) - 1]]
    options.insert(place, task.answer)
    name = task.id.removeprefix(f"{task.source}/")
    return replace(
        task,
        id=f"{SOURCE}/{name}",
        answer=LETTERS[place],
        source=SOURCE,
        choices=tuple(options),
    )
