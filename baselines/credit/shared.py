"""Shared credit: every agent receives the team reward."""

from __future__ import annotations

import numpy as np

from baselines.common.types import FloatArray
from baselines.credit.outcomes import Outcomes
from baselines.credit.turns import columns_of


def shared_credit(outcomes: Outcomes) -> FloatArray:
    """Credit every agent with the team reward.

    credit[g, a] = R[g]

    Args:
        outcomes: One task's group of G rollouts by A agents, or a batch of groups; reads
            team_rewards R, shape (..., G).

    Returns:
        Credit, shape (..., G, A), or (..., G, T) with turns, -1 or +1.

    Note: The reference that all other allocators are compared with. It does not distinguish a
        helpful agent from a free rider.
    """
    return np.repeat(outcomes.team_rewards[..., None], len(columns_of(outcomes)), axis=-1)
