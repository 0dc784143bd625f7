"""Branch credit: the change in the expected team reward that each message makes."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from baselines.common.hyperparameters import checked
from baselines.common.types import FloatArray
from baselines.credit.measured_rewards import branch_entry, mean_branch_rewards
from baselines.credit.outcomes import Outcomes
from baselines.credit.turns import columns_of

After: TypeAlias = Literal["each", "last"]
Baseline: TypeAlias = Literal["group", "others", "none"]


@checked
def branch_credit(
    outcomes: Outcomes, *, baseline: Baseline = "group", after: After = "each"
) -> FloatArray:
    """Credit each turn with the change in expected reward that it makes.

    V[g, t]      = row mean of branch_rewards of turn t; R[g] for the last turn
    credit[g, 0] = V[g, 0] - mean over the group of V[., 0]
    credit[g, t] = V[g, t] - V[g, t - 1]      for later turns

    With after "last", only the answer is sampled again, and W[g], the mean of R[g] and of these
    rewards, is the value of all messages before it:

    credit[g, t] = W[g] - mean over the group of W      for every turn but the last
    credit[g, T] = R[g] - V[g, T - 1]                   for the last

    Args:
        outcomes: One task's group of G rollouts of T turns, or a batch of groups. Reads
            team_rewards R, shape (..., G), and the branch_rewards, shape (..., G, M), of every
            turn but the last, or with after "last" of the last of these: fresh continuations with
            the messages up to it kept.
        baseline: Rollouts that the first message is compared with. "group": all of the group;
            "others": all others, which is "group" times G / (G - 1); "none": nothing is
            subtracted from V[g, 0], for an optimizer that compares with the whole step.
        after: Turns that are continued: "each" but the last, or the "last" of them, which costs
            M answers per rollout, however many agents speak before.

    Returns:
        Credit, shape (..., G, T), in [-2, 2]. With after "each", a row sums to R minus the
            baseline.

    Raises:
        ValueError: If continuations after a turn are missing, baseline or after is unknown, or
            baseline is "others" in a group of one rollout.

    Note: Given the messages, V is an unbiased estimate of the expected reward after them, and
        R - V of the contribution of the last message, because the rollout is not one of its own
        branches. The credit of the first turn differs between rollouts of equal reward, which
        is impossible with removals: it is not cancelled by a group-centred advantage.

    Source: fixed-context replays as in C3, "The Trace Is the State: Exact Credit Assignment for
        LLM Agent Teams"; "others" is its leave-one-out baseline. Differs from it in comparing each
        later turn with the continuations of the message before it. "last" is ours.
    """
    team = outcomes.team_rewards[..., None, :]  # (..., 1, G)
    if baseline == "others" and team.shape[-1] < 2:
        raise ValueError(
            "group_size must be >= 2 for baseline 'others', got 1; pass baseline='none'"
        )
    if after == "last" and len(columns_of(outcomes)) > 1:
        rewards = branch_entry(outcomes, columns_of(outcomes)[-2])  # (..., G, M)
        total, count = np.add.reduce(rewards, axis=-1)[..., None, :], rewards.shape[-1]
        value = (team + total) / (1 + count)  # (..., 1, G)
        earlier = [value - _before(value, baseline)] * (len(columns_of(outcomes)) - 1)
        last = team - total / count
        return np.swapaxes(np.concatenate([*earlier, last], axis=-2), -1, -2)
    values = np.concatenate([mean_branch_rewards(outcomes), team], axis=-2)  # (..., T, G)
    before = _before(values[..., :1, :], baseline)
    return np.swapaxes(np.diff(values, axis=-2, prepend=before), -1, -2)


def _before(first: FloatArray, baseline: Baseline) -> FloatArray:
    """Return what the value of the first messages, (..., 1, G), is compared with."""
    num_rollouts = first.shape[-1]
    if baseline == "none":
        return np.zeros_like(first)
    mean = np.add.reduce(first, axis=-1, keepdims=True) / num_rollouts
    if baseline == "others":
        mean = (num_rollouts * mean - first) / (num_rollouts - 1)
    return np.broadcast_to(mean, first.shape)
