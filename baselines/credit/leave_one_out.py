"""Leave-one-out credit: the difference reward, team reward minus the reward without the agent."""

from __future__ import annotations

import numpy as np

from baselines.common.types import FloatArray
from baselines.credit.outcomes import Outcomes, mean_rewards_without


def leave_one_out_credit(outcomes: Outcomes) -> FloatArray:
    """Credit each agent with its difference reward: its marginal contribution to the whole team.

    credit[g, a] = R[g] - mean of S_a      over row g if S_a was measured on each rollout

    Args:
        outcomes: One task's group of G rollouts by A agents, or a batch of groups. Reads
            team_rewards R, shape (..., G), and S_a, the removed_rewards of agent a alone, shape
            (..., M) or (..., G, M), of every agent.

    Returns:
        Credit, shape (..., G, A), in [-2, 2]. 0 for an agent that changes nothing.

    Raises:
        ValueError: If an agent was never removed alone.

    Note: If two agents can replace each other, both get 0: a row has no fixed sum.
        `shapley_credit` divides such a gain between them. A removal measured for the task is
        constant in a group, so a group-centred advantage cancels it; see docs/degeneracy.md. A
        team of one is compared with the empty team, whose reward is -1.

    Source: difference rewards, Wolpert and Tumer, arXiv:cs/9908014.
    """
    alone = [frozenset({agent}) for agent in outcomes.agents]
    gain = outcomes.team_rewards[..., None, :] - mean_rewards_without(outcomes, alone)
    return np.swapaxes(gain, -1, -2)
