"""Shapley credit: marginal contributions, averaged over all orders of joining the team."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb
from typing import TypeAlias

import numpy as np

from baselines.common.types import FloatArray
from baselines.credit.outcomes import Outcomes, mean_rewards_without
from baselines.credit.removals import EXACT_AGENTS, sampled_orders

Teams: TypeAlias = tuple[frozenset[int], ...]


def shapley_credit(outcomes: Outcomes) -> FloatArray:
    """Credit each agent with its marginal contribution, averaged over all orders of joining.

    v(T)         = reward of team T: R[g] for all agents, -1 for none, else a mean of replays
    credit[g, a] = sum over T without a of |T|! (A - |T| - 1)! / A! * (v(T and a) - v(T))

    Args:
        outcomes: One task's group of G rollouts by A agents, or a batch of groups. Reads
            team_rewards R, shape (..., G), and the removed_rewards, shape (..., M) or
            (..., G, M), of the sets that `removals.every_subset` lists.

    Returns:
        Credit, shape (..., G, A), in [-2, 2]. A row sums to R + 1, the gain over the empty team.

    Raises:
        ValueError: If a set of agents that is needed was not removed.

    Note: Up to 6 agents it is exact in v. Beyond, it is the mean over 16 sampled orders, the same
        in every call, and still sums to R + 1; `shapley_with_error` returns its standard error.
        Removals measured for the task are constant in a group: a group-centred advantage cancels
        them, and leaves R / A for every agent.

    Source: Shapley, "A value for n-person games", 1953. Sampling: Castro, Gomez and Tejada,
        "Polynomial calculation of the Shapley value", 2009, with each order also reversed.
    """
    teams, _ = _weights(len(outcomes.agents))
    return np.swapaxes(_mean_weights(len(outcomes.agents)) @ _values(outcomes, teams), -1, -2)


def shapley_with_error(outcomes: Outcomes) -> tuple[FloatArray, FloatArray]:
    """Return `shapley_credit` and its standard error from the sampling of orders.

    standard error = standard deviation over pairs of orders / sqrt(number of pairs)

    Returns:
        Credit and standard error, both of shape (..., G, A). The error is 0 up to 6 agents. It
        does not include the noise of the rewards.

    Raises:
        ValueError: If a set of agents that is needed was not removed.
    """
    teams, weights = _weights(len(outcomes.agents))
    credit = shapley_credit(outcomes)
    num_pairs = len(weights)
    if num_pairs == 1:
        return credit, np.zeros_like(credit)
    samples = weights @ _values(outcomes, teams)[..., None, :, :]  # (..., P, A, G)
    error = samples.std(axis=-3, ddof=1) / np.sqrt(num_pairs)
    return credit, np.swapaxes(error, -1, -2)


def _values(outcomes: Outcomes, teams: Teams) -> FloatArray:
    """Return v, the reward of each team, shape (..., T, G)."""
    return mean_rewards_without(outcomes, _complements(outcomes.agents, teams))


@lru_cache(maxsize=64)
def _complements(agents: tuple[str, ...], teams: Teams) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(agents) - {agents[i] for i in team} for team in teams)


@lru_cache(maxsize=64)
def _weights(num_agents: int) -> tuple[Teams, FloatArray]:
    """Return T teams, and weights of shape (P, A, T): P estimates, each linear in v."""
    if num_agents <= EXACT_AGENTS:
        return _exact_weights(num_agents)
    return _sampled_weights(num_agents)


@lru_cache(maxsize=64)
def _mean_weights(num_agents: int) -> FloatArray:
    _, weights = _weights(num_agents)
    mean: FloatArray = weights.mean(axis=0)  # (A, T)
    return mean


def _exact_weights(num_agents: int) -> tuple[Teams, FloatArray]:
    sizes = range(num_agents + 1)
    teams = [frozenset(team) for size in sizes for team in combinations(range(num_agents), size)]
    weights = np.empty((1, num_agents, len(teams)))
    for column, team in enumerate(teams):
        for agent in range(num_agents):
            joined = len(team) - (agent in team)  # agents that joined before it
            weight = 1.0 / (num_agents * comb(num_agents - 1, joined))
            weights[0, agent, column] = weight if agent in team else -weight
    return tuple(teams), weights


def _sampled_weights(num_agents: int) -> tuple[Teams, FloatArray]:
    orders = sampled_orders(num_agents)
    sizes = range(num_agents + 1)
    grown = [[frozenset(order[:size]) for size in sizes] for order in orders]
    column = {team: i for i, team in enumerate(dict.fromkeys(t for teams in grown for t in teams))}
    weights = np.zeros((len(orders) // 2, num_agents, len(column)))
    for index, (order, teams) in enumerate(zip(orders, grown, strict=True)):
        for agent, before, after in zip(order, teams, teams[1:], strict=False):
            weights[index // 2, agent, column[after]] += 0.5
            weights[index // 2, agent, column[before]] -= 0.5
    return tuple(column), weights
