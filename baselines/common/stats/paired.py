"""The difference of two systems on the same tasks: its interval, its test and a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from baselines.common.stats.bootstrap import mean_difference
from baselines.common.stats.estimate import CONFIDENCE, Estimate
from baselines.common.stats.significance import (
    ALPHA,
    exchange_p_value,
    holm,
    mcnemar,
    mcnemar_p_values,
    p_text,
    sign_flip_p_value,
)
from baselines.common.types import FloatArray

Test = Literal["McNemar", "sign flip", "sample exchange"]
Verdict = Literal["higher", "lower", "inconclusive"]
Key = TypeVar("Key")
_BISECTIONS = 60
"""Halvings of an interval of length at most 2, to below the precision of a float."""


@dataclass(frozen=True, slots=True)
class PairedDifference(Estimate):
    """A difference of two accuracies, second minus first, paired by task.

    Args:
        value: Mean of second minus first, in [-1, 1].
        low: Lower end of the interval, at most value.
        high: Upper end of the interval, at least value.
        num_units: Tasks that both measured.
        p_value: Two-sided p-value of the test; `dataclasses.replace` puts one adjusted for several
            tests in its place, which the verdict then follows.
        test: "McNemar" (exact) where each task is right or wrong on both sides, else "sign flip";
            "sample exchange" where the numbers of samples differ and its p-value is larger.
        only_first: Tasks that only the first solved; None with several samples per task.
        only_second: Tasks that only the second solved; None with several samples per task.
    """

    p_value: float
    test: Test
    only_first: int | None
    only_second: int | None

    @property
    def verdict(self) -> Verdict:
        """Whether the second is "higher" or "lower": the p-value is below 0.05, the interval not 0.

        Note: With exact McNemar p-values, the interval excludes 0 exactly where p < 0.05.
        """
        if self.p_value < ALPHA and self.is_above(0.0):
            return "higher"
        if self.p_value < ALPHA and self.is_below(0.0):
            return "lower"
        return "inconclusive"

    def __str__(self) -> str:
        """Return the difference as in "+0.022 [+0.010, +0.042], p = 0.004"."""
        return f"{self.text('+.3f')}, {p_text(self.p_value)}"


def paired_difference(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    num_samples: tuple[npt.ArrayLike, npt.ArrayLike] = (1, 1),
) -> PairedDifference:
    """Return the mean difference of two systems on the same tasks, second minus first.

    Args:
        first: Rate of correct samples of each task, in [0, 1], shape (n,), n >= 1.
        second: The rates of the other system on the same tasks in the same order, shape (n,).
        rng: Random generator of the permutation tests and the bootstrap; unused where all rates
            are 0 or 1 and the numbers of samples are equal.
        num_samples: Samples of each task on either side, shape (n,) or () each.

    Returns:
        Where all rates are 0 or 1, the result of `paired_counts`; else the sign-flip p-value and
        the bootstrap interval of the mean over tasks. The interval is extended to 0 where the test
        does not reject.

    Raises:
        ValueError: If the shapes differ or are empty, or a rate is outside [0, 1] or NaN.

    Note: The sign of a difference is not symmetric if one side has more samples of a task: a rate
        of 0.9 is most often above a mean of one sample, and far below it else. There the p-value is
        at least that of `exchange_p_value`, which does not need the symmetry, but takes all samples
        as independent.
    """
    one, two = _rates(first, "first"), _rates(second, "second")
    if one.shape != two.shape:
        raise ValueError(
            f"first and second must be rates of the same tasks, got {len(one)} and {len(two)} "
            f"tasks; leave out the tasks that were not measured on both sides"
        )
    if np.isin(one, (0.0, 1.0)).all() and np.isin(two, (0.0, 1.0)).all():
        is_right, becomes_right = one == 1.0, two == 1.0
        found = paired_counts(
            both=int((is_right & becomes_right).sum()),
            only_first=int((is_right & ~becomes_right).sum()),
            only_second=int((~is_right & becomes_right).sum()),
            neither=int((~is_right & ~becomes_right).sum()),
        )
    else:
        differences = two - one
        mean = mean_difference(differences, rng=rng)
        p_value = sign_flip_p_value(differences, rng=rng)
        found = PairedDifference(
            mean.value, mean.low, mean.high, len(one), p_value, "sign flip", None, None
        )
    counts = [np.broadcast_to(np.asarray(own, dtype=np.int64), one.shape) for own in num_samples]
    if (counts[0] != counts[1]).any():
        p_value = exchange_p_value((one, counts[0]), (two, counts[1]), rng=rng)
        if p_value > found.p_value:
            found = replace(found, p_value=p_value, test="sample exchange")
    if found.p_value >= ALPHA:
        found = replace(found, low=min(found.low, 0.0), high=max(found.high, 0.0))
    return found


def holm_adjusted(found: Mapping[Key, PairedDifference]) -> dict[Key, PairedDifference]:
    """Return the differences with p-values adjusted by Holm's method over all of them.

    A single p-value remains as it is. The probability that any of the verdicts is wrong where there
    is no difference is at most 0.05.
    """
    p_values = holm([own.p_value for own in found.values()])
    return {
        key: replace(own, p_value=p_value)
        for (key, own), p_value in zip(found.items(), p_values, strict=True)
    }


def paired_counts(both: int, only_first: int, only_second: int, neither: int) -> PairedDifference:
    """Return the difference of two systems from the counts of tasks that each of them solved.

    value = (only_second - only_first) / n,   n = both + only_first + only_second + neither

    Args:
        both: Tasks that both solved.
        only_first: Tasks that only the first solved.
        only_second: Tasks that only the second solved.
        neither: Tasks that neither solved.

    Returns:
        The exact p-value of McNemar's test, and Tango's score interval, extended to 0 where the
        exact test does not reject.

    Raises:
        ValueError: If a count is negative or all are 0.
    """
    counts = (both, only_first, only_second, neither)
    num_tasks = sum(counts)
    if min(counts) < 0 or num_tasks < 1:
        raise ValueError(
            f"counts of tasks must be >= 0 and not all 0, got {counts}; count each task once"
        )
    low, high = paired_bounds(np.array(only_first), np.array(only_second), np.array(num_tasks))
    return PairedDifference(
        value=(only_second - only_first) / num_tasks,
        low=float(low),
        high=float(high),
        num_units=num_tasks,
        p_value=mcnemar(only_first, only_second),
        test="McNemar",
        only_first=only_first,
        only_second=only_second,
    )


def paired_bounds(
    only_first: npt.ArrayLike, only_second: npt.ArrayLike, num_tasks: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the intervals of `paired_counts`, for arrays of counts of one shape.

    The interval holds the differences d with |z(d)| <= z_0.975, where

    z(d) = (b - c - n d) / sqrt(n (2 q + d (1 - d))),   b = only_second, c = only_first
    q    = probability that only the first solves a task, the most likely one if the difference is d
         = (sqrt(B² - 8 n C) - B) / 4n,   B = (2n - b + c) d - b - c,   C = -c d (1 - d)

    and it is extended to 0 where the exact McNemar test does not reject.

    Args:
        only_first: Tasks that only the first solved, shape (...).
        only_second: Tasks that only the second solved, shape (...).
        num_tasks: All tasks, solved or not, shape (...).

    Returns:
        Two arrays of shape (...), in [-1, 1].

    Source: Tango, Statistics in Medicine 17 (1998) 891-908, eq. (5) to (7).
    """
    first, second, total = np.broadcast_arrays(
        *(np.asarray(own, dtype=np.float64) for own in (only_first, only_second, num_tasks))
    )
    value = (second - first) / total
    z = NormalDist().inv_cdf((1.0 + CONFIDENCE) / 2.0)
    low = _end(first, second, total, outside=np.full_like(value, -1.0), inside=value, z=z)
    high = _end(first, second, total, outside=np.full_like(value, 1.0), inside=value, z=z)
    is_rejected = mcnemar_p_values(first, second) < ALPHA
    low = np.where(is_rejected, low, np.minimum(low, 0.0))
    high = np.where(is_rejected, high, np.maximum(high, 0.0))
    return np.minimum(low, value), np.maximum(high, value)


def _end(
    first: FloatArray,
    second: FloatArray,
    total: FloatArray,
    *,
    outside: FloatArray,
    inside: FloatArray,
    z: float,
) -> FloatArray:
    """Return where the score test starts to reject, between a difference it keeps and a bound."""
    for _ in range(_BISECTIONS):
        middle = (outside + inside) / 2.0
        is_kept = _score_squared_is_at_most(middle, first, second, total, z * z)
        inside = np.where(is_kept, middle, inside)
        outside = np.where(is_kept, outside, middle)
    return inside


def _score_squared_is_at_most(
    difference: FloatArray, first: FloatArray, second: FloatArray, total: FloatArray, limit: float
) -> npt.NDArray[np.bool_]:
    linear = (2.0 * total - second + first) * difference - second - first
    constant = -first * difference * (1.0 - difference)
    root = np.sqrt(np.maximum(linear * linear - 8.0 * total * constant, 0.0))
    rare = np.maximum((root - linear) / (4.0 * total), np.maximum(0.0, -difference))
    variance = total * (2.0 * rare + difference * (1.0 - difference))
    return (second - first - total * difference) ** 2 <= limit * np.maximum(variance, 0.0)


def _rates(values: npt.ArrayLike, name: str) -> FloatArray:
    rates = np.asarray(values, dtype=np.float64)
    if rates.ndim != 1 or not rates.size or not ((rates >= 0.0) & (rates <= 1.0)).all():
        raise ValueError(
            f"{name} must be rates in [0, 1], one per task, got {rates}; leave out the tasks that "
            f"were not measured on both sides"
        )
    return rates
