"""Confidence intervals: rates over tasks (Wilson) and means over seeds (Student's t)."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from baselines.common.stats.estimate import CONFIDENCE, Estimate, Proportion
from baselines.common.stats.scipy_stats import scipy_stats
from baselines.common.types import FloatArray

MIN_RUNS = 2
"""Fewest runs for an interval over seeds: a single run has no spread."""
TIE = 1e-9
"""Tolerance for ties: sums of the same numbers in another order differ by less."""
_TRIMMED = 0.25
"""Fraction of runs that the interquartile mean trims at each end."""


def proportion(successes: int, total: int, confidence: float = CONFIDENCE) -> Proportion:
    """Return the rate of independent trials with its Wilson score interval.

    (low, high) = (p + z² / 2n ± z * sqrt(p (1 - p) / n + z² / 4n²)) / (1 + z² / n)

    where p = successes / total, n = total and z is the normal quantile of (1 + confidence) / 2.

    Args:
        successes: Trials that succeeded, in [0, total].
        total: Independent trials, at least 1.
        confidence: Coverage of the interval, in (0, 1).

    Raises:
        ValueError: If an argument is out of its range.

    Note: The interval is never a single point: 20 of 20 gives [0.84, 1.00].

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
    rate = successes / total
    low, high = _wilson(np.array(rate), np.array(float(total)), confidence)
    return Proportion(rate, float(low), float(high), total, successes)


def mean_rate(values: FloatArray, *, confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean of values in [0, 1], one per task, with the interval of `rate_bounds`.

    Raises:
        ValueError: If there is no value, or one lies outside [0, 1].
    """
    if not len(values) or not ((values >= 0.0) & (values <= 1.0)).all():
        raise ValueError(
            f"values must be rates in [0, 1], one per task, got {values}; leave out the tasks "
            f"that were not measured"
        )
    low, high = rate_bounds(values, confidence=confidence)
    return Estimate(float(values.mean()), float(low), float(high), len(values))


def rate_bounds(
    values: FloatArray, *, confidence: float = CONFIDENCE
) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the interval of the mean of values in [0, 1], one value per task.

    (low, high) = Wilson's interval of p = mean of the values, with n replaced by
    n_eff = max(n, n * p (1 - p) / s²),  n s² = sum of (value - p)² + largest (value - p)²

    Args:
        values: Shape (..., n), n >= 1 independent tasks.
        confidence: Coverage of the interval, in (0, 1).

    Returns:
        Two arrays of shape (...).

    Note: Values that are 0 or 1 give n_eff = n, hence exactly Wilson's interval. Rates over several
        samples of a task vary less, which a larger n_eff accounts for. The largest square counts
        twice, as if one more such task had not been drawn: where a rate is small, most tasks are 0
        and the few that are not decide the spread, which is too small whenever they are missing.
        Where all tasks have the same value, their variance cannot be estimated, and n_eff = n.

    Source: Wilson (1927); effective sample size: Dean and Pagano, J. Survey Stat. Methodol. 3
        (2015) 484-503, with the doubled square in place of Student's quantile.
    """
    rates = values.mean(axis=-1)
    num_tasks = values.shape[-1]
    squares = (values - rates[..., None]) ** 2
    spread = squares.mean(axis=-1) + squares.max(axis=-1) / num_tasks
    is_flat = spread <= TIE * TIE
    ratio = np.divide(rates * (1.0 - rates), spread, out=np.ones_like(rates), where=~is_flat)
    return _wilson(rates, num_tasks * np.maximum(ratio, 1.0), confidence)


def _wilson(
    rates: FloatArray, sizes: FloatArray, confidence: float
) -> tuple[FloatArray, FloatArray]:
    """Return the ends of Wilson's interval for rates over the given numbers of trials."""
    z = NormalDist().inv_cdf((1.0 + confidence) / 2.0)
    center = (rates + z * z / (2.0 * sizes)) / (1.0 + z * z / sizes)
    variance = rates * (1.0 - rates) / sizes + z * z / (4.0 * sizes * sizes)
    half = z * np.sqrt(variance) / (1.0 + z * z / sizes)
    return np.clip(center - half, 0.0, rates), np.clip(center + half, rates, 1.0)


def mean_over_seeds(
    values: FloatArray,
    *,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Return the mean of one value per run with Student's interval.

    (low, high) = mean ± t(n - 1) * s / sqrt(n)

    where s is the standard deviation and t the quantile of (1 + confidence) / 2.

    Args:
        values: One per independent run, shape (n,), n >= 2.
        bounds: Range of a value; the interval is clipped to it.
        confidence: Coverage of the interval, in (0, 1).

    Raises:
        ValueError: If there are fewer than two runs.

    Note: Where all runs are equal, both ends are their value.
    """
    return _students(values, 0.0, bounds, confidence)


def interquartile_mean(
    values: FloatArray, *, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> Estimate:
    """Return the interquartile mean of one value per run with its 95 % interval.

    (low, high) = trimmed mean ± t(h - 1) * s_w / ((1 - 2 * 0.25) * sqrt(n))

    where s_w is the standard deviation with each value left out replaced by the nearest kept one,
    and h is the number of kept values.

    Args:
        values: One per independent run, shape (n,), n >= 2; a quarter is trimmed at each end.
        bounds: Range of a value; the interval is clipped to it.

    Raises:
        ValueError: If there are fewer than two runs.

    Note: With five or ten runs the percentiles of a bootstrap, which the source draws from runs of
        many tasks, cover an interquartile mean 89 and 93 times of 100.

    Source: Agarwal et al., arXiv:2108.13264, for interquartile means over runs; their interval:
        Tukey and McLaughlin, Sankhya A 25 (1963) 331-352.
    """
    return _students(values, _TRIMMED, bounds, CONFIDENCE)


def _students(
    values: FloatArray, trimmed: float, bounds: tuple[float, float], confidence: float
) -> Estimate:
    """Return a mean, trimmed by a fraction of the values at each end, with its interval."""
    num_runs = len(values)
    if num_runs < MIN_RUNS:
        raise ValueError(
            f"values must come from at least {MIN_RUNS} runs, got {num_runs}; pass a larger "
            f"--num-seeds: one run has no interval"
        )
    cut = int(trimmed * num_runs)
    kept = np.sort(values)[cut : num_runs - cut]
    value = float(kept.mean())
    if np.ptp(values) == 0.0:
        return Estimate(value, value, value, num_runs)
    winsorized = np.pad(kept, cut, mode="edge")
    quantile = scipy_stats().t.ppf((1.0 + confidence) / 2.0, len(kept) - 1)
    half = quantile * winsorized.std(ddof=1) / ((1.0 - 2.0 * trimmed) * math.sqrt(num_runs))
    low, high = np.clip([value - half, value + half], *bounds)
    return Estimate(value, min(float(low), value), max(float(high), value), num_runs)
