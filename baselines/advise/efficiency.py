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
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from baselines.common.types import FloatArray

MIN_SIGNAL_Z = 3.0
"""Standard errors that a projection must be above 0 for its ratio to be reported."""
STATED_SIGNAL_Z = 4.5
"""Standard errors at which a true projection is stated to be measurable; gives tasks needed."""
MAX_LOG_ERROR = 0.5
"""Largest standard error of a logarithm of an efficiency that is reported."""
MIN_TASKS = 8
"""Fewest tasks of a pilot."""
NUM_RESAMPLES = 1_000
"""Bootstrap resamples of the tasks."""
_ROUNDING = 1e-9


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

    value: float | None
    low: float | None
    high: float | None
    log_error: float | None
    signal: float
    signal_error: float
    noise: float
    cosine: float | None
    tasks_needed: int | None


@dataclass(frozen=True, slots=True, eq=False)
class _Log:
    """Logarithm of a statistic, in the pilot and in each of B resamples.

    Args:
        value: Shape (1 + B,), the pilot first; NaN where the statistic is not positive.
        influence: Influence of each task on it, shape (1 + B, N).
    """

    value: FloatArray
    influence: FloatArray

    def plus(self, other: _Log, factor: float = 1.0) -> _Log:
        return _Log(self.value + factor * other.value, self.influence + factor * other.influence)


@dataclass(frozen=True, slots=True, eq=False)
class Information:
    """Statistics of a candidate, from which it is compared with others of the same pilot.

    Args:
        candidate: The candidate.
        cost: log(noise * tokens).
        projection: Projection onto the unbiased gradient, <E g, h>, and its logarithm.
        along: The projection in the pilot.
        along_error: Its standard error.
    """

    candidate: Candidate
    cost: _Log
    projection: _Log
    along: float
    along_error: float

    @property
    def z(self) -> float:
        """The projection in standard errors; 0 if it has none."""
        return self.along / self.along_error if self.along_error > 0.0 else 0.0


class Pilot:
    """Compares candidates on the same resamples of the tasks of one pilot.

    Args:
        unbiased: Estimate of the true gradient of each task, shape (N, P): the shared reward minus
            the mean of the other rollouts of the task.
        num_resamples: Bootstrap resamples B.
        seed: Draws the resamples.

    Raises:
        ValueError: If there are fewer than MIN_TASKS tasks.
    """

    def __init__(
        self, unbiased: FloatArray, *, num_resamples: int = NUM_RESAMPLES, seed: int = 0
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
        self._weights = np.concatenate([np.full((1, num_tasks), 1.0), drawn]) / num_tasks

    @property
    def num_tasks(self) -> int:
        """Number of tasks N."""
        return len(self._unbiased)

    def information(self, candidate: Candidate) -> Information:
        """Return the statistics of a candidate."""
        cost = self._noise(candidate.gradients).plus(self._mean(candidate.num_tokens))
        along, influence = self._product(candidate.gradients.mean(axis=0), self._unbiased)
        positive = np.where(along > 0.0, along, np.nan)
        relative = influence / positive[:, None]
        return Information(
            candidate,
            cost,
            _Log(np.log(positive), relative),
            float(along[0]),
            float(_error(influence[:1], self._weights[:1])[0]),
        )

    def efficiency(self, own: Information, reference: Information) -> Efficiency:
        """Return the efficiency of a candidate relative to another one.

        The interval is a bootstrap-t interval of the logarithm over tasks, with both sides in each
        resample.
        """
        signal, influence = self._product(*[own.candidate.gradients.mean(axis=0)] * 2)
        kept = {
            "signal": float(signal[0]),
            "signal_error": float(_error(influence[:1], self._weights[:1])[0]),
            "noise": math.exp(own.cost.value[0]) / float(own.candidate.num_tokens.mean()),
        }
        same = own.candidate.expectation
        is_alike = same is not None and same == reference.candidate.expectation
        weakest = math.inf if is_alike else min(own.z, reference.z)
        cosine = 1.0 if is_alike else self._cosine(own, float(signal[0]))
        if own.z <= -MIN_SIGNAL_Z and reference.z >= MIN_SIGNAL_Z and not is_alike:
            return Efficiency(
                value=0.0,
                low=0.0,
                high=0.0,
                log_error=None,
                cosine=cosine,
                tasks_needed=None,
                **kept,
            )
        if weakest < MIN_SIGNAL_Z:
            return _unmeasured(self.num_tasks * _signal_factor(weakest), kept)
        log = self.difference(own, reference)
        value, (low, high), error = log.value[0], *_bootstrap_t(log, self._weights)
        if error > MAX_LOG_ERROR:
            return _unmeasured(self.num_tasks * (error / MAX_LOG_ERROR) ** 2, kept)
        return Efficiency(
            value=math.exp(value),
            low=math.exp(min(low, value)),
            high=math.exp(max(high, value)),
            log_error=error,
            cosine=cosine,
            tasks_needed=None,
            **kept,
        )

    def difference(self, own: Information, reference: Information) -> _Log:
        """Return log(efficiency) of a candidate relative to another one."""
        log = reference.cost.plus(own.cost, -1.0)
        same = own.candidate.expectation
        if same is not None and same == reference.candidate.expectation:
            return log
        return log.plus(own.projection, 2.0).plus(reference.projection, -2.0)

    def _cosine(self, own: Information, signal: float) -> float | None:
        true = float(self._product(self._unbiased, self._unbiased)[0][0])
        if signal <= 0.0 or true <= 0.0:
            return None
        return max(-1.0, min(1.0, own.along / math.sqrt(signal * true)))

    def _mean(self, values: FloatArray) -> _Log:
        mean = self._weights @ values
        return _Log(np.log(mean), values / mean[:, None] - 1.0)

    def _noise(self, gradients: FloatArray) -> _Log:
        """Return the logarithm of tr Cov, the mean over subsamples."""
        spread = np.zeros_like(self._weights)
        for own in gradients:
            gram = own @ own.T
            toward = self._weights @ gram  # <g_i, mean g>
            length = np.einsum("bi,bi->b", toward, self._weights)  # |mean g|^2
            spread += gram.diagonal() - 2.0 * toward + length[:, None]
        spread *= self.num_tasks / (self.num_tasks - 1.0) / len(gradients)
        noise = np.einsum("bi,bi->b", spread, self._weights)
        positive = np.where(noise > 0.0, noise, np.nan)
        return _Log(np.log(positive), spread / positive[:, None] - 1.0)

    def _product(self, left: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return <E left, E right>, no task times itself, and the influence of each task."""
        gram = left @ right.T
        gram = (gram + gram.T) / 2.0
        np.fill_diagonal(gram, 0.0)
        toward = self._weights @ gram
        pairs = 1.0 - (self._weights**2).sum(axis=1)  # share of pairs of different tasks
        product = np.einsum("bi,bi->b", toward, self._weights) / pairs
        return product, 2.0 * (toward / pairs[:, None] - product[:, None])


def _unmeasured(tasks_needed: float, kept: dict[str, float]) -> Efficiency:
    return Efficiency(
        value=None,
        low=None,
        high=None,
        log_error=None,
        cosine=None,
        tasks_needed=math.ceil(min(tasks_needed, 1e9)),
        **kept,
    )


def _signal_factor(z: float) -> float:
    """Return by how much a pilot must grow: where noise dominates, z grows like its tasks."""
    return STATED_SIGNAL_Z / max(z, 0.25)


def _error(influence: FloatArray, weights: FloatArray) -> FloatArray:
    """Return standard errors from the influences of N tasks, shape (B,)."""
    num_tasks = influence.shape[1]
    variance = np.einsum("bi,bi->b", influence**2, weights)
    errors: FloatArray = np.sqrt(variance / (num_tasks - 1.0))
    return errors


def _bootstrap_t(log: _Log, weights: FloatArray) -> tuple[tuple[float, float], float]:
    """Return the bootstrap-t interval of a logarithm, and its standard error."""
    errors = _error(log.influence, weights)
    value, error = float(log.value[0]), float(errors[0])
    if error < _ROUNDING:
        return (value, value), error
    with np.errstate(invalid="ignore", divide="ignore"):
        t = (log.value[1:] - value) / errors[1:]
    t = t[np.isfinite(t)]
    lowest, highest = np.quantile(t, (0.025, 0.975))
    return (value - float(highest) * error, value - float(lowest) * error), error
