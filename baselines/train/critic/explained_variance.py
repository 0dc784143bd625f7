"""Running explained variance of values, with its interval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from baselines.common.types import FloatArray

Z_95 = 1.959963984540054
"""Half width of a 95 % interval of a normal distribution, in standard deviations."""


class Estimate(NamedTuple):
    """Explained variance of each turn's values, shape (T,), with the 95 % interval.

    NaN where the rewards have not varied yet.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedVariance:
    """Explained variance of values over the tasks of recent steps. Immutable.

    explained variance = 1 - B / A      A: sum over tasks of a, B: of b
    standard error     = sqrt(sum over tasks of (b - (B / A) * a)^2) / A

    a is the sum of squared deviations of the rewards of a task from a baseline, b that of what the
    values leave unexplained. Tasks are independent, rollouts of one task are not; so the standard
    error, that of a ratio of sums, is over tasks. A task of an earlier step has the weight
    decay^age in A and B.

    Args:
        decay: Weight of a step relative to the one after it.
        sums: Sums over tasks of a, b, a^2, a * b and b^2, the last three with squared weights,
            shape (5, T).
    """

    decay: float
    sums: FloatArray

    @classmethod
    def new(cls, num_turns: int, *, decay: float) -> Self:
        """Return the statistics before the first step."""
        return cls(decay, np.zeros((5, num_turns)))

    def updated(self, total: FloatArray, unexplained: FloatArray) -> Self:
        """Return the statistics after a step.

        Args:
            total: a of each of N tasks and T turns, shape (N, T).
            unexplained: b, of the same shape.
        """
        a, b = total, unexplained
        step = np.stack([part.sum(axis=0) for part in (a, b, a * a, a * b, b * b)])
        past = np.array([self.decay] * 2 + [self.decay**2] * 3)[:, None]
        return replace(self, sums=past * self.sums + step)

    @property
    def estimate(self) -> Estimate:
        """The explained variance of the values before each turn."""
        a, b, aa, ab, bb = self.sums
        known = a > 0.0
        divisor = np.where(known, a, 1.0)
        ratio = b / divisor
        squares = np.maximum(bb - 2.0 * ratio * ab + ratio**2 * aa, 0.0)
        value = np.where(known, 1.0 - ratio, np.nan)
        half = Z_95 * np.sqrt(squares) / divisor
        return Estimate(value, value - half, value + half)
