"""Critic credit: generalized advantage estimation over turns, from learned values."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt

from baselines.common.checks import expect_between, expect_finite, expect_shape
from baselines.common.hyperparameters import Range, checked
from baselines.common.types import FloatArray
from baselines.credit.outcome_checks import expect_values
from baselines.credit.outcomes import Outcomes
from baselines.credit.turns import columns_of


@checked
def critic_credit(
    outcomes: Outcomes,
    *,
    values: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    gae_lambda: Annotated[float, Range(0.5, 1.0)] = 0.5,
) -> FloatArray:
    """Credit each turn with a mixture of the team reward and its advantage by a critic.

    credit[g, t] = (1 - w[t]) * R[g] + w[t] * A[g, t]
    A[g, t]      = V[g, t + 1] - V[g, t] + gae_lambda * A[g, t + 1]
    A[g, last]   = R[g] - V[g, last]

    V[g, t] is the expected reward of rollout g before turn t, given the messages of the turns
    before it. With w = 0 this is shared credit, from which a run starts; the weights rise with the
    variance of the rewards that the values explain on tasks that they were not fitted to.

    Args:
        outcomes: One task's group of G rollouts of T turns, or a batch of groups. Reads
            team_rewards R, shape (..., G), and values V.
        values: Value before each turn, shape (..., G, T), in [-1, 1]. None: those of the group.
        weights: w, the weight of the critic in each turn, shape (T,), in [0, 1]. None: 1.
        gae_lambda: Weight of the reward, rather than the next value, in each further turn. 1: the
            critic is only a baseline, A[g, t] = R[g] - V[g, t]; from 0.5 on, because credit by
            the values alone pays a message for what the critic believes of it.

    Returns:
        Credit, shape (..., G, T), in units of reward, in [-2, 2].

    Raises:
        ValueError: If there are no values, a shape is wrong or a number is out of range.

    Note: Values before the first turn are equal in a group, so a group-centred advantage cancels
        them, and with gae_lambda 1 the first turn has shared credit. Division by the standard
        deviation of a group scales differences of values in a group of equal rewards up to the
        size of a reward; dapo, which divides, drops such groups. With gae_lambda below 1, credit
        is biased as far as the values are wrong.

    Source: GAE, arXiv:1506.02438, with turns as steps and without discount; one central critic
        for a team: MAPPO, arXiv:2103.01955. Differs from both in starting from shared credit.
    """
    team = outcomes.team_rewards[..., None]  # (..., G, 1)
    found = _values_of(outcomes, values)
    advantages = generalized_advantages(found, outcomes.team_rewards, gae_lambda=gae_lambda)
    if weights is None:
        return advantages
    mixed = np.array(weights, dtype=np.float64)
    remedy = "give each turn one weight"
    expect_shape("weights", mixed, (found.shape[-1],), remedy=remedy)
    expect_finite("weights", mixed, remedy=remedy)
    expect_between("weights", mixed, 0.0, 1.0, remedy="clip them")
    credit: FloatArray = team + mixed * (advantages - team)
    return credit


def generalized_advantages(
    values: FloatArray, team_rewards: FloatArray, *, gae_lambda: float
) -> FloatArray:
    """Return A of `critic_credit`, for any gae_lambda in [0, 1], shape (..., G, T).

    Args:
        values: Value before each turn, shape (..., G, T).
        team_rewards: Reward after the last turn, shape (..., G).
        gae_lambda: 0: the change in value by each message; 1: the reward minus the value before.
    """
    after = np.concatenate([values[..., 1:], team_rewards[..., None]], axis=-1)
    advantages = after - values
    for turn in reversed(range(values.shape[-1] - 1)):
        advantages[..., turn] += gae_lambda * advantages[..., turn + 1]
    return advantages


def _values_of(outcomes: Outcomes, values: npt.ArrayLike | None) -> FloatArray:
    """Return the values of the caller, validated, or those of the outcomes."""
    if values is not None:
        shape = (*outcomes.team_rewards.shape, len(columns_of(outcomes)))
        return expect_values(values, shape)
    if outcomes.values is None:
        raise ValueError(
            "values must hold the expected reward before each turn, got none; give GroupOutcomes "
            "values, pass values=..., or use the allocator 'shared'"
        )
    return outcomes.values
