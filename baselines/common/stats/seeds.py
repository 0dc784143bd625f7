"""Differences of runs to a reference, paired by seed: means, intervals and p-values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from baselines.common.stats.estimate import Estimate
from baselines.common.stats.intervals import MIN_RUNS, mean_over_seeds
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
        p_value: p-value of the paired t-test, adjusted by Holm's method. None where the
            differences do not vary.
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


def differences_to_reference(
    values: Mapping[Cell, Mapping[int, float]], reference: Callable[[Cell], Cell]
) -> dict[Cell, Difference]:
    """Return the mean difference of each cell to its reference, over their seeds in common.

    Args:
        values: Maps a cell, such as a method in a setting, to the value of each seed.
        reference: Maps a cell to its reference; a reference to itself.

    Returns:
        A difference per cell, without references and cells with fewer than two seeds in common.
        The p-values form one family of Holm's method.
    """
    paired = {cell: _paired(own, values.get(reference(cell), {})) for cell, own in values.items()}
    paired = {
        cell: differences
        for cell, differences in paired.items()
        if reference(cell) != cell and len(differences) >= MIN_RUNS
    }
    tested = {cell: own for cell, own in paired.items() if np.ptp(own) > 0.0}
    raw = [float(scipy_stats().ttest_1samp(own, 0.0).pvalue) for own in tested.values()]
    p_values = dict(zip(tested, holm(raw), strict=True))
    return {cell: _difference(own, p_values.get(cell)) for cell, own in paired.items()}


def _paired(own: Mapping[int, float], other: Mapping[int, float]) -> FloatArray:
    return np.array([own[seed] - other[seed] for seed in sorted(own.keys() & other.keys())])


def _difference(differences: FloatArray, p_value: float | None) -> Difference:
    found = mean_over_seeds(differences)
    return Difference(found.value, found.low, found.high, found.num_units, p_value)
