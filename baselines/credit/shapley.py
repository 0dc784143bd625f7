"""Shapley credit: marginal contributions, averaged over all orders of joining the team."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb
from typing import TypeAlias

import numpy as np

from baselines.common.types import FloatArray
from baselines.credit.outcomes import Orders, Outcomes, mean_rewards_without
from baselines.credit.removals import MAX_SUBSETS_AGENTS
from baselines.credit.turns import on_turns

Teams: TypeAlias = tuple[frozenset[int], ...]


def shapley_credit(outcomes: Outcomes) -> FloatArray:
    """Credit each agent with its marginal contribution, averaged over all orders of joining.

    v(T)         = reward of team T: R[g] for all agents, -1 for none, else a mean of replays
    credit[g, a] = sum over T without a of |T|! (A - |T| - 1)! / A! * (v(T and a) - v(T))

    Args:
        outcomes: One task's group of G rollouts by A agents, or a batch of groups. Reads
            team_rewards R, shape (..., G), and the removed_rewards, shape (..., M) or
            (..., G, M), of the sets that `removals.every_subset` lists; or, with orders, those
            that `removals.stages` lists.

    Returns:
        Credit, shape (..., G, A), or (..., G, T) with turns, in [-2, 2]. Over agents, a row sums to
        R + 1, the gain over the empty team.

    Raises:
        ValueError: If a set of agents that is needed was not removed, or there are more than 12
            agents and no orders.

    Note: Without orders it is exact in v. With orders, it is the mean over these, an unbiased
        estimate if they are drawn anew for each group or step, such as by
        `removals.balanced_orders`; it still sums to R + 1, and `shapley_with_error` returns its
        standard error. Removals measured for the task are constant in a group: a group-centred
        advantage cancels them, and leaves R / A for every agent.

    Source: Shapley, "A value for n-person games", 1953. Sampling: Castro, Gomez and Tejada,
        "Polynomial calculation of the Shapley value", 2009, with each order also reversed and the
        positions balanced.
    """
    teams, weights = _weights(len(outcomes.agents), outcomes.orders)
    credit = np.swapaxes(weights.mean(axis=0) @ _values(outcomes, teams), -1, -2)
    return on_turns(credit, outcomes)


def shapley_with_error(outcomes: Outcomes) -> tuple[FloatArray, FloatArray]:
    """Return `shapley_credit` and its standard error from the sampling of orders.

    standard error = standard deviation over pairs of orders / sqrt(number of pairs)

    Returns:
        Credit and standard error, both of shape (..., G, A), or (..., G, T) with turns. The error
        is 0 without orders. It does not include the noise of the rewards, and as it ignores that
        the orders are balanced, it is rather too large than too small.

    Raises:
        ValueError: If a set of agents that is needed was not removed.
    """
    teams, weights = _weights(len(outcomes.agents), outcomes.orders)
    credit = shapley_credit(outcomes)
    num_pairs = len(weights)
    if num_pairs == 1:
        return credit, np.zeros_like(credit)
    samples = weights @ _values(outcomes, teams)[..., None, :, :]  # (..., P, A, G)
    error = samples.std(axis=-3, ddof=1) / np.sqrt(num_pairs)
    return credit, on_turns(np.swapaxes(error, -1, -2), outcomes)


def _values(outcomes: Outcomes, teams: Teams) -> FloatArray:
    """Return v, the reward of each team, shape (..., T, G)."""
    return mean_rewards_without(outcomes, _complements(outcomes.agents, teams))


@lru_cache(maxsize=8)
def _complements(agents: tuple[str, ...], teams: Teams) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(agents) - {agents[i] for i in team} for team in teams)


@lru_cache(maxsize=8)
def _weights(num_agents: int, orders: Orders | None) -> tuple[Teams, FloatArray]:
    """Return T teams, and weights of shape (P, A, T): P estimates, each linear in v."""
    return _exact_weights(num_agents) if orders is None else _sampled_weights(num_agents, orders)


def _exact_weights(num_agents: int) -> tuple[Teams, FloatArray]:
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
            weight = 1.0 / (num_agents * comb(num_agents - 1, joined))
            weights[0, agent, column] = weight if agent in team else -weight
    return tuple(teams), weights


def _sampled_weights(num_agents: int, orders: Orders) -> tuple[Teams, FloatArray]:
    sizes = range(num_agents + 1)
    grown = [[frozenset(order[:size]) for size in sizes] for order in orders]
    column = {team: i for i, team in enumerate(dict.fromkeys(t for teams in grown for t in teams))}
    size = 1 if len(orders) % 2 else 2  # of a pair
    weights = np.zeros((len(orders) // size, num_agents, len(column)))
    for index, (order, teams) in enumerate(zip(orders, grown, strict=True)):
        for agent, before, after in zip(order, teams, teams[1:], strict=False):
            weights[index // size, agent, column[after]] += 1.0 / size
            weights[index // size, agent, column[before]] -= 1.0 / size
    return tuple(column), weights
