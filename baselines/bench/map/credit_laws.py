"""Distribution of each allocator's credit, given what the agents of a rollout chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb

import numpy as np

from baselines.bench.credit.games.vote_game import CORRECT
from baselines.bench.map.enumerated import Enumerated
from baselines.common.types import FloatArray

COUNTERFACTUAL_WEIGHT = 0.2
"""Default of `counterfactual_credit`."""


@dataclass(frozen=True, slots=True, eq=False)
class CreditLaw:
    """Mean and variance of the credit of each agent, for each outcome of a rollout.

    Args:
        mean: Mean over replays, shape (..., O, A).
        own_variance: Variance from replays of this rollout alone, shape (..., O, A).
        task_variance: Variance from replays that a group shares, shape (..., A).
        replayed: Number of replayed messages per group, per rollout: (a, b) for a + b * G.
        centred: Agents whose credit the allocator itself centres on the group.
    """

    mean: FloatArray
    own_variance: FloatArray
    task_variance: FloatArray
    replayed: tuple[float, float] = (0.0, 0.0)
    centred: frozenset[int] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """Which credit is computed, and with how many replays.

    Args:
        samples: Replays M per removal or continuation.
        agents: Positions of the agents that are trained; others need no replays.
    """

    samples: int
    agents: tuple[int, ...]


LawFunction = Callable[[Enumerated, FloatArray, Rules], CreditLaw]


def shared(game: Enumerated, table: FloatArray, rules: Rules) -> CreditLaw:
    """Return R for each agent."""
    del rules
    return _exact(_on_agents(game, table, game.whole.rewards[:, None]))


def own_answer(game: Enumerated, table: FloatArray, rules: Rules) -> CreditLaw:
    """Return +1 if the agent's own answer is correct, else -1."""
    del rules
    return _exact(_on_agents(game, table, np.where(game.whole.choices == CORRECT, 1.0, -1.0)))


def oracle(game: Enumerated, table: FloatArray, rules: Rules) -> CreditLaw:
    """Return the exact change in E[R] by each choice: Q - V, which nobody knows in training."""
    del rules
    if game.game.reads == "none":
        start = game.prefix_values(table)[0]
        return _exact(game.own_values(table) - start[..., None])
    return _exact(np.diff(np.stack(game.prefix_values(table), axis=-1), axis=-1))


def branch(game: Enumerated, table: FloatArray, rules: Rules) -> CreditLaw:
    """Return `branch_credit`: differences of M continuations after each turn."""
    values = np.stack(game.prefix_values(table)[1:], axis=-1)  # (..., O, A), the last is R
    noise = (1.0 - values**2) / rules.samples
    noise[..., -1] = 0.0
    mean = np.diff(values, axis=-1, prepend=0.0)
    variance = noise + np.concatenate([np.zeros_like(noise[..., :1]), noise[..., :-1]], axis=-1)
    # Agent t needs the continuations after its turn and after the one before.
    turns = {turn for agent in rules.agents for turn in (agent, agent - 1)}
    measured = [turn for turn in turns if 0 <= turn < game.num_agents - 1]
    replayed = sum(rules.samples * (game.num_agents - 1 - turn) for turn in measured)
    return CreditLaw(
        mean, variance, np.zeros_like(mean[..., 0, :]), (0.0, replayed), frozenset({0})
    )


def counterfactual(game: Enumerated, table: FloatArray, rules: Rules) -> CreditLaw:
    """Return `counterfactual_credit` up to its group baseline, which an advantage subtracts.

    Note: Of mode "margin"; "event", the default, differs if as many replays are correct as wrong.
    """
    mean = np.repeat(game.whole.rewards[:, None], game.num_agents, axis=1)
    removed = [agent for agent in rules.agents if agent < game.num_agents - 1]
    mean[:, removed] *= 1.0 + COUNTERFACTUAL_WEIGHT / 2.0
    law = _exact(_on_agents(game, table, mean))
    weights = {frozenset({agent}): np.zeros(game.num_agents) for agent in removed}
    return CreditLaw(
        law.mean, law.own_variance, law.task_variance, _replayed(game, weights, rules.samples)
    )


def leave_one_out(game: Enumerated, table: FloatArray, rules: Rules) -> CreditLaw:
    """Return R - S, with S the mean of M replays without the agent."""
    weights = {frozenset({agent}): -np.eye(game.num_agents)[agent] for agent in rules.agents}
    return _coalitions(game, table, rules, np.ones(game.num_agents), weights)


def shapley(game: Enumerated, table: FloatArray, rules: Rules) -> CreditLaw:
    """Return Shapley values, every coalition played M times."""
    num_others = game.num_agents - 1
    sizes = range(game.num_agents)
    weights = [1.0 / (game.num_agents * comb(num_others, size)) for size in sizes]
    return _subsets(game, table, rules, weights)


def banzhaf(game: Enumerated, table: FloatArray, rules: Rules) -> CreditLaw:
    """Return Banzhaf values: the mean marginal contribution over all coalitions of the others."""
    return _subsets(game, table, rules, [0.5 ** (game.num_agents - 1)] * game.num_agents)


LAWS: Mapping[str, LawFunction] = {
    "shared": shared,
    "counterfactual": counterfactual,
    "leave_one_out": leave_one_out,
    "branch": branch,
    "shapley": shapley,
    "banzhaf": banzhaf,
    "own_answer": own_answer,
    "oracle": oracle,
}
"""Allocators whose credit depends on the rollout alone, by name; `oracle` is the upper bound."""


def _subsets(
    game: Enumerated, table: FloatArray, rules: Rules, weights: Sequence[float]
) -> CreditLaw:
    """Return sum over coalitions T without a of weights[|T|] * (v(T and a) - v(T))."""
    everyone = frozenset(range(game.num_agents))
    of_removed = {}
    for size in range(1, game.num_agents + 1):
        for removed in map(frozenset, combinations(everyone, size)):
            present = game.num_agents - size
            of_removed[removed] = np.array(
                [-weights[present] if a in removed else weights[present - 1] for a in everyone]
            )
    whole = np.full(game.num_agents, weights[-1])
    return _coalitions(game, table, rules, whole, of_removed)


def _coalitions(
    game: Enumerated,
    table: FloatArray,
    rules: Rules,
    whole: FloatArray,
    weights: Mapping[frozenset[int], FloatArray],
) -> CreditLaw:
    """Return whole * R + sum over removals of weights (A,) * mean reward of M replays."""
    law = _exact(_on_agents(game, table, game.whole.rewards[:, None] * whole))
    mean, own, task = law.mean.copy(), law.own_variance, law.task_variance
    for removed, weight in weights.items():
        values = game.coalition_values(table, removed)
        mean += values[..., None] * weight
        if game.num_replayed(removed):
            noise = (1.0 - values**2)[..., None] * weight**2 / rules.samples
            if game.is_of_task(removed):
                task = task + noise[..., 0, :]
            else:
                own = own + noise
    return CreditLaw(mean, own, task, _replayed(game, weights, rules.samples))


def _replayed(
    game: Enumerated, removals: Mapping[frozenset[int], FloatArray], samples: int
) -> tuple[float, float]:
    of_task = of_rollout = 0.0
    for removed in removals:
        count = samples * game.num_replayed(removed)
        if game.is_of_task(removed):
            of_task += count
        else:
            of_rollout += count
    return of_task, of_rollout


def _on_agents(game: Enumerated, table: FloatArray, credit: FloatArray) -> FloatArray:
    shape = (*table.shape[:-2], len(game.whole.rewards), game.num_agents)
    return np.broadcast_to(credit, shape)


def _exact(mean: FloatArray) -> CreditLaw:
    return CreditLaw(mean, np.zeros_like(mean), np.zeros_like(mean[..., 0, :]))
