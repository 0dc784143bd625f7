"""Many runs in one table: what each method reaches, and whether it differs from shared credit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from baselines.evaluating.significance import holm
from baselines.experiment.runs import RunResult
from baselines.types import FloatArray

NUM_RESAMPLES = 9_999
REFERENCE = "shared"
"""The allocator that all others are compared with, at the same optimizer and seeds."""
QUANTITIES = ("joint", "contribution", "area")
TRIMMED = 0.25
"""Share of runs left out at each end of the interquartile mean."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval; both ends are the estimate if there is one run."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Row:
    """What the seeds of one allocator and optimizer came to.

    Args:
        allocator: Its name.
        optimizer: Its name.
        num_runs: Seeds.
        tokens: Mean tokens sampled in training.
        steps: Mean steps made.
        means: Of each of QUANTITIES over the seeds, with its interval.
        quartile_mean: Interquartile mean of joint accuracy over the seeds, with its interval.
        gains: Mean difference to shared credit, seed by seed, of each of QUANTITIES; empty for
            shared credit itself.
        p_values: Of these differences, by Holm's method over all rows of a quantity.
    """

    allocator: str
    optimizer: str
    num_runs: int
    tokens: float
    steps: float
    means: dict[str, Interval]
    quartile_mean: Interval
    gains: dict[str, Interval]
    p_values: dict[str, float]


def aggregate(results: Sequence[RunResult]) -> list[Row]:
    """Return one row per optimizer and allocator, in the order in which they first appear."""
    cells: dict[tuple[str, str], dict[int, RunResult]] = {}
    for result in results:
        cell = (result.key.optimizer, result.key.allocator)
        cells.setdefault(cell, {})[result.key.seed] = result
    p_values = {name: _p_values(cells, name) for name in QUANTITIES}
    return [
        _row(cell, runs, cells, {name: p_values[name].get(cell) for name in QUANTITIES})
        for cell, runs in cells.items()
    ]


def interval(values: FloatArray, *, trimmed: bool = False) -> Interval:
    """Return the mean, or interquartile mean, of independent values with its 95 % interval.

    Of a mean it is Student's; of an interquartile mean the percentiles of a bootstrap.

    Source: Agarwal et al., arXiv:2108.13264, for interquartile means over runs.
    """
    estimate = float(stats.trim_mean(values, TRIMMED) if trimmed else values.mean())
    if len(values) < 2 or np.ptp(values) == 0.0:
        return Interval(estimate, estimate, estimate)
    if not trimmed:
        found = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
        return Interval(estimate, float(found.low), float(found.high))
    found = stats.bootstrap(  # type: ignore[attr-defined]  # exported, not declared
        (values,),
        lambda sample, axis: stats.trim_mean(sample, TRIMMED, axis=axis),
        n_resamples=NUM_RESAMPLES,
        rng=np.random.default_rng(0),
        method="percentile",
    ).confidence_interval
    return Interval(estimate, float(found.low), float(found.high))


Cells = dict[tuple[str, str], dict[int, RunResult]]


def _row(
    cell: tuple[str, str],
    runs: dict[int, RunResult],
    cells: Cells,
    p_values: dict[str, float | None],
) -> Row:
    optimizer, allocator = cell
    own = list(runs.values())
    gains = {name: _gains(cell, cells, name) for name in QUANTITIES}
    return Row(
        allocator=allocator,
        optimizer=optimizer,
        num_runs=len(own),
        tokens=float(np.mean([run.tokens for run in own])),
        steps=float(np.mean([run.steps for run in own])),
        means={name: interval(_values(own, name)) for name in QUANTITIES},
        quartile_mean=interval(_values(own, "joint"), trimmed=True),
        gains={name: interval(values) for name, values in gains.items() if len(values)},
        p_values={name: value for name, value in p_values.items() if value is not None},
    )


def _gains(cell: tuple[str, str], cells: Cells, quantity: str) -> FloatArray:
    """Return the differences to shared credit, seed by seed; none for shared credit itself."""
    optimizer, allocator = cell
    reference = {} if allocator == REFERENCE else cells.get((optimizer, REFERENCE), {})
    seeds = sorted(set(cells[cell]) & set(reference))
    own, other = [cells[cell][s] for s in seeds], [reference[s] for s in seeds]
    return _values(own, quantity) - _values(other, quantity)


def _p_values(cells: Cells, quantity: str) -> dict[tuple[str, str], float]:
    """Return the adjusted p-value of each cell that can be compared: paired t-test over seeds."""
    gains = {cell: _gains(cell, cells, quantity) for cell in cells}
    tested = {c: v for c, v in gains.items() if len(v) > 1 and np.ptp(v) > 0.0}
    raw = [float(stats.ttest_1samp(values, 0.0).pvalue) for values in tested.values()]
    return dict(zip(tested, holm(raw), strict=True))


def _values(runs: Sequence[RunResult], quantity: str) -> FloatArray:
    return np.array([getattr(run, quantity) for run in runs], dtype=np.float64)
