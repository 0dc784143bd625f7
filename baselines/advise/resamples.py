"""Moments of gradients in a pilot and in bootstrap resamples of its tasks.

Each statistic comes with the influence of every task on it, from which its standard error follows
in the pilot and in each resample alike. Pure functions of products of gradients, shape (N, N).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from baselines.common.types import FloatArray

UNSEEN = 4.0
"""Tasks like the most influential one that are counted as if they had been in the pilot."""


@dataclass(frozen=True, slots=True, eq=False)
class LogStatistic:
    """Logarithm of a statistic, in the pilot and in each of B resamples.

    Args:
        value: Shape (1 + B,), the pilot first; NaN where the statistic is not positive.
        influence: Influence of each task on it, shape (1 + B, N).
    """

    value: FloatArray
    influence: FloatArray

    def plus(self, other: LogStatistic, factor: float = 1.0) -> LogStatistic:
        """Return the logarithm of the product with a power of another statistic."""
        return LogStatistic(
            self.value + factor * other.value, self.influence + factor * other.influence
        )


class Resamples:
    """Bootstrap resamples of the N tasks of a pilot, the same for all statistics.

    Args:
        num_tasks: Tasks N, at least 2.
        num_resamples: Resamples B.
        seed: Draws the resamples.
    """

    def __init__(self, num_tasks: int, num_resamples: int, seed: int) -> None:
        drawn = np.random.default_rng(seed).multinomial(
            num_tasks, np.full(num_tasks, 1.0 / num_tasks), size=num_resamples
        )
        self.num_tasks = num_tasks
        self._weights = np.concatenate([np.full((1, num_tasks), 1.0), drawn]) / num_tasks

    def mean(self, values: FloatArray) -> LogStatistic:
        """Return the logarithm of the mean of positive numbers of the tasks, shape (N,)."""
        mean = self._weights @ values
        return LogStatistic(np.log(mean), values / mean[:, None] - 1.0)

    def noise(self, gram: FloatArray) -> LogStatistic:
        """Return the logarithm of tr Cov, from the products of the gradients, shape (N, N)."""
        toward = self._weights @ gram  # <g_i, mean g>
        length = np.einsum("bi,bi->b", toward, self._weights)  # |mean g|^2
        spread = gram.diagonal() - 2.0 * toward + length[:, None]
        spread *= self.num_tasks / (self.num_tasks - 1.0)
        noise = np.einsum("bi,bi->b", spread, self._weights)
        positive = np.where(noise > 0.0, noise, np.nan)
        return LogStatistic(np.log(positive), _relative(spread, positive) - 1.0)

    def product(self, gram: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return <E left, E right>, no task times itself, and the influence of each task.

        Args:
            gram: Products of the left and the right estimates of the tasks, shape (N, N).

        Returns:
            Shapes (1 + B,) and (1 + B, N).
        """
        gram = (gram + gram.T) / 2.0
        np.fill_diagonal(gram, 0.0)
        toward = self._weights @ gram
        pairs = 1.0 - (self._weights**2).sum(axis=1)  # share of pairs of different tasks
        product = np.einsum("bi,bi->b", toward, self._weights) / pairs
        return product, 2.0 * (toward / pairs[:, None] - product[:, None])

    def errors(self, influence: FloatArray) -> FloatArray:
        """Return standard errors from influences of shape (b, N), those of the pilot first, (b,).

        They are not finite where the influences are too large, of a statistic that is almost 0.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            variance = np.einsum("bi,bi->b", influence**2, self._weights[: len(influence)])
        errors: FloatArray = np.sqrt(variance / (self.num_tasks - 1.0))
        return errors

    def error(self, influence: FloatArray) -> float:
        """Return the standard error in the pilot."""
        return float(self.errors(influence[:1])[0])


def widening(influence: FloatArray) -> float:
    """Return the factor of an interval for tasks of a kind that few of the pilot are of.

    sqrt(1 + UNSEEN * max d^2 / sum d^2)

    d are the influences of the tasks in the pilot, shape (N,). If a few tasks hold most of the
    error, fewer of them could have been drawn than are expected, and then the estimate and its
    error are both wrong. So UNSEEN more tasks like the most influential one are counted in the
    error: the number that Agresti and Coull add to the trials of a proportion, about the square of
    the normal quantile 1.96.

    Source: Agresti and Coull, Approximate is Better than "Exact" for Interval Estimation of
        Binomial Proportions, 1998, from whom the number is.
    """
    largest = np.abs(influence).max()
    if not (largest > 0.0 and math.isfinite(largest)):
        return 1.0
    return math.sqrt(1.0 + UNSEEN / float(((influence / largest) ** 2).sum()))


def log_of(product: FloatArray, influence: FloatArray) -> LogStatistic:
    """Return the logarithm of a product, NaN where it is not positive."""
    positive = np.where(product > 0.0, product, np.nan)
    return LogStatistic(np.log(positive), _relative(influence, positive))


def effective_tasks(noise: LogStatistic) -> float:
    """Return (sum s)^2 / sum s^2 of the shares s of the tasks in a noise; 0 if there is none."""
    shares = noise.influence[0] + 1.0
    return float(np.nan_to_num(shares.sum() ** 2 / (shares**2).sum()))


def _relative(influence: FloatArray, value: FloatArray) -> FloatArray:
    """Return influences on a logarithm, which are not finite where the value is almost 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        found: FloatArray = influence / value[:, None]
    return found
