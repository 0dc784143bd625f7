"""Semivalues: marginal contributions, weighted by the size of the team that an agent joins."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb
from typing import TypeAlias

import numpy as np

from baselines.common.types import FloatArray
from baselines.credit.measured_rewards import mean_rewards_without
from baselines.credit.outcomes import Orders, Outcomes
from baselines.credit.removals import MAX_SUBSETS_AGENTS

Teams: TypeAlias = tuple[frozenset[int], ...]

SizeChances: TypeAlias = tuple[float, ...]
"""Probability that 0, 1, … A - 1 others have joined before an agent does."""


def semivalues(outcomes: Outcomes, chances: SizeChances) -> FloatArray:
    """Return the mean marginal contribution of each agent.

    value[g, a] = sum over T without a of chances[|T|] / C(A - 1, |T|) * (v(T and a) - v(T))
    v(T)        = reward of team T: R[g] for all agents, -1 for none, else a mean of replays

    Args:
        outcomes: One task's group of G rollouts by A agents, or a batch of groups.
        chances: Probability of each size of T, of A entries that sum to 1.

    Returns:
        Values, shape (..., G, A): exact in v without orders, else the mean over these.

    Raises:
        ValueError: If a set of agents that is needed was not removed, or there are more than
            MAX_SUBSETS_AGENTS agents and no orders.

    Source: Dubey, Neyman and Weber, "Value theory without efficiency", 1981.
    """
    teams, weights = _weights(len(outcomes.agents), outcomes.orders, chances)
    return np.swapaxes(weights.mean(axis=0) @ _values(outcomes, teams), -1, -2)


def semivalue_samples(outcomes: Outcomes, chances: SizeChances) -> FloatArray:
    """Return P independent estimates of `semivalues`, shape (P, ..., G, A).

    One per order and its reverse, or per order if their number is odd; one without orders.
    """
    teams, weights = _weights(len(outcomes.agents), outcomes.orders, chances)
    values = _values(outcomes, teams)
    return np.stack([np.swapaxes(own @ values, -1, -2) for own in weights])


def _values(outcomes: Outcomes, teams: Teams) -> FloatArray:
    """Return v, the reward of each team, shape (..., S, G)."""
    return mean_rewards_without(outcomes, _complements(outcomes.agents, teams))


@lru_cache(maxsize=8)
def _complements(agents: tuple[str, ...], teams: Teams) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(agents) - {agents[i] for i in team} for team in teams)


@lru_cache(maxsize=16)
def _weights(
    num_agents: int, orders: Orders | None, chances: SizeChances
) -> tuple[Teams, FloatArray]:
    """Return S teams, and weights of shape (P, A, S): P estimates, each linear in v."""
    if orders is None:
        return _exact_weights(num_agents, chances)
    return _sampled_weights(num_agents, orders, chances)


def _exact_weights(num_agents: int, chances: SizeChances) -> tuple[Teams, FloatArray]:
    if num_agents > MAX_SUBSETS_AGENTS:
        raise ValueError(
            f"orders must be given for more than {MAX_SUBSETS_AGENTS} agents, got none for "
            f"{num_agents}; draw them with baselines.credit.removals.balanced_orders"
        )
    sizes = range(num_agents + 1)
    teams = [frozenset(team) for size in sizes for team in combinations(range(num_agents), size)]
    weights = np.empty((1, num_agents, len(teams)))
    for column, team in enumerate(teams):
        for agent in range(num_agents):
            joined = len(team) - (agent in team)  # agents that joined before it
            weight = chances[joined] / comb(num_agents - 1, joined)
            weights[0, agent, column] = weight if agent in team else -weight
    return tuple(teams), weights


def _sampled_weights(
    num_agents: int, orders: Orders, chances: SizeChances
) -> tuple[Teams, FloatArray]:
    """Return the stages of the orders; a position is weighted as often as it should occur."""
    sizes = range(num_agents + 1)
    grown = [[frozenset(order[:size]) for size in sizes] for order in orders]
    column = {team: i for i, team in enumerate(dict.fromkeys(t for teams in grown for t in teams))}
    size = 1 if len(orders) % 2 else 2  # of a pair
    weights = np.zeros((len(orders) // size, num_agents, len(column)))
    for index, (order, teams) in enumerate(zip(orders, grown, strict=True)):
        for place, agent in enumerate(order):
            weight = num_agents * chances[place] / size  # every position is equally frequent
            weights[index // size, agent, column[teams[place + 1]]] += weight
            weights[index // size, agent, column[teams[place]]] -= weight
    return tuple(column), weights
