"""Exact values of small games, by enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np

from baselines.bench.credit.games.turn_game import FREE, TabularGame, certain, is_last
from baselines.common.types import FloatArray, IntArray

EMPTY_TEAM = -1.0
"""Reward of the empty team: no answer is wrong."""


def outcomes(game: TabularGame) -> tuple[IntArray, FloatArray]:
    """Return all joint choices of the team, shape (C^A, A), and their probabilities, (C^A,)."""
    num_agents, num_choices = len(game.agents), game.policy.shape[1]
    choices = np.array(list(itertools.product(range(num_choices), repeat=num_agents)))
    probability = np.ones(len(choices))
    for turn in range(num_agents):
        rows = game.rows(turn, choices[:, :turn], is_last(choices, turn))
        probability *= game.policy[rows, choices[:, turn]]
    return choices, probability


def expected_reward(game: TabularGame, choices: IntArray) -> float:
    """Return E[R] over the FREE entries of choices, shape (A,)."""
    free = np.flatnonzero(choices == FREE)
    if not len(free):
        return float(game.reward(choices))
    turn = int(free[0])
    row = game.rows(turn, choices[:turn], is_last(choices, turn))
    return sum(
        float(p) * expected_reward(game, np.where(np.arange(len(choices)) == turn, choice, choices))
        for choice, p in enumerate(game.policy[row])
    )


def coalition_value(game: TabularGame, choices: IntArray, removed: frozenset[int]) -> float:
    """Return the value of a rollout's team without some agents, -1 without all of them."""
    if len(removed) == len(game.agents):
        return EMPTY_TEAM
    return expected_reward(game, game.without(choices, removed) if removed else choices)


def marginal_contributions(game: TabularGame, choices: IntArray) -> FloatArray:
    """Return R - v(team without a) of each agent a of one rollout, shape (A,)."""
    reward = coalition_value(game, choices, frozenset())
    return np.array(
        [reward - coalition_value(game, choices, frozenset({a})) for a in range(len(choices))]
    )


def shapley_values(game: TabularGame, choices: IntArray) -> FloatArray:
    """Return the Shapley value of each agent of one rollout, shape (A,).

    phi_a = mean over all orders of joining of v(those before a, and a) - v(those before a)

    Note: The values sum to R - v(empty team) = R + 1.
    """
    num_agents = len(choices)
    everyone = frozenset(range(num_agents))
    value = {
        present: coalition_value(game, choices, everyone - present)
        for size in range(num_agents + 1)
        for present in map(frozenset, itertools.combinations(everyone, size))
    }
    total = np.zeros(num_agents)
    for order in itertools.permutations(range(num_agents)):
        for place, agent in enumerate(order):
            before = frozenset(order[:place])
            total[agent] += value[before | {agent}] - value[before]
    return total / math.factorial(num_agents)


def enumerated_gradient(game: TabularGame) -> FloatArray:
    """Return sum over outcomes of p * R * grad log p, in the logits, shape (rows, C)."""
    choices, probability = outcomes(game)
    weights = probability * game.reward(choices)
    total = np.zeros_like(game.policy)
    for turn in range(len(game.agents)):
        rows = game.rows(turn, choices[:, :turn], is_last(choices, turn))
        np.add.at(total, (rows, choices[:, turn]), weights)
        np.add.at(total, rows, -weights[:, None] * game.policy[rows])
    return total


def prefix_values(game: TabularGame) -> list[FloatArray]:
    """Return E[R | the first k choices] for k = 0 to A, the k-th of shape (C,) * k."""
    num_agents, num_choices = len(game.agents), game.policy.shape[1]
    choices, probability = outcomes(game)
    tree = (num_choices,) * num_agents
    mass = probability.reshape(tree)
    reward = game.reward(choices).reshape(tree)
    values = [reward]
    for turn in reversed(range(num_agents)):
        # E[R | k choices] = sum over the next choice of p(it | them) * E[R | k + 1 choices]
        before = mass.sum(axis=turn)
        values.append((mass * values[-1]).sum(axis=turn) / before)
        mass = before
    return values[::-1]


def prefix_chances(game: TabularGame) -> list[FloatArray]:
    """Return P(a_j = c | the first k choices) for k = 0 to A, each of shape (C,) * k + (A, C)."""
    num_agents, num_choices = len(game.agents), game.policy.shape[1]
    choices, probability = outcomes(game)
    tree = (num_choices,) * num_agents
    mass = probability.reshape(tree)
    # Of the joint probability with each choice, shape (C,) * A + (A, C), the part after a prefix.
    joint = mass[..., None, None] * certain(choices, num_choices).reshape(
        *tree, num_agents, num_choices
    )
    chances = [joint / mass[..., None, None]]
    for turn in reversed(range(num_agents)):
        joint, mass = joint.sum(axis=turn), mass.sum(axis=turn)
        chances.append(joint / mass[..., None, None])
    return chances[::-1]


def marginal_values(game: TabularGame) -> FloatArray:
    """Return E[R | a's choice is c], shape (A, C), for agents that choose independently."""
    num_agents, num_choices = len(game.agents), game.policy.shape[1]
    choices, probability = outcomes(game)
    weights = probability * game.reward(choices)
    values = np.empty((num_agents, num_choices))
    for agent, choice in np.ndindex(values.shape):
        chosen = choices[:, agent] == choice
        values[agent, choice] = weights[chosen].sum() / probability[chosen].sum()
    return values
