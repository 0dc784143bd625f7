"""Do two runs differ, or was it chance: tests on paired tasks, and many of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baselines.common.stats import NUM_RESAMPLES
from baselines.common.types import FloatArray

_CHUNK = 2**22
"""Most numbers that one block of signs holds; bounds the memory and not the result."""
_TIE = 1e-9
"""Sums of the same numbers in another order differ by less than this."""


def mcnemar(first_only: int, second_only: int) -> float:
    """Return the exact two-sided p-value of McNemar's test.

    Args:
        first_only: Tasks that only the first of two runs answered correctly.
        second_only: Tasks that only the second did.

    Returns:
        How probable it is, if each of these tasks was a fair coin, that they are split at least
        so unevenly; 1 if there are none.

    Raises:
        ValueError: If a count is negative.

    Source: McNemar, Psychometrika 12 (1947) 153-157, with the binomial distribution.
    """
    if min(first_only, second_only) < 0:
        raise ValueError(
            f"counts must be >= 0, got {first_only} and {second_only}; count each task once"
        )
    from scipy.stats import binomtest  # type: ignore[attr-defined]  # exported, not declared

    total = first_only + second_only
    return float(binomtest(first_only, total, 0.5).pvalue) if total else 1.0


def sign_flip_p_value(
    differences: FloatArray, *, rng: np.random.Generator, num_resamples: int = NUM_RESAMPLES
) -> float:
    """Return the two-sided p-value of the permutation test on paired differences.

    p = (1 + resamples with |mean| >= |observed mean|) / (1 + num_resamples)

    Swapping the two runs on a task changes the sign of its difference; if they do not differ,
    every choice of signs is as probable as the observed one.

    Args:
        differences: Of each task, shape (n,).
        rng: Draws the signs.
        num_resamples: How often they are drawn.

    Note: With one sample per task it is McNemar's test by simulation.

    Source: Phipson and Smyth, arXiv:1603.05766, for the 1 that is added.
    """
    observed = abs(differences.sum())
    rows = max(1, _CHUNK // max(1, len(differences)))
    num_extreme = 0
    for start in range(0, num_resamples, rows):
        size = min(rows, num_resamples - start)
        signs = rng.integers(2, size=(size, len(differences))) * 2 - 1
        num_extreme += int((np.abs(signs @ differences) >= observed - _TIE).sum())
    return (1 + num_extreme) / (1 + num_resamples)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for how many there are: the chance of one false finding is kept.

    adjusted of the i-th smallest = max over j <= i of min(1, (m - j + 1) * p_j), m of them

    Source: Holm, Scand. J. Statist. 6 (1979) 65-70.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted
