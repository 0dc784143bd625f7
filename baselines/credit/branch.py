"""Branch credit: the change in the expected team reward that each message makes."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from baselines.common.hyperparameters import checked
from baselines.common.types import FloatArray
from baselines.credit.outcomes import Outcomes, mean_branch_rewards

Baseline: TypeAlias = Literal["group", "others"]


@checked
def branch_credit(outcomes: Outcomes, *, baseline: Baseline = "group") -> FloatArray:
    """Credit each turn with the change in expected reward that it makes.

    V[g, t]      = row mean of branch_rewards of turn t; R[g] for the last turn
    credit[g, 0] = V[g, 0] - mean over the group of V[., 0]
    credit[g, t] = V[g, t] - V[g, t - 1]      for later turns

    Args:
        outcomes: One task's group of G rollouts of T turns, or a batch of groups. Reads
            team_rewards R, shape (..., G), and the branch_rewards, shape (..., G, M), of every
            turn but the last: fresh continuations with the messages up to it kept.
        baseline: Rollouts that the first message is compared with. "group": all of the group;
            "others": all others, which is "group" times G / (G - 1).

    Returns:
        Credit, shape (..., G, T), in [-2, 2]. A row sums to R minus the baseline.

    Raises:
        ValueError: If continuations after a turn are missing, baseline is unknown, or is
            "others" in a group of one rollout.

    Note: Given the messages, V is an unbiased estimate of the expected reward after them, and
        R - V of the contribution of the last message, because the rollout is not one of its own
        branches. The credit of the first turn differs between rollouts of equal reward, which
        is impossible with removals: it is not cancelled by a group-centred advantage.

    Source: fixed-context replays as in C3, "The Trace Is the State: Exact Credit Assignment for
        LLM Agent Teams"; "others" is its leave-one-out baseline. Differs from it in comparing each
        later turn with the continuations of the message before it.
    """
    team = outcomes.team_rewards[..., None, :]  # (..., 1, G)
    num_rollouts = team.shape[-1]
    if baseline == "others" and num_rollouts < 2:
        raise ValueError(
            "group_size must be >= 2 for baseline 'others', got 1; pass baseline='group'"
        )
    branches = mean_branch_rewards(outcomes)
    values = np.concatenate([branches, team], axis=-2)  # (..., T, G)
    first = values[..., :1, :]
    before = np.add.reduce(first, axis=-1, keepdims=True) / num_rollouts
    if baseline == "others":
        before = (num_rollouts * before - first) / (num_rollouts - 1)
    before = np.broadcast_to(before, first.shape)
    return np.swapaxes(np.diff(values, axis=-2, prepend=before), -1, -2)
