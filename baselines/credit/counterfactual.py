"""Counterfactual credit: the team reward, plus what the team would lose without the agent."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

import numpy as np

from baselines.credit.outcomes import GroupOutcomes
from baselines.credit.shared import shared_credit
from baselines.types import FloatArray
from ccpo_env.errors import unknown_name

Mode: TypeAlias = Literal["event", "margin"]
Baseline: TypeAlias = Literal["group", "rollout"]


def counterfactual_credit(
    outcomes: GroupOutcomes,
    *,
    weight: float = 0.2,
    mode: Mode = "event",
    baseline: Baseline = "group",
) -> FloatArray:
    """Pay each agent the team reward, plus a bonus for turning the outcome of its team.

    credit[g, a] = R[g] + weight * bonus[g, a]
    mode "event":        bonus = 1 if R > 0 > b (it helped), -1 if R < 0 < b (it hurt), else 0
    mode "margin":       bonus = (R - b) / 2
    baseline "group":    b[g, a] = mean of S_a, one number for the group
    baseline "rollout":  b[g, a] = mean of row g of S_a

    Args:
        outcomes: One task's group of G rollouts by A agents. Reads team_rewards R, shape (G,), and
            S_a, the removed_rewards of agent a alone, shape (M,) or (G, M). An agent that was
            never removed, such as the last speaker, gets no bonus.
        weight: Size of the bonus in units of reward, >= 0. 0 means shared credit; below 1 the
            credit keeps the sign of the reward.
        mode: What the bonus measures. "event" ignores how large b is, and a b of exactly 0 (as
            many right as wrong) earns nothing.
        baseline: What a rollout is compared with: its group, or itself replayed.

    Returns:
        Credit, shape (G, A), in [-1 - weight, 1 + weight].

    Raises:
        ValueError: If weight is negative, mode or baseline is unknown, no agent was removed
            alone, or baseline is "rollout" and an entry is not measured on each rollout.

    Note: With baseline "group" b is one number per group, and an advantage that subtracts the
        group mean removes it again: what is left is the shared advantage times 1 + weight / 2
        (or times 1, for mode "event" with b = 0). See baselines.credit.audit.

    Source: CCPO, arXiv:2603.21563; mode "event" with baseline "group" is its default.
    """
    if not 0.0 <= weight < math.inf:
        raise ValueError(f"weight must be >= 0, got {weight}; use 0 for shared credit")
    if mode not in get_args(Mode):
        raise unknown_name("mode", mode, get_args(Mode))
    if baseline not in get_args(Baseline):
        raise unknown_name("baseline", baseline, get_args(Baseline))
    if all(outcomes.without(agent) is None for agent in outcomes.agents):
        raise ValueError(
            "removed_rewards must hold the rewards of the team without an agent, got none; "
            "replay the task with an agent removed, or use the allocator 'shared'"
        )
    credit = shared_credit(outcomes)  # (G, A)
    for column, agent in enumerate(outcomes.agents):
        entry = outcomes.without(agent)
        if entry is not None:
            without = _without(agent, entry, baseline)
            credit[:, column] += weight * _bonus(outcomes.team_rewards, without, mode)
    return credit


def _without(agent: str, entry: FloatArray, baseline: Baseline) -> FloatArray:
    """Return b, of shape (1,) for the group or (G,) for its rollouts."""
    if baseline == "group":
        return np.array([entry.mean()])
    if entry.ndim == 1:
        raise ValueError(
            f"removed_rewards[{agent!r}] must have shape (G, M) for baseline 'rollout', got "
            f"{entry.shape}; measure the removal on each rollout, or pass baseline='group'"
        )
    means: FloatArray = entry.mean(axis=1)
    return means


def _bonus(team: FloatArray, without: FloatArray, mode: Mode) -> FloatArray:
    """Return what the agent added to each rollout, shape (G,), in [-1, 1]."""
    if mode == "margin":
        return (team - without) / 2.0
    helped = (team > 0.0) & (without < 0.0)
    hurt = (team < 0.0) & (without > 0.0)
    return np.where(helped, 1.0, np.where(hurt, -1.0, 0.0))
