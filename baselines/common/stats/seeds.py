"""Differences of runs to a reference, paired by seed: means, intervals and p-values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from baselines.common.stats.estimate import CONFIDENCE, Estimate
from baselines.common.stats.intervals import MIN_RUNS, TIE, mean_over_seeds
from baselines.common.stats.power import MIN_TESTED, seeds_for_power
from baselines.common.stats.scipy_stats import scipy_stats
from baselines.common.stats.significance import ALPHA, holm
from baselines.common.types import FloatArray

Conclusion = Literal["above", "below", "inconclusive"]
Cell = TypeVar("Cell")


@dataclass(frozen=True, slots=True)
class Difference(Estimate):
    """A mean difference to a reference, over paired seeds.

    Args:
        value: Mean of method minus reference.
        low: Lower end of the interval, at most value.
        high: Upper end of the interval, at least value.
        num_units: Number of seeds in common.
        p_value: p-value of the paired t-test, adjusted by Holm's method. None below MIN_TESTED
            seeds, and where the differences do not vary.
    """

    p_value: float | None

    @property
    def conclusion(self) -> Conclusion:
        """Whether the interval excludes 0 and the p-value is below ALPHA."""
        if self.p_value is None or self.p_value >= ALPHA:
            return "inconclusive"
        if self.is_above(0.0):
            return "above"
        return "below" if self.is_below(0.0) else "inconclusive"

    @property
    def deviation(self) -> float:
        """Standard deviation of the differences over seeds."""
        quantile = scipy_stats().t.ppf((1.0 + CONFIDENCE) / 2.0, self.num_units - 1)
        return float((self.high - self.low) / 2.0 * math.sqrt(self.num_units) / quantile)

    @property
    def seeds_needed(self) -> int | None:
        """Seeds that a difference of this size and spread needs; see `seeds_for_power`."""
        return seeds_for_power(self.value, self.deviation)


def differences_to_reference(
    values: Mapping[Cell, Mapping[int, float]], reference: Callable[[Cell], Cell]
) -> dict[Cell, Difference]:
    """Return the mean difference of each cell to its reference, over their seeds in common.

    Args:
        values: Maps a cell, such as a method in a setting, to the value of each seed.
        reference: Maps a cell to its reference; a reference to itself.

    Returns:
        A difference per cell, without references and cells with fewer than two seeds in common.
        The cells with MIN_TESTED seeds in common form one family of Holm's method, which those
        whose differences do not vary are part of, so that chance does not choose its size.

    Note: Cells of several quantities in one call keep the probability of any wrong conclusion
        about any of them at 0.05. Of 20,000 simulated experiments without a difference (5, 6 and
        10 seeds; 1, 3 and 21 methods), at most 5.7 % had one, with differences that were normal,
        heavy-tailed, uniform, exponential, two-valued, or accuracies over 2 to 300 tasks, and at
        most 6.4 % with accuracies over a single task.
    """
    paired = {cell: _paired(own, values.get(reference(cell), {})) for cell, own in values.items()}
    paired = {
        cell: differences
        for cell, differences in paired.items()
        if reference(cell) != cell and len(differences) >= MIN_RUNS
    }
    family = {cell: own for cell, own in paired.items() if len(own) >= MIN_TESTED}
    p_values = dict(zip(family, holm([_p_value(own) for own in family.values()]), strict=True))
    return {
        cell: _difference(own, p_values.get(cell) if _varies(own) else None)
        for cell, own in paired.items()
    }


def _varies(differences: FloatArray) -> bool:
    return bool(np.ptp(differences) > TIE)  # rounding is no spread


def _p_value(differences: FloatArray) -> float:
    """Return the p-value of the paired t-test; 1 without spread, which still counts as a test."""
    if not _varies(differences):
        return 1.0
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    t_value = abs(float(differences.mean())) / error
    return 2.0 * float(scipy_stats().t.sf(t_value, len(differences) - 1))


def _paired(own: Mapping[int, float], other: Mapping[int, float]) -> FloatArray:
    return np.array([own[seed] - other[seed] for seed in sorted(own.keys() & other.keys())])


def _difference(differences: FloatArray, p_value: float | None) -> Difference:
    found = mean_over_seeds(differences)
    return Difference(found.value, found.low, found.high, found.num_units, p_value)
