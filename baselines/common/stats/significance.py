"""Significance tests of paired tasks and paired seeds, and Holm's correction for many tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from baselines.common.stats.bootstrap import CHUNK, MIN_REPEATS, NUM_RESAMPLES
from baselines.common.stats.intervals import TIE
from baselines.common.stats.scipy_stats import scipy_stats
from baselines.common.types import FloatArray, IntArray

ALPHA = 0.05
"""Significance level of p-values."""
_SMALLEST = 0.001
"""Smallest p-value that is written as a number."""


def mcnemar(first_only: int, second_only: int) -> float:
    """Return the exact two-sided p-value of McNemar's test.

    Args:
        first_only: Tasks that only the first of two runs answered correctly.
        second_only: Tasks that only the second answered correctly.

    Returns:
        The probability of a split at least this uneven if each of these tasks were a fair coin
        flip; 1 if there are none.

    Raises:
        ValueError: If a count is negative.

    Source: McNemar, Psychometrika 12 (1947) 153-157, with the binomial distribution.
    """
    if min(first_only, second_only) < 0:
        raise ValueError(
            f"counts must be >= 0, got {first_only} and {second_only}; count each task once"
        )
    return float(mcnemar_p_values(np.array(first_only), np.array(second_only)))


def mcnemar_p_values(first_only: npt.ArrayLike, second_only: npt.ArrayLike) -> FloatArray:
    """Return the p-values of `mcnemar` for arrays of counts of one shape, none of them negative."""
    fewer = np.minimum(first_only, second_only)
    total = np.add(first_only, second_only)
    found: FloatArray = np.minimum(1.0, 2.0 * scipy_stats().binom.cdf(fewer, total, 0.5))
    return found


def p_number(p_value: float) -> str:
    """Return a p-value for a table, as in "0.004" and "< 0.001".

    It is never rounded to 0, nor up to the level that it is below: that is "< 0.05".
    """
    if p_value < _SMALLEST:
        return f"< {_SMALLEST}"
    rounds_to_level = p_value < ALPHA <= round(p_value, 3)
    return f"< {ALPHA}" if rounds_to_level else f"{p_value:.3f}"


def p_text(p_value: float) -> str:
    """Return a p-value for a sentence, as in "p = 0.004" and "p < 0.001"; see `p_number`."""
    number = p_number(p_value)
    return f"p {number}" if number.startswith("<") else f"p = {number}"


def sign_flip_p_value(
    differences: FloatArray, *, rng: np.random.Generator, num_resamples: int = NUM_RESAMPLES
) -> float:
    """Return the two-sided p-value of the permutation test on paired differences.

    p = (1 + resamples with |mean| >= |observed mean|) / (1 + num_resamples)

    Swapping the two runs on a task changes the sign of its difference; under the null hypothesis
    all choices of signs are equally probable.

    Args:
        differences: Difference of each task, shape (n,).
        rng: Random generator for the signs.
        num_resamples: Number of random sign vectors.

    Note: With one sample per task it is McNemar's test by simulation.

    Source: Phipson and Smyth, arXiv:1603.05766, for the 1 that is added.
    """
    observed = abs(differences.sum())
    sizes, repeats = np.unique(np.abs(differences[differences != 0.0]), return_counts=True)
    if len(sizes) * MIN_REPEATS > len(differences):
        sizes, repeats = np.abs(differences), np.ones(len(differences), dtype=np.int64)
    rows = max(1, CHUNK // max(1, len(sizes)))
    num_extreme = 0
    for start in range(0, num_resamples, rows):
        size = min(rows, num_resamples - start)
        if len(sizes) < len(differences):  # signs of equal sizes: only their number counts
            num_plus = rng.binomial(repeats, 0.5, size=(size, len(sizes)))
        else:
            num_plus = rng.integers(2, size=(size, len(sizes)))
        sums = (2 * num_plus - repeats) @ sizes
        num_extreme += int((np.abs(sums) >= observed - TIE).sum())
    return (1 + num_extreme) / (1 + num_resamples)


def exchange_p_value(
    first: tuple[FloatArray, IntArray],
    second: tuple[FloatArray, IntArray],
    *,
    rng: np.random.Generator,
    num_resamples: int = NUM_RESAMPLES,
) -> float:
    """Return the two-sided p-value of a permutation test on samples, not on tasks.

    p = (1 + resamples with |mean| >= |observed mean|) / (1 + num_resamples)

    If both systems solve each task with the same probability, each choice of the samples of a task
    that are the second's is equally probable, also if the two have different numbers of samples.

    Args:
        first: Rate of correct samples of each task, and number of samples, >= 1; both shape (n,).
        second: The same of the other system on the same tasks.
        rng: Random generator for the choices.
        num_resamples: Number of random choices.

    Source: Phipson and Smyth, arXiv:1603.05766, for the 1 that is added.
    """
    (one, size), (two, others) = first, second
    right = np.rint(one * size).astype(np.int64) + np.rint(two * others).astype(np.int64)
    observed = abs((two - one).sum())
    kinds, repeats = np.unique(np.stack([right, size, others]), axis=1, return_counts=True)
    sums = np.zeros(num_resamples)
    for (hits, own, other), number in zip(kinds.T.tolist(), repeats.tolist(), strict=True):
        sums += _exchanged(hits, own, other, number, num_resamples, rng)
    num_extreme = int((np.abs(sums) >= observed - TIE).sum())
    return (1 + num_extreme) / (1 + num_resamples)


def _exchanged(
    right: int, size: int, others: int, number: int, num_resamples: int, rng: np.random.Generator
) -> FloatArray:
    """Return resampled sums of the differences of tasks with equal counts, shape (num_resamples,).

    Args:
        right: Correct samples of a task, of both systems together.
        size: Samples of the first system.
        others: Samples of the second system.
        number: Tasks with these counts, at least 1.
        num_resamples: Number of random choices.
        rng: Random generator for the choices.
    """
    least, most = max(0, right - size), min(right, others)
    chosen = np.arange(least, most + 1)  # samples of the second system that are right
    differences = chosen / others - (right - chosen) / size
    chances = scipy_stats().hypergeom.pmf(chosen, size + others, right, others)
    counts = rng.multinomial(number, chances / chances.sum(), size=num_resamples)
    sums: FloatArray = counts @ differences
    return sums


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm's method, which controls the family-wise error rate.

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
