"""Counterfactual credit: the team reward, plus a bonus for agents that change the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

import numpy as np

from baselines.common.hyperparameters import Range, checked
from baselines.common.types import FloatArray
from baselines.credit.measured_rewards import mean_rewards_without
from baselines.credit.outcomes import Outcomes
from baselines.credit.turns import on_turns

Mode: TypeAlias = Literal["event", "margin"]
Baseline: TypeAlias = Literal["group", "rollout"]


@checked
def counterfactual_credit(
    outcomes: Outcomes,
    *,
    weight: Annotated[float, Range(0.0)] = 0.2,
    mode: Mode = "event",
    baseline: Baseline = "group",
) -> FloatArray:
    """Credit each agent with the team reward, plus a bonus for changing the team's outcome.

    credit[g, a] = R[g] + weight * bonus[g, a]
    mode "event":        bonus = 1 if R > 0 > b (it helped), -1 if R < 0 < b (it hurt), else 0
    mode "margin":       bonus = (R - b) / 2
    baseline "group":    b[g, a] = mean of S_a, one number for the group
    baseline "rollout":  b[g, a] = mean of row g of S_a

    Args:
        outcomes: One task's group of G rollouts by A agents, or a batch of groups. Reads
            team_rewards R, shape (..., G), and S_a, the removed_rewards of agent a alone, shape
            (..., M) or (..., G, M). An agent that was never removed, such as the last speaker,
            gets no bonus.
        weight: Size of the bonus in units of reward. 0 means shared credit; below 1 the credit
            keeps the sign of the reward.
        mode: What the bonus measures. "event" ignores the magnitude of b; if b is exactly 0 (as
            many correct as wrong), there is no bonus.
        baseline: Replays that a rollout is compared with. "group": all of the group; "rollout": its
            own.

    Returns:
        Credit, shape (..., G, A), or (..., G, T) with turns, in [-1 - weight, 1 + weight].

    Raises:
        ValueError: If weight is negative, mode or baseline is unknown, no agent was removed
            alone, or baseline is "rollout" and an entry is not measured on each rollout.

    Note: With baseline "group" b is constant in a group, so an advantage that subtracts the
        group mean cancels it: the result is the shared advantage times 1 + weight / 2
        (or times 1, for mode "event" with b = 0). See baselines.credit.audit.

    Source: CCPO, arXiv:2603.21563; mode "event" with baseline "group" is its default.
    """
    alone = {agent: frozenset({agent}) for agent in outcomes.agents}
    removed = [agent for agent in outcomes.agents if alone[agent] in _entries(outcomes)]
    if not removed:
        raise ValueError(
            "removed_rewards must hold the rewards of the team without an agent, got none; "
            "replay the task with an agent removed, or use the allocator 'shared'"
        )
    if baseline == "rollout":
        _expect_rollouts(outcomes, removed)
    without = mean_rewards_without(
        outcomes, [alone[agent] for agent in removed], per_rollout=baseline == "rollout"
    )  # (..., K, G) or (..., K, 1)
    credit = np.repeat(outcomes.team_rewards[..., None], len(outcomes.agents), axis=-1)
    columns = [outcomes.agents.index(agent) for agent in removed]
    bonus = _bonus(outcomes.team_rewards[..., None, :], without, mode)  # (..., K, G)
    credit[..., columns] += weight * np.swapaxes(bonus, -1, -2)
    return on_turns(credit, outcomes)


def _entries(outcomes: Outcomes) -> Mapping[frozenset[str], FloatArray]:
    return outcomes.removed_rewards or {}


def _expect_rollouts(outcomes: Outcomes, removed: Sequence[str]) -> None:
    for agent in removed:
        entry = _entries(outcomes)[frozenset({agent})]
        if entry.ndim == outcomes.team_rewards.ndim:
            raise ValueError(
                f"removed_rewards[{agent!r}] must have shape (G, M) for baseline 'rollout', got "
                f"({entry.shape[-1]},); measure the removal on each rollout, or pass "
                f"baseline='group'"
            )


def _bonus(team: FloatArray, without: FloatArray, mode: Mode) -> FloatArray:
    """Return the bonus of each removed agent in each rollout, in [-1, 1]."""
    if mode == "margin":
        return (team - without) / 2.0
    helped = (team > 0.0) & (without < 0.0)
    hurt = (team < 0.0) & (without > 0.0)
    return np.where(helped, 1.0, np.where(hurt, -1.0, 0.0))
