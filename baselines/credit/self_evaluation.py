"""Self-evaluation credit: the team reward, adjusted by the agents' ratings of each other."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import numpy as np

from baselines.common.hyperparameters import Range, checked
from baselines.common.types import BoolArray, FloatArray
from baselines.credit.outcomes import Outcomes
from baselines.credit.turns import on_turns

Center: TypeAlias = Literal["group", "outcome", "none"]


@checked
def self_evaluation_credit(
    outcomes: Outcomes,
    *,
    self_weight: Annotated[float, Range(0.0, 1.0)] = 0.3,
    credit_weight: Annotated[float, Range(0.0)] = 0.2,
    blame_weight: Annotated[float, Range(0.0)] = 0.2,
    center: Center = "group",
) -> FloatArray:
    """Credit each agent with the team reward, plus a bonus for its rated share of it.

    s[j, g]      = self_weight * T[j, j, g] + (1 - self_weight) * mean over i != j of T[i, j, g]
    w[j, g]      = s[j, g] / sum over j of s[j, g]
    bonus[j, g]  = w[j, g] - mean of w[j, .] over the rollouts of the center
    credit[g, j] = R[g] + credit_weight * bonus[j, g]      if R[g] = +1: a share is credit
                   R[g] - blame_weight * bonus[j, g]       if R[g] = -1: a share is blame

    Args:
        outcomes: One task's group of G rollouts by A agents, or a batch of groups. Reads
            team_rewards R, shape (..., G), ratings T, shape (..., A, A, G), and rating_valid,
            shape (..., A, G); None means that every rating is valid.
        self_weight: Weight of an agent's rating of itself in its own share.
        credit_weight: Size of the bonus when the team is right.
        blame_weight: Size of the bonus when the team is wrong.
        center: Rollouts whose mean share is subtracted. "group": all of the group; "outcome": those
            of the same reward, so that credit is not compared with blame; "none": 1 / A is
            subtracted instead.

    Returns:
        Credit, shape (..., G, A), or (..., G, T) with turns. Over agents, a row sums to A * R: the
        bonuses of a rollout are zero-sum.

    Raises:
        ValueError: If there are no ratings, a weight is negative, self_weight is outside [0, 1]
            or center is unknown.

    Note: A rollout is used only if every rater's rating of it is valid and the shares are not all
        0. Any other gets R, and is excluded from means. With shares from 0.1 to 0.9 and two agents,
        |credit - R| <= weight * 0.8 * (1 - 1/G) in a group: a correct rollout stays above a
        wrong one. Where all rewards of a group are equal, the ratings are the only signal, and
        division by the group's standard deviation would scale them up to the size of a reward.

    Source: SEPO in CCPO, arXiv:2603.21563; differs from it in giving no bonus for an unreadable
        rating, instead of treating it as equal shares, and in teams of more than two.
    """
    if outcomes.ratings is None:
        raise ValueError(
            "ratings must hold every agent's rating of every agent, got none; have the agents "
            "rate each rollout, or use the allocator 'shared'"
        )
    num_agents = len(outcomes.agents)
    mix = np.full((num_agents, num_agents, 1), (1.0 - self_weight) / max(num_agents - 1, 1))
    mix[range(num_agents), range(num_agents)] = self_weight
    mixed = np.add.reduce(mix * outcomes.ratings, axis=-3)  # (..., A, G)
    total = np.add.reduce(mixed, axis=-2, keepdims=True)  # (..., 1, G)
    valid = total > 0.0
    if outcomes.rating_valid is not None:
        valid &= outcomes.rating_valid.all(axis=-2, keepdims=True)
    share = np.where(valid, mixed / np.where(valid, total, 1.0), 0.0)
    team = outcomes.team_rewards[..., None, :]  # (..., 1, G)
    bonus = np.where(valid, share - _center(share, valid, team, center), 0.0)
    credit = team + np.where(team > 0.0, credit_weight, -blame_weight) * bonus
    return on_turns(np.swapaxes(credit, -1, -2), outcomes)


def _center(share: FloatArray, valid: BoolArray, team: FloatArray, center: Center) -> FloatArray:
    """Return what the shares are compared with, broadcastable to (..., A, G)."""
    if center == "none":
        return np.array(1.0 / share.shape[-2])
    if center == "group":
        return _mean(share, valid)
    right = _mean(share, valid & (team > 0.0))
    return np.where(team > 0.0, right, _mean(share, valid & (team < 0.0)))


def _mean(share: FloatArray, counted: BoolArray) -> FloatArray:
    """Return the mean over the counted rollouts, 0 if there are none, shape (..., A, 1)."""
    count = np.add.reduce(counted, axis=-1, keepdims=True, dtype=np.float64)
    mean: FloatArray = np.add.reduce(share * counted, axis=-1, keepdims=True) / np.maximum(count, 1)
    return mean
