"""Many runs in one table: what each method reaches, and whether it differs from shared credit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from baselines.common.significance import holm
from baselines.common.stats import MIN_RUNS
from baselines.common.types import FloatArray
from baselines.experiment.runs import RunResult

REFERENCE = "shared"
"""The allocator that all others are compared with, at the same optimizer and seeds."""
QUANTITIES = ("joint", "contribution", "area")
BOUNDS = {"joint": (0.0, 1.0), "contribution": (-1.0, 1.0), "area": (0.0, 1.0)}
"""What a quantity, and so its interval, cannot leave."""
TRIMMED = 0.25
"""Share of runs left out at each end of the interquartile mean."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval; both ends are the estimate if the runs do not spread."""

    estimate: float
    low: float
    high: float

    def text(self, spec: str = ".3f") -> str:
        """Return estimate and interval, each formatted by spec."""
        if self.low == self.high:
            return f"{self.estimate:{spec}} [no spread]"
        return f"{self.estimate:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    def __str__(self) -> str:
        return self.text()


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
        quartile_means: The same of the interquartile mean over the seeds.
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
    quartile_means: dict[str, Interval]
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


def interval(
    values: FloatArray,
    *,
    trimmed: bool = False,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Return the mean, or interquartile mean, of independent values with its 95 % interval.

    (low, high) = mean ± t(n - 1) * s / sqrt(n)
    (low, high) = trimmed mean ± t(h - 1) * s_w / ((1 - 2 * 0.25) * sqrt(n))

    where s_w is the deviation of the values with those left out replaced by the nearest kept one,
    and h how many are kept.

    Args:
        values: One per run, shape (n,), n >= 2.
        trimmed: Whether a quarter of the runs is left out at each end.
        bounds: What a value cannot leave; the interval is cut off there.

    Raises:
        ValueError: If there are fewer than two: one run says nothing about the next.

    Note: With five or ten runs the percentiles of a bootstrap, which the source draws from runs of
        many tasks, hold an interquartile mean 89 and 93 times of 100.

    Source: Agarwal et al., arXiv:2108.13264, for interquartile means over runs; their interval:
        Tukey and McLaughlin, Sankhya A 25 (1963) 331-352.
    """
    if len(values) < MIN_RUNS:
        raise ValueError(
            f"values must be those of at least {MIN_RUNS} runs, got {len(values)}; pass a larger "
            f"--num-seeds: one run has no interval"
        )
    estimate = float(stats.trim_mean(values, TRIMMED) if trimmed else values.mean())
    if np.ptp(values) == 0.0:
        return Interval(estimate, estimate, estimate)
    num_runs = len(values)
    cut = int(TRIMMED * num_runs) if trimmed else 0
    kept = np.sort(values)[cut : num_runs - cut]
    spread = np.std(np.pad(kept, cut, mode="edge"), ddof=1)
    quantile = stats.t.ppf(0.975, len(kept) - 1)  # type: ignore[attr-defined]  # not declared
    half = float(quantile * spread / math.sqrt(num_runs))
    half /= 1.0 - 2.0 * TRIMMED if trimmed else 1.0
    low, high = np.clip([estimate - half, estimate + half], *bounds)
    return Interval(estimate, float(low), float(high))


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
        means={q: interval(_values(own, q), bounds=BOUNDS[q]) for q in QUANTITIES},
        quartile_means={
            q: interval(_values(own, q), trimmed=True, bounds=BOUNDS[q]) for q in QUANTITIES
        },
        gains={name: interval(values) for name, values in gains.items() if len(values) >= MIN_RUNS},
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
