"""Exact signal and noise of a step's policy gradient, and the efficiency of an allocator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines.bench.map.credit_laws import LAWS
from baselines.bench.map.mixture import Mixture
from baselines.bench.map.moments import Part, gradient_moments
from baselines.common.types import FloatArray
from baselines.optimizers import OPTIMIZERS, PolicyOptimizer
from ccpo_env.errors import unknown_name

REFERENCE = "shared"
"""Allocator whose efficiency is 1."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Moments of the gradient of one group, in the logits of the trained rows.

    Args:
        signal: Squared length of the expected gradient along the exact gradient of E[R].
        noise: Trace of the covariance; that of a step of n groups is noise / n.
        cosine: Cosine of the expected with the exact gradient; 1 for unbiased credit.
        tokens: Messages of a group, replays included; one message is one token.
    """

    signal: float
    noise: float
    cosine: float
    tokens: float

    @property
    def cost(self) -> float:
        """Tokens of a step whose signal equals its noise; infinite without a signal."""
        return self.noise * self.tokens / self.signal if self.signal > 0.0 else np.inf


def gradient_signal(
    mixture: Mixture,
    allocator: str,
    *,
    optimizer: str = "grpo",
    group_size: int = 8,
    samples: int = 1,
    replay_cost: float = 1.0,
) -> Signal:
    """Return the exact moments of the gradient that an allocator and an optimizer estimate.

    g        = (1 / G) * sum over g, a of advantage[g, a] * d log pi(choice[g, a])
    signal   = (E g . u)^2            u: the exact gradient of E[R], of length 1
    noise    = E |g|^2 - |E g|^2      over tasks, rollouts and replays

    Nothing is sampled: the outcomes of one rollout are enumerated, and the moments of a group of
    G follow from those of one rollout, because rollouts of a task are independent.

    Args:
        mixture: The tasks and the policy.
        allocator: A name of LAWS.
        optimizer: A name of OPTIMIZERS that does not divide by a group's standard deviation.
        group_size: Rollouts per group, G.
        samples: Replays per removal or continuation, M.
        replay_cost: Cost of a replayed message, in messages of a rollout.

    Raises:
        ValueError: If a name is unknown, the optimizer divides by the standard deviation of a
            group, the group is too small for it, or the credit has no closed form with it.

    Note: Whitening is that of a step of many groups: its mean and scale are those of all rollouts.
    """
    law_of = LAWS.get(allocator)
    if law_of is None:
        raise unknown_name("allocator", allocator, LAWS)
    method = method_of(optimizer, group_size)
    if allocator == "counterfactual" and not method.centres_on_group:
        raise ValueError(
            f"allocator 'counterfactual' must have an optimizer that centres on the group, got "
            f"{optimizer!r}; choose grpo, or leave_one_out"
        )
    parts, laws = [], []
    for kind, (game, table) in enumerate(zip(mixture.enumerated, mixture.tables(), strict=True)):
        part = Part(mixture, kind, game, table)
        parts.append(part)
        laws.append(law_of(part.game, table, mixture.trained, samples))
    exact = exact_gradient(mixture)
    mean, second = gradient_moments(mixture, parts, laws, method, group_size)
    replayed = replay_cost * laws[0].num_replayed(group_size)
    return from_moments(mean, second, exact, group_size * len(mixture.agents) + replayed)


def efficiency(
    mixture: Mixture,
    allocator: str,
    *,
    optimizer: str = "grpo",
    group_size: int = 8,
    samples: int = 1,
    replay_cost: float = 1.0,
    reference_optimizer: str | None = None,
    reference_group_size: int | None = None,
) -> float:
    """Return the tokens that shared reward needs for a signal-to-noise, over those of this.

    efficiency = (signal / (noise * tokens)) / (the same of the shared reward)

    Args:
        mixture: The tasks and the policy.
        allocator: See `gradient_signal`, also for the settings below.
        optimizer: Optimizer of the allocator.
        group_size: Group size of the allocator.
        samples: Replays per removal or continuation.
        replay_cost: Cost of a replayed message.
        reference_optimizer: Optimizer of the shared reward; None: the same.
        reference_group_size: Group size of the shared reward; None: the same.
    """
    found = gradient_signal(
        mixture,
        allocator,
        optimizer=optimizer,
        group_size=group_size,
        samples=samples,
        replay_cost=replay_cost,
    )
    reference = gradient_signal(
        mixture,
        REFERENCE,
        optimizer=reference_optimizer or optimizer,
        group_size=reference_group_size or group_size,
    )
    return reference.cost / found.cost


def from_moments(mean: FloatArray, second: float, exact: FloatArray, tokens: float) -> Signal:
    """Return the signal of a gradient with this mean and E |g|^2, given the exact gradient."""
    length, own = np.linalg.norm(exact), np.linalg.norm(mean)
    along = float((mean * exact).sum() / length) if length else 0.0
    return Signal(
        signal=along**2,
        noise=second - float(own**2),
        cosine=along / float(own) if own else 0.0,
        tokens=tokens,
    )


def exact_gradient(mixture: Mixture) -> FloatArray:
    """Return the gradient of E[R] over all tasks in the logits of the trained rows, (P, C)."""
    total = np.zeros_like(mixture.policy)
    for kind, (game, table) in enumerate(zip(mixture.enumerated, mixture.tables(), strict=True)):
        part = Part(mixture, kind, game, table)
        for agent in mixture.trained:
            total += mixture.weights[kind] * part.covariance(agent, part.game.whole.rewards)
    return total


def expected_reward(mixture: Mixture, policy: FloatArray | None = None) -> FloatArray:
    """Return E[R] over all tasks, shape (...), of policies of shape (..., P, C)."""
    values = [
        game.expected_reward(table)
        for game, table in zip(mixture.enumerated, mixture.tables(policy), strict=True)
    ]
    total: FloatArray = np.tensordot(mixture.weights, np.stack(values), axes=1)
    return total


def method_of(optimizer: str, group_size: int) -> PolicyOptimizer:
    """Return an optimizer whose advantages have exact moments.

    Raises:
        ValueError: If it is unknown, divides by the standard deviation of a group, or needs a
            larger group.
    """
    if optimizer not in OPTIMIZERS:
        raise unknown_name("optimizer", optimizer, OPTIMIZERS)
    method = OPTIMIZERS[optimizer]
    if "std" in method.tunable and method.hyperparameters.std:
        raise ValueError(
            f"optimizer must not divide by the standard deviation of a group, got {optimizer!r}; "
            f"choose one of grpo, dr_grpo, rloo, reinforce_pp"
        )
    if group_size < method.min_group_size:
        raise ValueError(
            f"group_size must be at least {method.min_group_size} for {optimizer}, got "
            f"{group_size}; choose a larger group, or reinforce_pp"
        )
    return method
