"""Hierarchical GRPO credit: a message is compared with others in the same place of the tree."""

from __future__ import annotations

import numpy as np

from baselines.common.types import FloatArray
from baselines.credit.measured_rewards import branch_entries
from baselines.credit.outcomes import Outcomes


def hierarchical_grpo_credit(outcomes: Outcomes) -> FloatArray:
    """Credit each turn with the team reward, minus the mean over the rollouts that share a parent.

    credit[g, 0] = R[g] - mean over the group of R
    credit[g, t] = R[g] - (R[g] + sum of the branch_rewards of turn t - 1, row g) / (M + 1)

    The rollout and the M continuations after turn t - 1 have the same messages before turn t: they
    are the children of one node of a tree.

    Args:
        outcomes: One task's group of G rollouts of T turns, or a batch of groups. Reads
            team_rewards R, shape (..., G), and the branch_rewards, shape (..., G, M), of every
            turn but the last.

    Returns:
        Credit, shape (..., G, T), in [-2, 2].

    Raises:
        ValueError: If continuations after a turn are missing: there is no tree.

    Note: The first speaker has the advantage of the shared reward, so that the continuations only
        help later ones; `branch_credit` values its message by them as well. A rollout is one of
        the M + 1 children, so that the credit of a later turn is R - V of `branch_credit` times
        M / (M + 1).

    Source: the algorithm hierarchical_grpo of prime-rl, in which a solver is centred on the
        answers to its own proposal and a proposer on its group.
    """
    team = outcomes.team_rewards  # (..., G)
    first = team - np.add.reduce(team, axis=-1, keepdims=True) / team.shape[-1]
    later = [
        team - (team + np.add.reduce(entry, axis=-1)) / (entry.shape[-1] + 1)
        for entry in branch_entries(outcomes)
    ]
    return np.stack([first, *later], axis=-1)
