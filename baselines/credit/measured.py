"""Read what was measured on a group, or on a stack of groups, and say what is missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baselines.credit.stack import Outcomes
from baselines.types import FloatArray

EMPTY_TEAM_REWARD = -1.0
"""Nobody answers, and no answer is a wrong one."""


def mean_rewards_without(
    outcomes: Outcomes, removals: Sequence[frozenset[str]], *, per_rollout: bool = True
) -> FloatArray:
    """Return the mean reward of the team without each of these sets of agents.

    Args:
        outcomes: A group of G rollouts, or a stack of groups.
        removals: K sets of agents. Without nobody the reward is that of the rollout; without
            everybody it is EMPTY_TEAM_REWARD.
        per_rollout: Whether an entry measured on each rollout is averaged over its row, rather
            than over the group. An entry measured for the task has one mean for all rollouts.

    Returns:
        Means, shape (..., K, G), or (..., K, 1) if not per_rollout.

    Raises:
        ValueError: If a removal was not measured.
    """
    team = outcomes.team_rewards
    means = np.empty((*team.shape[:-1], len(removals), team.shape[-1] if per_rollout else 1))
    of_task: dict[int, FloatArray] = {}
    of_rollouts: dict[int, FloatArray] = {}
    for index, removed in enumerate(removals):
        if not removed:
            means[..., index, :] = team
        elif len(removed) == len(outcomes.agents):
            means[..., index, :] = EMPTY_TEAM_REWARD
        else:
            entry = _entry(outcomes, removed)
            if entry.ndim == team.ndim:
                of_task[index] = entry
            elif per_rollout:
                of_rollouts[index] = entry
            else:
                of_task[index] = entry.reshape(*team.shape[:-1], -1)  # (..., G * M)
    if of_task:
        means[..., list(of_task), :] = _row_means(list(of_task.values()))[..., None]
    if of_rollouts:
        rows = _row_means(list(of_rollouts.values()))  # (..., G, k)
        means[..., list(of_rollouts), :] = np.swapaxes(rows, -1, -2)
    return means


def _row_means(entries: list[FloatArray]) -> FloatArray:
    """Return the mean over the last axis of k arrays, side by side, shape (..., k)."""
    sizes = np.array([entry.shape[-1] for entry in entries])
    sums = np.add.reduceat(np.concatenate(entries, axis=-1), sizes.cumsum() - sizes, axis=-1)
    means: FloatArray = sums / sizes
    return means


def _entry(outcomes: Outcomes, removed: frozenset[str]) -> FloatArray:
    entries = outcomes.removed_rewards or {}
    if removed not in entries:
        names = ", ".join(repr(agent) for agent in outcomes.agents if agent in removed)
        raise ValueError(
            f"removed_rewards must hold the rewards of the team without {names}, got "
            f"{len(entries)} entries without it; replay the task with this removed, or use the "
            f"allocator 'shared'"
        )
    return entries[removed]


def mean_branch_rewards(outcomes: Outcomes, agents: Sequence[str]) -> FloatArray:
    """Return the mean reward of the continuations after each of these agents' turns.

    Returns:
        Means V, shape (..., K, G).

    Raises:
        ValueError: If an agent's continuations were not measured.
    """
    team = outcomes.team_rewards
    entries = [_branches(outcomes, agent) for agent in agents]
    if not entries:
        return np.empty((*team.shape[:-1], 0, team.shape[-1]))
    return np.swapaxes(_row_means(entries), -1, -2)


def _branches(outcomes: Outcomes, agent: str) -> FloatArray:
    entries = outcomes.branch_rewards or {}
    if agent not in entries:
        raise ValueError(
            f"branch_rewards must hold the rewards of continuations after each agent but the "
            f"last, got none after {agent!r}; sample answers with its message and those before "
            f"it kept, or use the allocator 'shared'"
        )
    return entries[agent]
