"""Rates with intervals: how far a count of right answers can be trusted.

Tasks are independent of each other and the samples of one task are not, so everything here takes
one value per task: what the samples of a task come to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from baselines.common.types import FloatArray

CONFIDENCE = 0.95
MIN_RUNS = 2
"""Runs whose spread can be told at all."""
NUM_RESAMPLES = 9_999
_CHUNK = 2**22
"""Most numbers that one block of resamples holds; bounds the memory and not the result."""
_TIE = 1e-9
"""Sums of the same numbers in another order differ by less than this."""


@dataclass(frozen=True, slots=True)
class Proportion:
    """A rate with its interval, as `proportion` returns it.

    Args:
        successes: Trials that succeeded.
        total: Trials, at least 1.
        low: Lower end of the interval, in [0, rate].
        high: Upper end of the interval, in [rate, 1].
    """

    successes: int
    total: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """The share of successes, in [0, 1]."""
        return self.successes / self.total

    def is_above(self, other: Proportion) -> bool:
        """Return whether this interval lies above the other one and does not touch it."""
        return self.low > other.high

    def __str__(self) -> str:
        return f"{self.rate:.3f} [{self.low:.2f}, {self.high:.2f}]"


def proportion(successes: int, total: int, confidence: float = CONFIDENCE) -> Proportion:
    """Return a rate with its Wilson score interval.

    (low, high) = (p + z² / 2n ± z * sqrt(p (1 - p) / n + z² / 4n²)) / (1 + z² / n)

    where p = successes / total, n = total and z is the normal quantile of (1 + confidence) / 2.

    Args:
        successes: Trials that succeeded, in [0, total].
        total: Independent trials, at least 1.
        confidence: Share of such intervals that hold the true rate, in (0, 1).

    Raises:
        ValueError: If an argument is out of its range.

    Note: The interval is never empty: 20 of 20 gives [0.84, 1.00].

    Source: Wilson, J. Amer. Stat. Assoc. 22 (1927) 209-212.
    """
    if total < 1:
        raise ValueError(
            f"total must be >= 1, got {total}; a rate of nothing is not measured, so leave it out"
        )
    if not 0 <= successes <= total:
        raise ValueError(
            f"successes must lie in [0, {total}], got {successes}; count each trial once"
        )
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}; pass e.g. 0.95")
    try:
        from scipy.stats import binomtest  # type: ignore[attr-defined]  # exported, not declared
    except ImportError:
        raise ImportError(
            "scipy must be installed for intervals, got no such package; "
            "run: pip install 'ccpo-env[hf]'"
        ) from None
    interval = binomtest(successes, total).proportion_ci(confidence, method="wilson")
    return Proportion(successes, total, float(interval.low), float(interval.high))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over tasks with its interval; there is no estimate without one.

    Args:
        value: The mean.
        low: Lower end of the interval, at most value.
        high: Upper end of the interval, at least value.
        num_tasks: Tasks that it is a mean of, at least 1.

    Raises:
        ValueError: If the interval does not hold the value, or a number is not finite.
    """

    value: float
    low: float
    high: float
    num_tasks: int

    def __post_init__(self) -> None:
        if not -math.inf < self.low <= self.value <= self.high < math.inf or self.num_tasks < 1:
            raise ValueError(
                f"an estimate must have an interval that holds it, got {self.value} in "
                f"[{self.low}, {self.high}] of {self.num_tasks} tasks; leave out what was not "
                f"measured"
            )

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def rate_bounds(
    values: FloatArray, *, confidence: float = CONFIDENCE
) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the interval of the mean of values in [0, 1], one value per task.

    (low, high) = Wilson's interval of p = mean of the values, with n replaced by
    n_eff = max(n, n * p (1 - p) / s²),  n s² = sum of (value - p)² + largest (value - p)²

    Args:
        values: Shape (..., n), n >= 1 independent tasks.
        confidence: Share of such intervals that hold the true mean, in (0, 1).

    Returns:
        Two arrays of shape (...).

    Note: Values that are 0 or 1 give n_eff = n, hence exactly Wilson's interval. Rates over several
        samples of a task vary less, which a larger n_eff pays for. The largest square counts
        twice, as if one more such task had not been drawn: where a rate is small, most tasks are 0
        and the few that are not decide the spread, which is too small whenever they are missing.
        Where all tasks have the same value nothing tells how they vary, and n_eff = n.

    Source: Wilson (1927); effective sample size: Dean and Pagano, J. Survey Stat. Methodol. 3
        (2015) 484-503, with the doubled square in place of Student's quantile.
    """
    rates = values.mean(axis=-1)
    num_tasks = values.shape[-1]
    variance = rates * (1.0 - rates)
    squares = (values - rates[..., None]) ** 2
    spread = squares.mean(axis=-1) + squares.max(axis=-1) / num_tasks
    is_flat = spread <= _TIE * _TIE
    ratio = np.divide(variance, spread, out=np.ones_like(rates), where=~is_flat)
    size = num_tasks * np.maximum(ratio, 1.0)
    z = NormalDist().inv_cdf((1.0 + confidence) / 2.0)
    center = (rates + z * z / (2.0 * size)) / (1.0 + z * z / size)
    half = z * np.sqrt(variance / size + z * z / (4.0 * size * size)) / (1.0 + z * z / size)
    return np.clip(center - half, 0.0, rates), np.clip(center + half, rates, 1.0)


def mean_rate(values: FloatArray, *, confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean of values in [0, 1], one per task, with the interval of `rate_bounds`.

    Raises:
        ValueError: If there is no value, or one lies outside of [0, 1].
    """
    if not len(values) or not ((values >= 0.0) & (values <= 1.0)).all():
        raise ValueError(
            f"values must be rates in [0, 1], one per task, got {values}; leave out the tasks "
            f"that were not measured"
        )
    low, high = rate_bounds(values, confidence=confidence)
    return Estimate(float(values.mean()), float(low), float(high), len(values))


def bootstrap_bounds(
    differences: FloatArray,
    *,
    rng: np.random.Generator,
    num_resamples: int = NUM_RESAMPLES,
    confidence: float = CONFIDENCE,
) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the paired bootstrap's interval of a mean difference.

    Tasks are drawn with replacement, each with all of its samples on both sides; the ends are the
    percentiles of the resampled means. Two tasks that were never played join them, one up and one
    down: +-max |difference| / sqrt(2), whose squares add up to one task.

    Args:
        differences: Of each task, in [-1, 1], shape (..., n); rows share the drawn tasks.
        rng: Draws the tasks.
        num_resamples: How often they are drawn.
        confidence: Share of such intervals that hold the true mean, in (0, 1).

    Returns:
        Two arrays of shape (...).

    Note: Without the two, few tasks that differ, all in one direction, would give an interval that
        ends at 0. Where all differences are equal, resampling says that nothing is uncertain:
        there the interval is as far as a mean can lie from them if any other value is rarer than
        Wilson's upper end of 0 in n tasks. Where fewer than about five tasks differ, all in one
        direction, it still holds the truth less often than it should.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3; the two
        tasks after Agresti and Min, Statistics in Medicine 24 (2005) 729-740, who add 1/2 to each
        cell of a table of pairs.
    """
    *shape, num_tasks = differences.shape
    rows = differences.reshape(-1, num_tasks)
    largest = np.abs(rows).max(axis=1, keepdims=True) / math.sqrt(2.0)
    drawn_from = np.concatenate([rows, largest, -largest], axis=1)
    blocks = _resamples(num_tasks + 2, num_resamples, rng)
    means = np.concatenate([weights @ drawn_from.T for weights in blocks])  # (num_resamples, rows)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail], axis=0)
    center = rows.mean(axis=1)
    is_flat = np.ptp(rows, axis=1) <= _TIE
    rare = proportion(0, num_tasks, confidence).high * (1.0 + np.abs(center))
    low = np.where(is_flat, np.maximum(center - rare, -1.0), np.minimum(low, center))
    high = np.where(is_flat, np.minimum(center + rare, 1.0), np.maximum(high, center))
    return low.reshape(shape), high.reshape(shape)


def _resamples(num_tasks: int, num_resamples: int, rng: np.random.Generator) -> list[FloatArray]:
    """Return blocks of weights, each row the share of every task in one resample."""
    rows = max(1, _CHUNK // num_tasks)
    blocks = []
    for start in range(0, num_resamples, rows):
        size = min(rows, num_resamples - start)
        drawn = rng.integers(num_tasks, size=(size, num_tasks))
        places = (drawn + num_tasks * np.arange(size)[:, None]).ravel()
        counts = np.bincount(places, minlength=size * num_tasks).reshape(size, num_tasks)
        blocks.append(counts / num_tasks)
    return blocks


def mean_difference(
    differences: FloatArray, *, rng: np.random.Generator, confidence: float = CONFIDENCE
) -> Estimate:
    """Return the mean of paired differences, one per task, with the interval of the bootstrap.

    Raises:
        ValueError: If there is no difference, or one lies outside of [-1, 1].
    """
    if not len(differences) or not (np.abs(differences) <= 1.0).all():
        raise ValueError(
            f"differences must lie in [-1, 1], one per task, got {differences}; leave out the "
            f"tasks that were not measured on both sides"
        )
    low, high = bootstrap_bounds(differences, rng=rng, confidence=confidence)
    return Estimate(float(differences.mean()), float(low), float(high), len(differences))


def pass_at_k(
    num_samples: npt.NDArray[np.int64], num_correct: npt.NDArray[np.int64], k: int
) -> FloatArray:
    """Return the unbiased estimate, per task, that one of k samples is right.

    pass@k = 1 - C(n - c, k) / C(n, k)

    Args:
        num_samples: Samples n of each task, each at least k.
        num_correct: How many of them are right, c.
        k: Samples that a user would draw, at least 1.

    Returns:
        One value in [0, 1] per task; for k = 1 it is c / n.

    Raises:
        ValueError: If k < 1, a task has fewer than k samples, or c is not in [0, n].

    Source: Chen et al., arXiv:2107.03374, eq. (1).
    """
    if k < 1 or (num_samples < k).any():
        raise ValueError(
            f"k must lie in [1, samples of each task], got {k} of {num_samples.tolist()}; leave "
            f"out the tasks with fewer"
        )
    if ((num_correct < 0) | (num_correct > num_samples)).any():
        raise ValueError(
            f"num_correct must lie in [0, num_samples], got {num_correct.tolist()} of "
            f"{num_samples.tolist()}; count each sample once"
        )
    pairs = zip(num_samples.tolist(), num_correct.tolist(), strict=True)
    return np.array([1.0 - math.comb(n - c, k) / math.comb(n, k) for n, c in pairs])
