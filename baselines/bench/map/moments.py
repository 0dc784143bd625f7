"""Mean and second moment of the gradient of a group, from those of one rollout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from baselines.bench.map.credit_laws import CreditLaw
from baselines.bench.map.enumerated import Enumerated
from baselines.bench.map.mixture import Mixture
from baselines.common.types import FloatArray
from baselines.optimizers import PolicyOptimizer


@dataclass(frozen=True, eq=False)
class Part:
    """One kind of task, with the probabilities and scores of its outcomes."""

    mixture: Mixture
    kind: int
    game: Enumerated
    table: FloatArray

    @cached_property
    def probability(self) -> FloatArray:
        """Probability of each outcome, shape (O,)."""
        return self.game.probabilities(self.table)

    def is_trained(self, agent: int) -> FloatArray:
        """Whether the agent's choice in each outcome has a trained row, shape (O,), 0 or 1."""
        rows = self.game.whole.rows[:, agent]
        return (self.mixture.parameters[self.kind][rows] >= 0).astype(np.float64)

    def score_norms(self, agent: int) -> FloatArray:
        """Return |d log pi(choice)|^2 of an agent in each outcome, shape (O,)."""
        rows, choices = self.game.whole.rows[:, agent], self.game.whole.choices[:, agent]
        chances = self.table[rows]
        chosen = np.take_along_axis(chances, choices[:, None], axis=1)[:, 0]
        norms: FloatArray = 1.0 - 2.0 * chosen + (chances**2).sum(axis=1)
        return norms * self.is_trained(agent)

    def covariance(self, agent: int, credit: FloatArray) -> FloatArray:
        """Return E[credit * d log pi(choice)], shape (P, C), for credit of shape (O,)."""
        rows, choices = self.game.whole.rows[:, agent], self.game.whole.choices[:, agent]
        weights = self.probability * credit
        total = np.zeros_like(self.table)
        np.add.at(total, (rows, choices), weights)
        np.add.at(total, rows, -weights[:, None] * self.table[rows])
        return self.mixture.on_parameters(self.kind, total)


def gradient_moments(
    mixture: Mixture,
    parts: Sequence[Part],
    laws: Sequence[CreditLaw],
    method: PolicyOptimizer,
    group_size: int,
) -> tuple[FloatArray, float]:
    """Return E g and E |g|^2 of a group; see `signal.gradient_signal`.

    Args:
        mixture: The tasks and the policy.
        parts: Each kind of task.
        laws: Mean and variance of the credit of each kind.
        method: Optimizer, which may centre and whiten the credit.
        group_size: Rollouts per group.

    Returns:
        E g, of the shape of the policy, and E |g|^2.
    """
    total, second = np.zeros_like(mixture.policy), 0.0
    for agent in mixture.trained:
        is_centred = method.centres_on_group or any(agent in law.centred for law in laws)
        baseline, scale = 0.0, 1.0
        if method.whitens:
            baseline, scale = _whitening(mixture, parts, laws, agent, is_centred, group_size)
        for weight, part, law in zip(mixture.weights, parts, laws, strict=True):
            if is_centred:
                mean, square = _centred_moments(part, law, agent, group_size)
            else:
                mean, square = _plain_moments(part, law, agent, baseline, group_size)
            total += weight * mean / scale
            second += float(weight * square / scale**2)
    return total, second


def _plain_moments(
    part: Part, law: CreditLaw, agent: int, baseline: float, group_size: int
) -> tuple[FloatArray, float]:
    """Return E g and E |g|^2 of one agent's part of g, with a constant baseline.

    g = mean over g of u_g v_g, so E |g|^2 = E[u^2 |v|^2] / G + (1 - 1 / G) |E[u v]|^2
    """
    probability, norms = part.probability, part.score_norms(agent)
    credit = law.mean(agent) - baseline
    mean = part.covariance(agent, credit)
    spread = credit**2 + law.variance(agent, is_of_task=False)
    spread = spread + law.variance(agent, is_of_task=True)
    own = float(probability @ (spread * norms))
    return mean, own / group_size + (1.0 - 1.0 / group_size) * float((mean**2).sum())


def _centred_moments(
    part: Part, law: CreditLaw, agent: int, group_size: int
) -> tuple[FloatArray, float]:
    """Return E g and E |g|^2 of one agent's part of g, with the mean of the group as baseline.

    With u the credit less its mean and v the score, whose mean is 0, of independent rollouts,

    g         = mean of u v - mean of u * mean of v                E g = (1 - 1 / G) E[u v]
    E |g|^2   = ((G - 1)^2 / G^3) E[u^2 |v|^2] + ((G - 1) / G^3) E[u^2] E[|v|^2]
                + ((G - 1) (G^2 - 2 G + 2) / G^3) |E[u v]|^2

    What a group shares, the baseline included, cancels.
    """
    probability, norms, count = part.probability, part.score_norms(agent), group_size
    credit = law.mean(agent) - probability @ law.mean(agent)
    covariance = part.covariance(agent, credit)
    spread = credit**2 + law.variance(agent, is_of_task=False)
    together = float(probability @ (spread * norms))
    apart = float(probability @ spread) * float(probability @ norms)
    square = (
        (count - 1) ** 2 * together
        + (count - 1) * apart
        + (count - 1) * (count**2 - 2 * count + 2) * float((covariance**2).sum())
    ) / count**3
    return (1.0 - 1.0 / count) * covariance, square


def _whitening(
    mixture: Mixture,
    parts: Sequence[Part],
    laws: Sequence[CreditLaw],
    agent: int,
    is_centred: bool,
    group_size: int,
) -> tuple[float, float]:
    """Return mean and standard deviation of an agent's credit over all tasks and rollouts.

    Note: Of credit centred on the group, the mean is 0 and the variance (1 - 1 / G) that within.
    """
    means, seconds = [], []
    for part, law in zip(parts, laws, strict=True):
        probability, credit = part.probability, law.mean(agent)
        mean = float(probability @ credit)
        within = float(probability @ ((credit - mean) ** 2 + law.variance(agent, is_of_task=False)))
        if is_centred:
            means.append(0.0)
            seconds.append((1.0 - 1.0 / group_size) * within)
        else:
            common = float(probability @ law.variance(agent, is_of_task=True))
            means.append(mean)
            seconds.append(within + common + mean**2)
    baseline = float(mixture.weights @ np.array(means))
    variance = float(mixture.weights @ np.array(seconds)) - baseline**2
    return baseline, float(np.sqrt(variance)) or 1.0
