"""95 % intervals of logarithms from resamples: of each alone, and of all together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from baselines.advise.measurable import MAX_LOG_DISTANCE, MIN_SHARE_FINITE
from baselines.common.stats.scipy_stats import scipy_stats
from baselines.common.types import FloatArray

ROUNDING = 1e-9
"""Differences of logarithms that are rounding errors."""
_HUGE = 1e12


@dataclass(frozen=True, slots=True)
class Joint:
    """An efficiency with an interval that holds together with those of the other tested pairs.

    Args:
        value: The efficiency.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: float
    low: float
    high: float


class Tested(Protocol):
    """A logarithm with what its interval is computed from; see `advise.efficiency.Comparison`."""

    @property
    def log(self) -> float:
        """Its estimate."""
        ...

    @property
    def log_error(self) -> float:
        """Its standard error."""
        ...

    @property
    def t(self) -> FloatArray:
        """Errors of B resamples in their own standard errors, shape (B,), NaN without any."""
        ...

    @property
    def widening(self) -> float:
        """Factor of the width of its interval, for tasks of a kind that few are of."""
        ...

    @property
    def num_tasks(self) -> int:
        """Tasks N."""
        ...

    @property
    def is_measurable(self) -> bool:
        """Whether it has an interval."""
        ...


def studentised(values: FloatArray, errors: FloatArray) -> FloatArray:
    """Return the error of each of B resamples in its own standard errors, shape (B,).

    NaN where the statistic has no logarithm or no finite error; huge where it differs and shows no
    standard error.

    Args:
        values: The logarithm in the pilot and in each resample, shape (1 + B,).
        errors: Their standard errors, shape (1 + B,).
    """
    differences = values[1:] - values[0]
    differences[np.abs(differences) < ROUNDING] = 0.0
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        t: FloatArray = np.clip(differences / errors[1:], -_HUGE, _HUGE)
    t[~np.isfinite(errors[1:])] = np.nan
    return t


def bootstrap_t(tested: Tested) -> tuple[float, float]:
    """Return the interval of a logarithm.

    At each end the wider of the bootstrap-t and Student's interval, widened for tasks that were
    seldom drawn: the bootstrap follows the skew of the statistic, and of few tasks alone it is a
    little too narrow. NaN if too few resamples have an error.
    """
    if not tested.log_error >= ROUNDING:  # also NaN, of a statistic that is not positive
        return tested.log, tested.log
    t = tested.t[~np.isnan(tested.t)]
    if len(t) < MIN_SHARE_FINITE * len(tested.t):
        return math.nan, math.nan
    student = float(scipy_stats().t.ppf(0.975, tested.num_tasks - 1))
    lowest, highest = np.quantile(t, (0.025, 0.975))
    low, high = max(student, float(highest)), max(student, -float(lowest))
    error = tested.log_error * tested.widening
    return tested.log - low * error, tested.log + high * error


def simultaneous(tested: Sequence[Tested], *, confidence: float = 0.95) -> list[Joint | None]:
    """Return efficiencies with joint intervals; one that is given twice counts once.

    All intervals hold the true values in a fraction of pilots of at least the confidence. The
    factor of the widened standard errors is that quantile of the largest absolute error of all in
    resamples, each in its own standard errors, and at least that of Student's intervals with
    Bonferroni's correction.

    Args:
        tested: Comparisons of one pilot.
        confidence: Chance that all hold.

    Returns:
        One for each; None for one that this pilot cannot measure.
    """
    distinct = list({id(own): own for own in tested}.values())
    noisy = [own for own in distinct if own.is_measurable and own.log_error >= ROUNDING]
    factor = 0.0
    if noisy:
        largest = np.fmax.reduce([np.nan_to_num(np.abs(own.t)) for own in noisy])
        tail = (1.0 - confidence) / (2.0 * len(distinct))
        student = float(scipy_stats().t.ppf(1.0 - tail, noisy[0].num_tasks - 1))
        factor = max(student, float(np.quantile(largest, confidence)))
    return [_joint(own, factor) if own.is_measurable else None for own in tested]


def _joint(own: Tested, factor: float) -> Joint | None:
    distance = factor * own.log_error * own.widening if own.log_error >= ROUNDING else 0.0
    if distance > MAX_LOG_DISTANCE:
        return None
    return Joint(math.exp(own.log), math.exp(own.log - distance), math.exp(own.log + distance))
