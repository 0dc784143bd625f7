"""Leave-one-out credit: the difference reward, team reward minus the reward without the agent."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from baselines.common.types import FloatArray
from baselines.credit.measured_rewards import mean_rewards_without
from baselines.credit.outcomes import Outcomes
from baselines.credit.turns import on_turns
from ccpo_env.errors import unknown_name


def leave_one_out_credit(
    outcomes: Outcomes, *, agents: Collection[str] | None = None
) -> FloatArray:
    """Credit each agent with its difference reward: its marginal contribution to the whole team.

    credit[g, a] = R[g] - mean of S_a      over row g if S_a was measured on each rollout

    Args:
        outcomes: One task's group of G rollouts by A agents, or a batch of groups. Reads
            team_rewards R, shape (..., G), and S_a, the removed_rewards of agent a alone, shape
            (..., M) or (..., G, M), of every agent that is credited.
        agents: Agents to credit. Others, which are not trained and so need no removals, get the
            team reward. None: all.

    Returns:
        Credit, shape (..., G, A), or (..., G, T) with turns, in [-2, 2]. 0 for an agent that
        changes nothing.

    Raises:
        ValueError: If there is no such agent, or one that is credited was never removed alone.

    Note: If two agents can replace each other, both get 0: a row has no fixed sum.
        `shapley_credit` divides such a gain between them. A removal measured for the task is
        constant in a group, so a group-centred advantage cancels it; see docs/degeneracy.md. A
        team of one is compared with the empty team, whose reward is -1.

    Source: difference rewards, Wolpert and Tumer, arXiv:cs/9908014.
    """
    for agent in agents or ():
        if agent not in outcomes.agents:
            raise unknown_name("agent", agent, outcomes.agents)
    credited = [a for a in outcomes.agents if agents is None or a in agents]
    alone = [frozenset({agent}) for agent in credited]
    gain = outcomes.team_rewards[..., None, :] - mean_rewards_without(outcomes, alone)
    credit = np.repeat(outcomes.team_rewards[..., None], len(outcomes.agents), axis=-1)
    credit[..., [outcomes.agents.index(agent) for agent in credited]] = np.swapaxes(gain, -1, -2)
    return on_turns(credit, outcomes)
