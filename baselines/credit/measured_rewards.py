"""Rewards measured by replays of a group: without some agents, and continued after a turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baselines.common.types import FloatArray
from baselines.credit.outcomes import Outcomes
from baselines.credit.turns import columns_of

EMPTY_TEAM_REWARD = -1.0
"""Reward of a team without agents: no answer is wrong."""


def mean_rewards_without(
    outcomes: Outcomes, removals: Sequence[frozenset[str]], *, per_rollout: bool = True
) -> FloatArray:
    """Return the mean reward of the team without each of these sets of agents.

    Args:
        outcomes: A group of G rollouts, or a batch of groups.
        removals: K sets of agents. With none removed, the reward is that of the rollout; with all
            removed, EMPTY_TEAM_REWARD.
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
            entry = _removed_entry(outcomes, removed)
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
    """Return the means over the last axis of k arrays, stacked, shape (..., k)."""
    sizes = np.array([entry.shape[-1] for entry in entries])
    sums = np.add.reduceat(np.concatenate(entries, axis=-1), sizes.cumsum() - sizes, axis=-1)
    means: FloatArray = sums / sizes
    return means


def _removed_entry(outcomes: Outcomes, removed: frozenset[str]) -> FloatArray:
    entries = outcomes.removed_rewards or {}
    if removed not in entries:
        names = ", ".join(repr(agent) for agent in outcomes.agents if agent in removed)
        raise ValueError(
            f"removed_rewards must hold the rewards of the team without {names}, got "
            f"{len(entries)} entries without it; replay the task with this removed, or use the "
            f"allocator 'shared'"
        )
    return entries[removed]


def branch_entries(outcomes: Outcomes) -> list[FloatArray]:
    """Return the rewards of the continuations after each turn but the last, shape (..., G, M).

    Raises:
        ValueError: If the continuations after a turn were not measured.
    """
    return [branch_entry(outcomes, turn) for turn in columns_of(outcomes)[:-1]]


def mean_branch_rewards(outcomes: Outcomes) -> FloatArray:
    """Return the mean reward of the continuations after each of the T turns but the last.

    Returns:
        Means V, shape (..., T - 1, G).

    Raises:
        ValueError: If the continuations after a turn were not measured.
    """
    team = outcomes.team_rewards
    entries = branch_entries(outcomes)
    if not entries:
        return np.empty((*team.shape[:-1], 0, team.shape[-1]))
    return np.swapaxes(_row_means(entries), -1, -2)


def branch_entry(outcomes: Outcomes, turn: str) -> FloatArray:
    """Return the rewards of the continuations after a turn, shape (..., G, M).

    Raises:
        ValueError: If they were not measured.
    """
    entries = outcomes.branch_rewards or {}
    if turn not in entries:
        each = "agent" if outcomes.turns is None else "turn"
        raise ValueError(
            f"branch_rewards must hold the rewards of continuations after each {each} but the "
            f"last, got none after {turn!r}; sample answers with its message and those before "
            f"it kept, or use the allocator 'shared'"
        )
    return entries[turn]
