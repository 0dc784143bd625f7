"""Efficiency of credit: signal-to-noise ratio of the gradient per token, relative to a reference.

With g[i] the gradient estimate of one task,

    signal     = |E g|^2
    noise      = tr Cov(g), over tasks and rollouts: n times the noise of a step of n tasks
    efficiency = (c^2 / (noise * tokens)) / (c_ref^2 / (noise_ref * tokens_ref))

where tokens are those sampled per task, for all purposes, and c is the part of the expected
gradient along the true one h, c = <E g, h> / |h|^2. Equal signal-to-noise takes 1 / efficiency
times the tokens of the reference. Candidates of one expectation have one c, so that their
efficiency is the ratio of noise times tokens, which can be measured where the signal cannot.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np

from baselines.advise.intervals import ROUNDING, bootstrap_t, studentised
from baselines.advise.measurable import (
    MIN_SIGNAL_Z,
    MIN_TASKS,
    growth_for_distance,
    growth_for_error,
    growth_for_signal,
    growth_for_tasks,
)
from baselines.advise.resamples import LogStatistic, Resamples, effective_tasks, log_of, widening
from baselines.common.types import FloatArray

NUM_RESAMPLES = 600
"""Bootstrap resamples of the tasks."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Candidate:
    """The gradients of one combination of credit, optimizer and sizes in a pilot of N tasks.

    Args:
        gradients: Gradient estimate of each task, shape (K, N, P): K disjoint subsamples of the
            rollouts of the same tasks, such as 4 pairs of a group of 8; P numbers of a sketch.
        num_tokens: Tokens sampled per task for one of them, shape (N,).
        expectation: Candidates with equal expectations have the same expected gradient, scale
            included. None: like no other, so that it is projected onto the unbiased gradient.
    """

    gradients: FloatArray
    num_tokens: FloatArray
    expectation: Hashable = None

    def part(self, place: int, num_parts: int) -> Candidate:
        """Return the gradient of one of several sets of weights, of P / num_parts numbers each."""
        width = self.gradients.shape[-1] // num_parts
        return replace(self, gradients=self.gradients[..., place * width : (place + 1) * width])


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """An efficiency relative to a reference, with its 95 % interval.

    Args:
        value: The efficiency; None where this pilot cannot measure it, as low and high then are. 0
            if the expected gradient points away from the true one.
        low: Lower end of the interval.
        high: Upper end of the interval.
        log_error: Standard error of log(value); None if there is none.
        signal: Estimate of |E g|^2 without bias, which may be negative.
        signal_error: Standard error of the signal.
        noise: Estimate of tr Cov(g).
        cosine: Cosine of the expected and the true gradient; 1 by construction for a candidate
            with the expectation of the unbiased gradient; None if it is not measurable.
        tasks_needed: Tasks of a pilot that would do, for the rate at which the error falls; None
            if this one does.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    log_error: float | None = None
    signal: float
    signal_error: float
    noise: float
    cosine: float | None = None
    tasks_needed: int | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Information:
    """Statistics of a candidate, from which it is compared with others of the same pilot.

    Args:
        expectation: That of the candidate.
        num_tokens: Mean of its tokens per task.
        noise: tr Cov(g).
        tokens: The mean of the tokens, with resamples.
        projection: Projection onto the unbiased gradient, <E g, h>.
        along: The projection in the pilot.
        along_error: Its standard error.
        signal: Estimate of |E g|^2 without bias.
        signal_error: Its standard error.
    """

    expectation: Hashable
    num_tokens: float
    noise: LogStatistic
    tokens: LogStatistic
    projection: LogStatistic
    along: float
    along_error: float
    signal: float
    signal_error: float

    @property
    def effective_tasks(self) -> float:
        """Effective number of tasks that hold the noise."""
        return effective_tasks(self.noise)

    @property
    def z(self) -> float:
        """The projection in standard errors; 0 if it has none."""
        return self.along / self.along_error if self.along_error > 0.0 else 0.0

    def is_like(self, other: Information) -> bool:
        """Return whether both have one expected gradient."""
        return self.expectation is not None and self.expectation == other.expectation

    def is_equal(self, other: Information) -> bool:
        """Return whether both have one gradient in each task, as credit that is a multiple has."""
        pairs = (self.noise.value[0], other.noise.value[0])
        return self.is_like(other) and bool(
            abs(pairs[0] - pairs[1]) < ROUNDING
            and np.abs(self.noise.influence[0] - other.noise.influence[0]).max() < ROUNDING
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Comparison:
    """A candidate relative to a reference, with what its intervals are computed from.

    Args:
        log: Logarithm of its efficiency; NaN where it has none.
        log_error: Standard error of the logarithm.
        widening: Factor of the width of its interval; see `resamples.widening`.
        t: Errors of the resamples in their own standard errors, shape (B,).
        num_tasks: Tasks of the pilot, N.
        growth: By how much the pilot must grow for a measurable efficiency; 0 if it has one.
        points_away: Whether the expected gradient significantly lowers the reward.
    """

    log: float
    log_error: float
    widening: float
    t: FloatArray
    num_tasks: int
    growth: float
    points_away: bool

    @property
    def is_measurable(self) -> bool:
        """Whether the logarithm has an interval."""
        return self.growth == 0.0


class Pilot:
    """Compares candidates on the same resamples of the tasks of one pilot.

    Args:
        unbiased: Estimate of the true gradient of each task, shape (N, P): the shared reward minus
            the mean of the other rollouts of the task.
        expectation: Label of candidates that have its expectation; see `Candidate`.
        num_resamples: Bootstrap resamples B.
        seed: Draws the resamples.

    Raises:
        ValueError: If there are fewer than MIN_TASKS tasks.
    """

    def __init__(
        self,
        unbiased: FloatArray,
        *,
        expectation: Hashable = None,
        num_resamples: int = NUM_RESAMPLES,
        seed: int = 0,
    ) -> None:
        if len(unbiased) < MIN_TASKS:
            raise ValueError(
                f"a pilot must have >= {MIN_TASKS} tasks, got {len(unbiased)}; raise --groups"
            )
        self._unbiased = unbiased
        self._expectation = expectation
        self._resamples = Resamples(len(unbiased), num_resamples, seed)
        self._signal = float(self._resamples.product(unbiased @ unbiased.T)[0][0])

    @property
    def num_tasks(self) -> int:
        """Number of tasks N."""
        return len(self._unbiased)

    def information(self, candidate: Candidate) -> Information:
        """Return the statistics of a candidate."""
        resamples, mean = self._resamples, candidate.gradients.mean(axis=0)
        own = sum(each @ each.T for each in candidate.gradients) / len(candidate.gradients)
        along, of_along = resamples.product(mean @ self._unbiased.T)
        signal, of_signal = resamples.product(mean @ mean.T)
        return Information(
            expectation=candidate.expectation,
            num_tokens=float(candidate.num_tokens.mean()),
            noise=resamples.noise(own),
            tokens=resamples.mean(candidate.num_tokens),
            projection=log_of(along, of_along),
            along=float(along[0]),
            along_error=resamples.error(of_along),
            signal=float(signal[0]),
            signal_error=resamples.error(of_signal),
        )

    def compare(self, own: Information, reference: Information) -> Comparison:
        """Return the comparison of a candidate with another one, on both sides in each resample.

        A multiple of the reference has its noise, whatever that is, and costs its tokens alone.
        """
        is_alike, is_multiple = own.is_like(reference), own.is_equal(reference)
        weakest = math.inf if is_alike else min(own.z, reference.z)
        log = reference.tokens.plus(own.tokens, -1.0)
        if not is_multiple:
            log = log.plus(reference.noise).plus(own.noise, -1.0)
        if not is_alike:
            log = log.plus(own.projection, 2.0).plus(reference.projection, -2.0)
        errors = self._resamples.errors(log.influence)
        log_error = float(errors[0])
        effective = min(own.effective_tasks, reference.effective_tasks)
        few = growth_for_tasks(effective, is_multiple=is_multiple)
        growth = max(few, growth_for_signal(weakest))
        return Comparison(
            log=float(log.value[0]),
            log_error=log_error,
            widening=widening(log.influence[0]),
            t=studentised(log.value, errors),
            num_tasks=self.num_tasks,
            growth=growth or growth_for_error(log_error),
            points_away=not is_alike
            and own.z <= -MIN_SIGNAL_Z
            and reference.z >= MIN_SIGNAL_Z
            and few == 0.0,
        )

    def efficiency(self, own: Information, comparison: Comparison) -> Efficiency:
        """Return the efficiency of a candidate from its comparison with a reference."""
        kept = Efficiency(
            signal=own.signal,
            signal_error=own.signal_error,
            noise=float(np.nan_to_num(math.exp(own.noise.value[0]))),
        )
        if comparison.points_away:
            return replace(kept, value=0.0, low=0.0, high=0.0, cosine=self._cosine(own))
        low, high = bootstrap_t(comparison)
        log = comparison.log
        growth = comparison.growth or growth_for_distance(max(high - log, log - low))
        if growth > 0.0:
            return replace(kept, tasks_needed=math.ceil(min(self.num_tasks * growth, 1e9)))
        return replace(
            kept,
            value=math.exp(log),
            low=math.exp(min(low, log - ROUNDING)),
            high=math.exp(max(high, log + ROUNDING)),
            log_error=comparison.log_error,
            cosine=self._cosine(own),
        )

    def _cosine(self, own: Information) -> float | None:
        if own.expectation is not None and own.expectation == self._expectation:
            return 1.0
        if own.signal <= 0.0 or self._signal <= 0.0:
            return None
        return max(-1.0, min(1.0, own.along / math.sqrt(own.signal * self._signal)))
