"""Bootstrap confidence intervals of paired samples: units are resampled with both sides."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from baselines.common.stats.estimate import CONFIDENCE, Estimate
from baselines.common.stats.intervals import TIE, proportion
from baselines.common.types import FloatArray, IntArray

NUM_RESAMPLES = 9_999
CHUNK = 2**22
"""Maximum number of elements in a block of resamples; bounds memory, not the result."""
MIN_REPEATS = 8
"""Tasks per distinct value from which values are drawn, not tasks: how often each value is in a
resample has a multinomial distribution. A draw of it takes as long as about this many of tasks."""


def mean_difference(
    differences: FloatArray, *, rng: np.random.Generator, confidence: float = CONFIDENCE
) -> Estimate:
    """Return the mean of paired differences, one per task, with its bootstrap interval.

    Raises:
        ValueError: If there is no difference, or one lies outside [-1, 1].
    """
    if not len(differences) or not (np.abs(differences) <= 1.0).all():
        raise ValueError(
            f"differences must lie in [-1, 1], one per task, got {differences}; leave out the "
            f"tasks that were not measured on both sides"
        )
    low, high = bootstrap_bounds(differences, rng=rng, confidence=confidence)
    return Estimate(float(differences.mean()), float(low), float(high), len(differences))


def bootstrap_bounds(
    differences: FloatArray,
    *,
    rng: np.random.Generator,
    num_resamples: int = NUM_RESAMPLES,
    confidence: float = CONFIDENCE,
) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the paired bootstrap interval of a mean difference.

    Tasks are drawn with replacement, each with all of its samples on both sides; the ends are the
    percentiles of the resampled means. Two pseudo-tasks join them, one up and one down:
    +-max |difference| / sqrt(2), whose squares add up to one task.

    Args:
        differences: Difference of each task, in [-1, 1], shape (..., n); rows share the resampled
            tasks.
        rng: Random generator for the resamples.
        num_resamples: Number of bootstrap resamples.
        confidence: Coverage of the interval, in (0, 1).

    Returns:
        Two arrays of shape (...).

    Note: Without the two, few tasks that differ, all in one direction, would give an interval that
        ends at 0. Where all differences are equal, the bootstrap has no variance: there the
        interval extends as far as the mean can lie if any other value is rarer than Wilson's upper
        end of 0 in n tasks. Where fewer than about five tasks differ, all in one direction, its
        coverage is still below the nominal one.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3; the two
        tasks after Agresti and Min, Statistics in Medicine 24 (2005) 729-740, who add 1/2 to each
        cell of a table of pairs.
    """
    *shape, num_tasks = differences.shape
    rows = differences.reshape(-1, num_tasks)
    largest = np.abs(rows).max(axis=1, keepdims=True) / math.sqrt(2.0)
    drawn_from = np.concatenate([rows, largest, -largest], axis=1)
    distinct, repeats = np.unique(drawn_from, axis=1, return_counts=True)
    if len(repeats) * MIN_REPEATS <= num_tasks:
        drawn_from = distinct
    else:
        repeats = np.ones(num_tasks + 2, dtype=np.int64)
    blocks = _resamples(repeats, num_resamples, rng)
    means = np.concatenate([weights @ drawn_from.T for weights in blocks])  # (num_resamples, rows)
    low, high = _percentiles(means, confidence)
    center = rows.mean(axis=1)
    is_flat = np.ptp(rows, axis=1) <= TIE
    rare = proportion(0, num_tasks, confidence).high * (1.0 + np.abs(center))
    low = np.where(is_flat, np.maximum(center - rare, -1.0), np.minimum(low, center))
    high = np.where(is_flat, np.minimum(center + rare, 1.0), np.maximum(high, center))
    return low.reshape(shape), high.reshape(shape)


def bootstrap_statistic(
    statistic: Callable[[IntArray], float],
    num_units: int,
    *,
    rng: np.random.Generator,
    num_resamples: int = 2_000,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Return any statistic over units with its bootstrap percentile interval.

    Args:
        statistic: Maps the indices of resampled units, shape (num_units,), to its value.
        num_units: Number of units, such as the repeats of a measurement.
        rng: Random generator for the resamples.
        num_resamples: Number of bootstrap resamples.
        confidence: Coverage of the interval, in (0, 1).

    Note: A statistic that pairs two measurements reads both at the same indices, so that what
        they have in common cancels.

    Source: Efron and Tibshirani (1993), section 13.3.
    """
    draws = rng.integers(num_units, size=(num_resamples, num_units))
    low, high = _percentiles(np.array([statistic(draw) for draw in draws]), confidence)
    value = statistic(np.arange(num_units))
    return Estimate(value, min(float(low), value), max(float(high), value), num_units)


def _percentiles(values: FloatArray, confidence: float) -> tuple[FloatArray, FloatArray]:
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(values, (tail, 1.0 - tail), axis=0)
    return low, high


def _resamples(
    repeats: IntArray, num_resamples: int, rng: np.random.Generator
) -> Iterator[FloatArray]:
    """Yield blocks of weights, each row the share of every value in one resample.

    Args:
        repeats: How often each value occurs in the sample, shape (v,).
        num_resamples: Rows in all blocks together.
        rng: Random generator.
    """
    num_values, num_units = len(repeats), int(repeats.sum())
    rows = max(1, CHUNK // num_values)
    for start in range(0, num_resamples, rows):
        size = min(rows, num_resamples - start)
        if num_values < num_units:
            counts = rng.multinomial(num_units, repeats / num_units, size=size)
        else:
            drawn = rng.integers(num_values, size=(size, num_values))
            places = (drawn + num_values * np.arange(size)[:, None]).ravel()
            counts = np.bincount(places, minlength=size * num_values).reshape(size, num_values)
        yield counts / num_units
