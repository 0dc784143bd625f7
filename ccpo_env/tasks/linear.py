"""Linear equations in one unknown with whole solutions: two or three steps of algebra."""

from __future__ import annotations

import numpy as np

from ccpo_env.tasks.procedural import distinct_tasks
from ccpo_env.types import Task

QUESTION = "Solve for x: "
MAX_COEFFICIENT = 12
MAX_SOLUTION = 20


def linear_equations(
    *, split: str | None = None, limit: int | None = None, seed: int = 0
) -> list[Task]:
    """Generate distinct equations a*x + b = c*x + d; the same arguments give the same tasks.

    Args:
        split: "train" (also for None) or "test"; no question is in both, for any seed.
        limit: Number of tasks; None: the default of the split.
        seed: Determines the selection of questions.

    Returns:
        Tasks whose gold answer is one whole number.

    Raises:
        ValueError: If the limit is too large.
    """
    return distinct_tasks(_draw, source="linear_equations", split=split, limit=limit, seed=seed)


def _draw(rng: np.random.Generator) -> tuple[str, str, str]:
    left, right = rng.choice(np.arange(1, MAX_COEFFICIENT + 1), size=2, replace=False).tolist()
    solution = int(rng.integers(-MAX_SOLUTION, MAX_SOLUTION + 1))
    shift = int(rng.integers(-MAX_SOLUTION, MAX_SOLUTION + 1))
    constant = (left - right) * solution + shift
    equation = f"{left}x{shift:+d} = {right}x{constant:+d}"
    return f"{left}x{shift:+d}={right}x{constant:+d}", f"{QUESTION}{equation}", str(solution)
