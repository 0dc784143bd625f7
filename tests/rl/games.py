"""Cooperative games with known values, as test cases of credit: v of every team, by bitmask."""

from __future__ import annotations

from itertools import permutations
from math import factorial

import numpy as np

from baselines.credit import GroupOutcomes


def random_games(rng: np.random.Generator, num_agents: int, *, num_games: int) -> np.ndarray:
    """Values v[game, team], team a bitmask: -1 for the empty team, -1 or +1 for the whole team."""
    games = rng.uniform(-1.0, 1.0, (num_games, 2**num_agents))
    games[:, 0] = -1.0
    games[:, -1] = rng.choice([-1.0, 1.0], num_games)
    return games


def group_of_games(games: np.ndarray, num_agents: int) -> GroupOutcomes:
    """A group whose rollouts are the games: every removal measured once on each rollout."""
    agents = tuple(f"voter_{i}" for i in range(num_agents))
    removed = {
        frozenset(agent for i, agent in enumerate(agents) if not team >> i & 1): games[:, [team]]
        for team in range(1, 2**num_agents - 1)
    }
    return GroupOutcomes(agents, games[:, -1], removed)


def enumerated_leave_one_out(games: np.ndarray, num_agents: int) -> np.ndarray:
    everybody = 2**num_agents - 1
    gains = [games[:, everybody] - games[:, everybody & ~(1 << a)] for a in range(num_agents)]
    return np.stack(gains, axis=1)


def enumerated_shapley(games: np.ndarray, num_agents: int) -> np.ndarray:
    """By definition: the mean marginal contribution over all orders of joining."""
    credit = np.zeros((len(games), num_agents))
    for order in permutations(range(num_agents)):
        team = 0
        for agent in order:
            credit[:, agent] += games[:, team | 1 << agent] - games[:, team]
            team |= 1 << agent
    return credit / factorial(num_agents)


def dividend_shapley(games: np.ndarray, num_agents: int) -> np.ndarray:
    """By Harsanyi dividends, which the members of a team share equally."""
    dividends = games.copy()
    for agent in range(num_agents):
        for team in range(2**num_agents):
            if team >> agent & 1:
                dividends[:, team] -= dividends[:, team & ~(1 << agent)]
    credit = np.zeros((len(games), num_agents))
    for team in range(1, 2**num_agents):
        members = [agent for agent in range(num_agents) if team >> agent & 1]
        credit[:, members] += dividends[:, [team]] / len(members)
    return credit
