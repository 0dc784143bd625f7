"""One task's group of rollouts, with the rollouts that credit is measured against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from baselines.credit import GroupOutcomes
from baselines.rollout import Ledger, Player, Rollout, RolloutRequest
from ccpo_env.types import Task

MIN_GROUP = 2
"""Fewer measured rollouts have no baseline to be compared with."""


@dataclass(frozen=True, slots=True)
class Group:
    """What was played on one task.

    Args:
        task: The task.
        rollouts: The measured rollouts of the whole team, G of them.
        removed: From a set of removed agents to the measured rollouts without them.
        num_unmeasured: Rollouts dropped because the verifier could not tell.
    """

    task: Task
    rollouts: tuple[Rollout, ...]
    removed: Mapping[frozenset[str], tuple[Rollout, ...]]
    num_unmeasured: int

    @property
    def is_usable(self) -> bool:
        """Whether enough was measured to compare the rollouts with each other."""
        return len(self.rollouts) >= MIN_GROUP and all(self.removed.values())

    def outcomes(self, agents: tuple[str, ...]) -> GroupOutcomes:
        """Return the rewards of a usable group, for an allocator."""
        removed = {key: rewards(rollouts) for key, rollouts in self.removed.items()}
        return GroupOutcomes(agents, rewards(self.rollouts), removed or None)


def rewards(rollouts: Sequence[Rollout]) -> list[float]:
    """Return the rewards of measured rollouts."""
    return [rollout.reward for rollout in rollouts if rollout.reward is not None]


def play_groups(
    player: Player,
    tasks: Sequence[Task],
    *,
    group_size: int,
    removals: Sequence[frozenset[str]],
    num_removed: int,
    rng: np.random.Generator,
    ledger: Ledger,
) -> list[Group]:
    """Play every task with the whole team and with agents removed, all in one lockstep.

    Args:
        player: Plays the episodes.
        tasks: One group each.
        group_size: Rollouts of the whole team per task, G.
        removals: Sets of agents to remove; empty when credit needs none.
        num_removed: Rollouts per task and removal, M.
        rng: All randomness comes from it.
        ledger: Cost is added to it.

    Returns:
        One group per task, in order.
    """
    per_task = [frozenset[str]()] * group_size + [r for r in removals for _ in range(num_removed)]
    requests = [RolloutRequest(task, removed) for task in tasks for removed in per_task]
    rollouts = player.play(requests, rng=rng, ledger=ledger)
    starts = range(0, len(rollouts), len(per_task))
    return [_group(rollouts[start : start + len(per_task)], removals) for start in starts]


def _group(rollouts: Sequence[Rollout], removals: Sequence[frozenset[str]]) -> Group:
    measured = [rollout for rollout in rollouts if rollout.reward is not None]

    def without(removed: frozenset[str]) -> tuple[Rollout, ...]:
        return tuple(rollout for rollout in measured if rollout.request.removed == removed)

    return Group(
        task=rollouts[0].request.task,
        rollouts=without(frozenset()),
        removed={removed: without(removed) for removed in removals},
        num_unmeasured=len(rollouts) - len(measured),
    )
