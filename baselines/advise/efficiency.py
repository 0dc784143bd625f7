"""Efficiency of credit: signal-to-noise ratio of the gradient per token, relative to a reference.

Pure functions of arrays. With g[i] the gradient estimate of one task,

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
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from baselines.common.stats.scipy_stats import scipy_stats
from baselines.common.types import FloatArray

MIN_SIGNAL_Z = 3.0
"""Standard errors that a projection must be above 0 for its ratio to be reported."""
STATED_SIGNAL_Z = 4.5
"""Standard errors at which a true projection is stated to be measurable; gives tasks needed."""
MAX_LOG_ERROR = 0.5
"""Largest standard error of a logarithm of an efficiency that is reported."""
MAX_LOG_DISTANCE = math.log(1e6)
"""Largest distance of an end of an interval from the logarithm that is reported."""
MIN_TASKS = 8
"""Fewest tasks of a pilot."""
MIN_EFFECTIVE_TASKS = 8.0
"""Fewest effective tasks of a noise: fewer hold nearly all of it, and so no error can be seen."""
NUM_RESAMPLES = 600
"""Bootstrap resamples of the tasks."""
MIN_SHARE_FINITE = 0.5
"""Share of the resamples that must have a finite error, else a row is not measurable."""
_ROUNDING = 1e-9
_HUGE = 1e12
_NOTHING_SEEN = 10.0
"""Growth of a pilot in which nothing was seen."""


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


@dataclass(frozen=True, slots=True, eq=False)
class _Log:
    """Logarithm of a statistic, in the pilot and in each of B resamples.

    Args:
        value: Shape (1 + B,), the pilot first; NaN where the statistic is not positive.
        influence: Influence of each task on it, shape (1 + B, N).
    """

    value: FloatArray
    influence: FloatArray

    def in_pilot(self) -> _Log:
        """Return the same without the influences in resamples."""
        return _Log(self.value, self.influence[:1])

    def plus(self, other: _Log, factor: float = 1.0) -> _Log:
        return _Log(self.value + factor * other.value, self.influence + factor * other.influence)


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """What the logarithms of a candidate are computed from, for N tasks.

    Args:
        own: Products of its gradients, the mean over subsamples, shape (N, N).
        with_true: Products of its mean gradients and the unbiased ones, shape (N, N).
        num_tokens: Shape (N,).
    """

    own: FloatArray
    with_true: FloatArray
    num_tokens: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Information:
    """Statistics of a candidate, from which it is compared with others of the same pilot.

    Args:
        expectation: That of the candidate.
        num_tokens: Mean of its tokens per task.
        cost: log(noise * tokens).
        projection: Projection onto the unbiased gradient, <E g, h>, and its logarithm.
        along: The projection in the pilot.
        along_error: Its standard error.
        signal: Estimate of |E g|^2 without bias.
        signal_error: Its standard error.
        effective_tasks: (sum s)^2 / sum s^2 of the shares s of the tasks in the noise; 0 if there
            is none.
        source: What cost and projection are computed from.
    """

    expectation: Hashable
    num_tokens: float
    cost: _Log
    projection: _Log
    along: float
    along_error: float
    signal: float
    signal_error: float
    effective_tasks: float
    source: _Source

    @property
    def noise(self) -> float:
        """Estimate of tr Cov(g), 0 for equal gradients."""
        return float(np.nan_to_num(math.exp(self.cost.value[0]))) / self.num_tokens

    def is_like(self, other: Information) -> bool:
        """Return whether both have one expected gradient."""
        return self.expectation is not None and self.expectation == other.expectation

    def slim(self) -> Information:
        """Return the same without the influences in resamples, which take most memory."""
        return replace(self, cost=self.cost.in_pilot(), projection=self.projection.in_pilot())

    @property
    def z(self) -> float:
        """The projection in standard errors; 0 if it has none."""
        return self.along / self.along_error if self.along_error > 0.0 else 0.0


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
        num_tasks = len(unbiased)
        if num_tasks < MIN_TASKS:
            raise ValueError(
                f"a pilot must have >= {MIN_TASKS} tasks, got {num_tasks}; raise --groups"
            )
        drawn = np.random.default_rng(seed).multinomial(
            num_tasks, np.full(num_tasks, 1.0 / num_tasks), size=num_resamples
        )
        self._unbiased = unbiased
        self._expectation = expectation
        self._weights = np.concatenate([np.full((1, num_tasks), 1.0), drawn]) / num_tasks
        self._signal = float(self._product(unbiased @ unbiased.T)[0][0])

    @property
    def num_tasks(self) -> int:
        """Number of tasks N."""
        return len(self._unbiased)

    def information(self, candidate: Candidate) -> Information:
        """Return the statistics of a candidate."""
        mean = candidate.gradients.mean(axis=0)
        source = _Source(
            sum(own @ own.T for own in candidate.gradients) / len(candidate.gradients),
            mean @ self._unbiased.T,
            candidate.num_tokens,
        )
        noise = self._noise(source.own)
        along, influence = self._product(source.with_true)
        signal, of_signal = self._product(mean @ mean.T)
        return Information(
            expectation=candidate.expectation,
            num_tokens=float(candidate.num_tokens.mean()),
            cost=noise.plus(self._mean(source.num_tokens)),
            projection=_log_of(along, influence),
            along=float(along[0]),
            along_error=self._error(influence),
            signal=float(signal[0]),
            signal_error=self._error(of_signal),
            effective_tasks=_effective(noise.influence[0] + 1.0),
            source=source,
        )

    def efficiency(self, own: Information, reference: Information) -> Efficiency:
        """Return the efficiency of a candidate relative to another one.

        The interval is that of the logarithm over tasks, with both sides in each resample.
        """
        kept: _Kept = {
            "signal": own.signal,
            "signal_error": own.signal_error,
            "noise": own.noise,
        }
        is_alike = own.is_like(reference)
        weakest = math.inf if is_alike else min(own.z, reference.z)
        growth = _growth(min(own.effective_tasks, reference.effective_tasks))
        points_away = own.z <= -MIN_SIGNAL_Z and reference.z >= MIN_SIGNAL_Z
        if points_away and not is_alike and growth == 0.0:
            return Efficiency(value=0.0, low=0.0, high=0.0, cosine=self._cosine(own), **kept)
        if weakest < MIN_SIGNAL_Z:
            growth = max(growth, _signal_factor(weakest))
        if growth > 0.0:
            return _unmeasured(self.num_tasks * growth, kept)
        log = self.difference(own, reference)
        value, (low, high), error = log.value[0], *_bootstrap_t(log, self._weights)
        if not error <= MAX_LOG_ERROR:  # nor for NaN, where there is no noise at all
            growth = (error / MAX_LOG_ERROR) ** 2 if math.isfinite(error) else _NOTHING_SEEN
            return _unmeasured(self.num_tasks * growth, kept)
        distance = max(high - value, value - low)
        if not distance <= MAX_LOG_DISTANCE:  # the errors of some resamples are almost 0
            growth = min(_NOTHING_SEEN, (distance / MAX_LOG_DISTANCE) ** 2)
            return _unmeasured(self.num_tasks * growth, kept)
        return Efficiency(
            value=math.exp(value),
            low=math.exp(min(low, value - _ROUNDING)),
            high=math.exp(max(high, value + _ROUNDING)),
            log_error=error,
            cosine=self._cosine(own),
            **kept,
        )

    @staticmethod
    def difference(own: Information, reference: Information) -> _Log:
        """Return log(efficiency) of a candidate relative to another one."""
        log = reference.cost.plus(own.cost, -1.0)
        if own.is_like(reference):
            return log
        return log.plus(own.projection, 2.0).plus(reference.projection, -2.0)

    def simultaneous(
        self, pairs: Sequence[tuple[Information, Information]], *, confidence: float = 0.95
    ) -> list[Joint | None]:
        """Return efficiencies of pairs of a candidate and a reference, with joint intervals.

        All intervals hold the true values in a fraction of pilots of at least the confidence. The
        factor of the standard errors is that quantile of the largest absolute error of all in
        resamples, each in its own standard errors, and at least that of Student's intervals with
        Bonferroni's correction.

        Returns:
            One for each pair; None for one that this pilot cannot measure.
        """
        largest = np.zeros(len(self._weights) - 1)
        found: list[tuple[float, float] | None] = []
        seen: set[tuple[int, int]] = set()  # several optimizers can share one
        references: dict[int, Information] = {}
        for own, reference in pairs:
            in_pilot = self.difference(own.slim(), reference.slim())
            value, error = float(in_pilot.value[0]), self._error(in_pilot.influence)
            is_weak = not own.is_like(reference) and min(own.z, reference.z) < MIN_SIGNAL_Z
            effective = min(own.effective_tasks, reference.effective_tasks)
            if is_weak or effective < MIN_EFFECTIVE_TASKS or not error <= MAX_LOG_ERROR:
                found.append(None)
                continue
            found.append((value, error if error >= _ROUNDING else 0.0))
            if error >= _ROUNDING and (id(own), id(reference)) not in seen:
                seen.add((id(own), id(reference)))
                if id(reference) not in references:
                    references[id(reference)] = self._with_resamples(reference)
                log = self.difference(self._with_resamples(own), references[id(reference)])
                errors = _error(log.influence, self._weights)
                largest = np.fmax(largest, np.abs(_studentised(log, errors)))
        num_pairs = max(1, len({(id(own), id(reference)) for own, reference in pairs}))
        tail = (1.0 - confidence) / (2.0 * num_pairs)
        student = float(scipy_stats().t.ppf(1.0 - tail, self.num_tasks - 1))
        factor = max(student, float(np.quantile(largest, confidence)))
        return [
            None if own is None or factor * own[1] > MAX_LOG_DISTANCE else _tested(*own, factor)
            for own in found
        ]

    def _cosine(self, own: Information) -> float | None:
        if own.expectation is not None and own.expectation == self._expectation:
            return 1.0
        if own.signal <= 0.0 or self._signal <= 0.0:
            return None
        return max(-1.0, min(1.0, own.along / math.sqrt(own.signal * self._signal)))

    def _error(self, influence: FloatArray) -> float:
        """Return the standard error in the pilot, from influences whose first row is that."""
        return float(_error(influence[:1], self._weights[:1])[0])

    def _with_resamples(self, one: Information) -> Information:
        """Return a candidate with the influences in resamples, also of a slim one."""
        source = one.source
        cost = self._noise(source.own).plus(self._mean(source.num_tokens))
        return replace(one, cost=cost, projection=_log_of(*self._product(source.with_true)))

    def _mean(self, values: FloatArray) -> _Log:
        mean = self._weights @ values
        return _Log(np.log(mean), values / mean[:, None] - 1.0)

    def _noise(self, gram: FloatArray) -> _Log:
        """Return the logarithm of tr Cov, from the products of the gradients, shape (N, N)."""
        num_tasks = len(gram)
        toward = self._weights @ gram  # <g_i, mean g>
        length = np.einsum("bi,bi->b", toward, self._weights)  # |mean g|^2
        spread = gram.diagonal() - 2.0 * toward + length[:, None]
        spread *= num_tasks / (num_tasks - 1.0)
        noise = np.einsum("bi,bi->b", spread, self._weights)
        positive = np.where(noise > 0.0, noise, np.nan)
        return _Log(np.log(positive), _relative(spread, positive) - 1.0)

    def _product(self, gram: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return <E left, E right>, no task times itself, and the influence of each task.

        Args:
            gram: Products of the left and the right estimates of the tasks, shape (N, N).
        """
        gram = (gram + gram.T) / 2.0
        np.fill_diagonal(gram, 0.0)
        toward = self._weights @ gram
        pairs = 1.0 - (self._weights**2).sum(axis=1)  # share of pairs of different tasks
        product = np.einsum("bi,bi->b", toward, self._weights) / pairs
        return product, 2.0 * (toward / pairs[:, None] - product[:, None])


class _Kept(TypedDict):
    """What every efficiency holds."""

    signal: float
    signal_error: float
    noise: float


def _unmeasured(tasks_needed: float, kept: _Kept) -> Efficiency:
    return Efficiency(tasks_needed=math.ceil(min(tasks_needed, 1e9)), **kept)


def _growth(effective_tasks: float) -> float:
    """Return by how much a pilot must grow to have enough effective tasks; 0 if it has."""
    if effective_tasks >= MIN_EFFECTIVE_TASKS:
        return 0.0
    return min(_NOTHING_SEEN, MIN_EFFECTIVE_TASKS / max(effective_tasks, 1e-9))


def _effective(shares: FloatArray) -> float:
    """Return the effective number of tasks of these shares, shape (N,); 0 if they are NaN."""
    return float(np.nan_to_num(shares.sum() ** 2 / (shares**2).sum()))


def _log_of(product: FloatArray, influence: FloatArray) -> _Log:
    """Return the logarithm of a product, NaN where it is not positive."""
    positive = np.where(product > 0.0, product, np.nan)
    return _Log(np.log(positive), _relative(influence, positive))


def _studentised(log: _Log, errors: FloatArray) -> FloatArray:
    """Return the error of each of B resamples in its own standard errors, shape (B,).

    NaN where the statistic has no logarithm or no finite error; huge where it differs and shows no
    standard error.
    """
    differences = log.value[1:] - log.value[0]
    differences[np.abs(differences) < _ROUNDING] = 0.0
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        t: FloatArray = np.clip(differences / errors[1:], -_HUGE, _HUGE)
    t[~np.isfinite(errors[1:])] = np.nan
    return t


def _tested(log: float, error: float, factor: float) -> Joint:
    return Joint(math.exp(log), math.exp(log - factor * error), math.exp(log + factor * error))


def _signal_factor(z: float) -> float:
    """Return by how much a pilot must grow: where noise dominates, z grows like its tasks."""
    return STATED_SIGNAL_Z / max(z, 0.25)


def _relative(influence: FloatArray, value: FloatArray) -> FloatArray:
    """Return influences on a logarithm, which are not finite where the value is almost 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        found: FloatArray = influence / value[:, None]
    return found


def _error(influence: FloatArray, weights: FloatArray) -> FloatArray:
    """Return standard errors from the influences of N tasks, (B,), not finite if too large."""
    num_tasks = influence.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):  # of a statistic that is almost 0
        variance = np.einsum("bi,bi->b", influence**2, weights)
    errors: FloatArray = np.sqrt(variance / (num_tasks - 1.0))
    return errors


def _bootstrap_t(log: _Log, weights: FloatArray) -> tuple[tuple[float, float], float]:
    """Return the interval of a logarithm, and its standard error.

    At each end the wider of the bootstrap-t and Student's interval: the bootstrap follows the skew
    of the statistic, and of few tasks alone it is a little too narrow.
    """
    errors = _error(log.influence, weights)
    value, error = float(log.value[0]), float(errors[0])
    if not error >= _ROUNDING:  # also NaN, of a statistic that is not positive
        return (value, value), error
    t = _studentised(log, errors)
    t = t[~np.isnan(t)]
    if len(t) < MIN_SHARE_FINITE * len(errors[1:]):
        return (value, value), math.nan
    student = float(scipy_stats().t.ppf(0.975, log.influence.shape[1] - 1))
    lowest, highest = np.quantile(t, (0.025, 0.975))
    low, high = max(student, float(highest)), max(student, -float(lowest))
    return (value - low * error, value + high * error), error
