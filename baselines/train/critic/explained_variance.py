"""Running explained variance of values, with its interval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from baselines.common.stats.scipy_stats import scipy_stats
from baselines.common.types import FloatArray

CONFIDENCE = 0.95
FORGOTTEN = 1e-3
"""Weight below which a task is left out: it was last met some 66 steps ago, at a decay of .9."""


class Estimate(NamedTuple):
    """Explained variance of each turn's values, shape (T,), with the 95 % interval.

    NaN where the rewards have not varied yet; without bounds if those of one task alone have.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedVariance:
    """Explained variance of values over the tasks of recent steps. Immutable.

    explained variance = 1 - B / A      A: sum over tasks of a, B: of b
    standard error     = sqrt(n / (n - 1) * sum over tasks of (b - (B / A) * a)^2) / A
    n                  = A^2 / sum over tasks of a^2, the effective number of tasks

    a is the sum of squared deviations of the rewards of a task from a baseline, b that of what the
    values leave unexplained, over all its rollouts in all steps, those of an earlier step with the
    weight decay^age. Tasks are independent; rollouts of one task are not, of one step or of
    several. So the standard error, that of a ratio of sums, is clustered by task, and the interval
    is that of Student's t with n - 1 degrees of freedom.

    Args:
        decay: Weight of a step relative to the one after it.
        rows: One per task: its number, the weight with which it was met, a and b of each turn;
            shape (tasks, 2 + 2 T), sorted by number.

    Source: the linearised variance of a ratio with clusters (Cochran, Sampling Techniques, 1977,
        6.3 and 9A); n is Kish's effective sample size.
    """

    decay: float
    rows: FloatArray

    @classmethod
    def new(cls, num_turns: int, *, decay: float) -> Self:
        """Return the statistics before the first step."""
        return cls(decay, np.zeros((0, 2 + 2 * num_turns)))

    def updated(self, tasks: FloatArray, total: FloatArray, unexplained: FloatArray) -> Self:
        """Return the statistics after a step.

        Args:
            tasks: Number of the task of each of N groups, (N,); a task may come several times.
            total: a of each group and T turns, shape (N, T).
            unexplained: b, of the same shape.
        """
        step = np.column_stack([tasks, np.ones(len(tasks)), total, unexplained])
        past = self.rows * np.where(np.arange(self.rows.shape[1]) == 0, 1.0, self.decay)
        met = np.concatenate([past[past[:, 1] >= FORGOTTEN], step])
        numbers, place = np.unique(met[:, 0], return_inverse=True)
        sums = np.zeros((len(numbers), met.shape[1] - 1))
        np.add.at(sums, place, met[:, 1:])
        return replace(self, rows=np.column_stack([numbers, sums]))

    @property
    def estimate(self) -> Estimate:
        """The explained variance of the values before each turn."""
        a, b = np.split(self.rows[:, 2:], 2, axis=1)  # (tasks, T)
        total = a.sum(axis=0)
        known = total > 0.0
        divisor = np.where(known, total, 1.0)
        ratio = b.sum(axis=0) / divisor
        squares = ((b - ratio * a) ** 2).sum(axis=0)
        number = np.where(known, total**2 / np.where(known, (a * a).sum(axis=0), 1.0), np.nan)
        freedom = np.where(number > 1.0 + 1e-9, number - 1.0, np.nan)
        quantile = scipy_stats().t.ppf((1.0 + CONFIDENCE) / 2.0, freedom)
        half = quantile * np.sqrt((1.0 + 1.0 / freedom) * squares) / divisor
        half = np.where(np.isnan(half), np.inf, half)
        value = np.where(known, 1.0 - ratio, np.nan)
        return Estimate(value, value - half, value + half)
