"""Shared credit: every agent receives the team reward."""

from __future__ import annotations

import numpy as np

from baselines.common.types import FloatArray
from baselines.credit.outcomes import Outcomes


def shared_credit(outcomes: Outcomes) -> FloatArray:
    """Credit every agent with the team reward.

    credit[g, a] = R[g]

    Args:
        outcomes: One task's group of G rollouts by A agents, or a batch of groups; reads
            team_rewards R, shape (..., G).

    Returns:
        Credit, shape (..., G, A), -1 or +1.

    Note: The reference that every other allocator is compared with. It cannot tell a helpful
        agent from one that its team carries.
    """
    return np.repeat(outcomes.team_rewards[..., None], len(outcomes.agents), axis=-1)  # (..., G, A)
