"""Metrics of a run as curves, with a summary in words and a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baselines.common.metrics import MetricRow
from baselines.common.stats import Estimate
from baselines.common.types import FloatArray

MAX_POINTS, MAX_TABLE_ROWS = 200, 25
MISSING = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Point:
    """An accuracy or rate on held-out tasks.

    Args:
        steps: Number of training steps before it was measured.
        rate: In [0, 1].
        estimate: The rate with its interval. None for an average of several rates.
    """

    steps: int
    rate: float
    estimate: Estimate | None = None

    def __str__(self) -> str:
        return f"{self.rate:.3f}" if self.estimate is None else str(self.estimate)


@dataclass(frozen=True, slots=True)
class Series:
    """A curve: one value per step, NaN where not measured, and held-out points."""

    label: str
    values: FloatArray
    points: Sequence[Point] = ()


def column(rows: Sequence[MetricRow], key: str) -> FloatArray:
    """Return a metric of every row, shape (S,), NaN where it was not measured."""
    numbers = (row.get(key) for row in rows)
    values = np.array([math.nan if n is None else n for n in numbers], dtype=np.float64)
    return np.where(np.isfinite(values), values, math.nan)


def binned(values: FloatArray, max_bins: int) -> FloatArray:
    """Average consecutive steps into at most max_bins bins, ignoring NaN."""
    stride = math.ceil(len(values) / max_bins) or 1
    padding = -len(values) % stride
    runs = np.pad(values, (0, padding), constant_values=math.nan).reshape(-1, stride)
    measured = np.isfinite(runs).sum(axis=1)
    sums = np.nansum(runs, axis=1)
    return np.where(measured > 0, sums / np.maximum(measured, 1), math.nan)


def smoothed(values: FloatArray, window: int) -> FloatArray:
    """Return the centred moving average over an odd window, truncated at both ends."""
    if window >= len(values) or window == 1:
        return values
    ones = np.ones(window)
    sums = np.convolve(np.nan_to_num(values), ones, mode="same")
    measured = np.convolve(np.isfinite(values).astype(float), ones, mode="same")
    return np.where(measured > 0.5, sums / np.maximum(measured, 1.0), math.nan)


def amounts(rows: Sequence[MetricRow], key: str) -> FloatArray:
    """Return a metric of every row, shape (S,), 0 where it was not measured."""
    return np.nan_to_num(column(rows, key))


def running_mean(values: FloatArray) -> FloatArray:
    """Return the moving average over `window_of` steps, binned to at most MAX_POINTS."""
    return binned(smoothed(values, window_of(len(values))), MAX_POINTS)


def window_of(num_steps: int) -> int:
    """Return the odd window of the moving average, in steps."""
    return 2 * (num_steps // 24) + 1


def spread(number: int, limit: int) -> list[int]:
    """Return at most limit indices below number, evenly spaced, both ends included."""
    return sorted({round(i) for i in np.linspace(0, number - 1, min(number, limit))})


def course(series: Series) -> str:
    """Describe where a curve starts and ends."""
    known = series.values[np.isfinite(series.values)]
    parts = []
    if len(known):
        tenth = math.ceil(len(known) / 10)
        first, last = number_text(known[:tenth].mean()), number_text(known[-tenth:].mean())
        parts.append(f"{first} in the first and {last} in the last tenth of the steps")
    parts += [
        f"{point} on held-out tasks after {point.steps} steps"
        for point in (*series.points[:1], *series.points[1:][-1:])
    ]
    return ", ".join(parts)


def table(x: FloatArray, series: Sequence[Series]) -> list[tuple[str, ...]]:
    """Return a selection of steps and all held-out points as rows of text."""
    index_of = {int(place): index for index, place in enumerate(x)}
    places = {int(x[i]) for i in spread(len(x), MAX_TABLE_ROWS)}
    places |= {point.steps for one in series for point in one.points}
    table = []
    for place in sorted(places):
        cells = [str(place)]
        for one in series:
            index = index_of.get(place)
            cells.append(MISSING if index is None else number_text(one.values[index]))
            if one.points:
                found = (str(point) for point in one.points if point.steps == place)
                cells.append(next(found, MISSING))
        table.append(tuple(cells))
    return table


def number_text(value: float) -> str:
    """Return a number with three digits, or a dash for NaN."""
    if not math.isfinite(value):
        return MISSING
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours, whichever reads best."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
