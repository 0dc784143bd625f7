"""Banzhaf credit: marginal contributions, averaged over all teams that an agent may join."""

from __future__ import annotations

from math import comb

from baselines.common.types import FloatArray
from baselines.credit.outcomes import Outcomes
from baselines.credit.semivalues import semivalues
from baselines.credit.turns import on_turns


def banzhaf_credit(outcomes: Outcomes) -> FloatArray:
    """Credit each agent with its mean marginal contribution over all teams of the others.

    v(T)         = reward of team T: R[g] for all agents, -1 for none, else a mean of replays
    credit[g, a] = sum over T without a of 2^-(A - 1) * (v(T and a) - v(T))

    Args:
        outcomes: One task's group of G rollouts by A agents, or a batch of groups. Reads
            team_rewards R, shape (..., G), and the removed_rewards, shape (..., M) or
            (..., G, M), of the sets that `removals.every_subset` lists; or, with orders, those
            that `removals.stages` lists.

    Returns:
        Credit, shape (..., G, A), or (..., G, T) with turns, in [-2, 2]. A row has no fixed sum.

    Raises:
        ValueError: If a set of agents that is needed was not removed, or there are more than 12
            agents and no orders.

    Note: Reads what `shapley_credit` reads: teams are equally probable here, sizes of teams
        there. Of all semivalues its ranking of the agents is the most robust to noise in v. With
        orders it is an unbiased estimate, in which the middle of an order counts most. Removals
        measured for the task are constant in a group: see `shapley_credit`.

    Source: Banzhaf, "Weighted voting doesn't work", 1965; robustness: Wang and Jia, "Data
        Banzhaf", arXiv:2205.15466.
    """
    others = len(outcomes.agents) - 1
    chances = tuple(comb(others, size) / 2**others for size in range(others + 1))
    return on_turns(semivalues(outcomes, chances), outcomes)
