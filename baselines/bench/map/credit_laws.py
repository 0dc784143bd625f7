"""Credit of each allocator as a weighted sum of rewards and replays, whose values are known."""

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
class Term:
    """A quantity that the credit of some agents contains.

    Args:
        values: Its expectation for each outcome of a rollout, shape (..., O).
        weights: Its weight in the credit of each agent, shape (A,).
        samples: Rewards of -1 or +1 whose mean estimates it; 0: it is known.
        num_replayed: Number of messages of one sample.
        is_of_task: Whether the rollouts of a group share the samples.
    """

    values: FloatArray
    weights: FloatArray
    samples: int = 0
    num_replayed: int = 0
    is_of_task: bool = False

    @property
    def variance(self) -> FloatArray:
        """Variance of the estimate for each outcome, shape (..., O)."""
        if not self.samples:
            return np.zeros_like(self.values)
        spread: FloatArray = (1.0 - self.values**2) / self.samples
        return spread


@dataclass(frozen=True, slots=True, eq=False)
class CreditLaw:
    """Credit of the agents of a rollout: the sum of its terms, sampled independently.

    Args:
        terms: The terms.
        centred: Agents whose credit the allocator itself centres on the group.
    """

    terms: tuple[Term, ...]
    centred: frozenset[int] = field(default_factory=frozenset)

    def mean(self, agent: int) -> FloatArray:
        """Return the mean credit of an agent for each outcome, shape (..., O)."""
        parts = [term.weights[agent] * term.values for term in self.terms if term.weights[agent]]
        total: FloatArray = sum(parts, start=np.zeros_like(self.terms[0].values))
        return total

    def variance(self, agent: int, *, is_of_task: bool) -> FloatArray:
        """Return the variance from replays of the rollout, or of its task, shape (..., O)."""
        total = np.zeros_like(self.terms[0].values)
        for term in self.terms:
            if term.is_of_task == is_of_task and term.weights[agent]:
                total = total + term.weights[agent] ** 2 * term.variance
        return total

    def num_replayed(self, group_size: int) -> int:
        """Return the number of replayed messages of a group."""
        return sum(
            term.samples * term.num_replayed * (1 if term.is_of_task else group_size)
            for term in self.terms
        )


LawFunction = Callable[[Enumerated, FloatArray, Sequence[int], int], CreditLaw]
"""(game, policy (..., rows, C), trained agents, replays M of each measurement) -> law."""


def shared(game: Enumerated, table: FloatArray, agents: Sequence[int], samples: int) -> CreditLaw:
    """Return R for each agent."""
    del agents, samples
    return CreditLaw((_reward(game, table, np.ones(game.num_agents)),))


def own_answer(
    game: Enumerated, table: FloatArray, agents: Sequence[int], samples: int
) -> CreditLaw:
    """Return +1 if the agent's own answer is correct, else -1."""
    del samples
    is_correct = np.where(game.whole.choices == CORRECT, 1.0, -1.0)
    unit = np.eye(game.num_agents)
    return CreditLaw(tuple(Term(_spread(is_correct[:, a], table), unit[a]) for a in agents))


def oracle(game: Enumerated, table: FloatArray, agents: Sequence[int], samples: int) -> CreditLaw:
    """Return the exact change in E[R] by each choice, Q - V, which no run knows."""
    del samples
    values = game.prefix_values(table)
    if game.game.reads == "none":
        after = list(np.moveaxis(game.own_values(table), -1, 0))
        before = [values[0]] * game.num_agents
    else:
        after, before = values[1:], values[:-1]
    unit = np.eye(game.num_agents)
    return CreditLaw(tuple(Term(after[agent] - before[agent], unit[agent]) for agent in agents))


def branch(game: Enumerated, table: FloatArray, agents: Sequence[int], samples: int) -> CreditLaw:
    """Return `branch_credit`: differences of M continuations after each turn.

    Note: Agent t needs the continuations after its turn and after the one before.
    """
    last = game.num_agents - 1
    values = game.prefix_values(table)
    terms = [_reward(game, table, np.eye(last + 1)[last])]
    for turn in sorted({turn for agent in agents for turn in (agent, agent - 1)}):
        if 0 <= turn < last:
            weights = np.eye(last + 1)[turn] - np.eye(last + 1)[turn + 1]
            terms.append(Term(values[turn + 1], weights, samples, last - turn))
    return CreditLaw(tuple(terms), frozenset({0}))


def last_branch(
    game: Enumerated, table: FloatArray, agents: Sequence[int], samples: int
) -> CreditLaw:
    """Return `branch_credit` with after "last": M more answers to the messages of a rollout.

    Every thinker gets the mean of the M + 1 rewards, the solver R minus the mean of the others.
    """
    last = game.num_agents - 1
    before = game.prefix_values(table)[last]
    is_last = np.eye(last + 1)[last]
    thinkers = 1.0 - is_last
    reward = _reward(game, table, thinkers / (samples + 1) + is_last)
    answers = Term(before, thinkers * samples / (samples + 1) - is_last, samples, 1)
    return CreditLaw((reward, answers), frozenset(range(last)) & frozenset(agents))


def counterfactual(
    game: Enumerated, table: FloatArray, agents: Sequence[int], samples: int
) -> CreditLaw:
    """Return `counterfactual_credit` up to its group baseline, which an advantage subtracts.

    Note: Of mode "margin"; "event", the default, differs if as many replays are correct as wrong.
    """
    weights = np.ones(game.num_agents)
    removed = [agent for agent in agents if agent < game.num_agents - 1]
    weights[removed] += COUNTERFACTUAL_WEIGHT / 2.0
    nothing = {frozenset({agent}): np.zeros(game.num_agents) for agent in removed}
    return _coalitions(game, table, samples, weights, nothing)


def leave_one_out(
    game: Enumerated, table: FloatArray, agents: Sequence[int], samples: int
) -> CreditLaw:
    """Return R - S, with S the mean of M replays without the agent."""
    weights = {frozenset({agent}): -np.eye(game.num_agents)[agent] for agent in agents}
    return _coalitions(game, table, samples, np.ones(game.num_agents), weights)


def shapley(game: Enumerated, table: FloatArray, agents: Sequence[int], samples: int) -> CreditLaw:
    """Return Shapley values, every coalition played M times."""
    del agents
    num_others = game.num_agents - 1
    sizes = range(game.num_agents)
    weights = [1.0 / (game.num_agents * comb(num_others, size)) for size in sizes]
    return _subsets(game, table, samples, weights)


def banzhaf(game: Enumerated, table: FloatArray, agents: Sequence[int], samples: int) -> CreditLaw:
    """Return Banzhaf values: the mean marginal contribution over all coalitions of the others."""
    del agents
    return _subsets(game, table, samples, [0.5 ** (game.num_agents - 1)] * game.num_agents)


LAWS: Mapping[str, LawFunction] = {
    "shared": shared,
    "counterfactual": counterfactual,
    "leave_one_out": leave_one_out,
    "branch": branch,
    "last_branch": last_branch,
    "shapley": shapley,
    "banzhaf": banzhaf,
    "own_answer": own_answer,
    "oracle": oracle,
}
"""Allocators whose credit depends on the rollout alone, by name; `oracle` is the upper bound."""


def _subsets(
    game: Enumerated, table: FloatArray, samples: int, weights: Sequence[float]
) -> CreditLaw:
    """Return sum over coalitions T without a of weights[|T|] * (v(T and a) - v(T))."""
    everyone = frozenset(range(game.num_agents))
    of_removed = {}
    for size in range(1, game.num_agents):  # the empty team adds a constant
        for removed in map(frozenset, combinations(everyone, size)):
            present = game.num_agents - size
            of_removed[removed] = np.array(
                [-weights[present] if a in removed else weights[present - 1] for a in everyone]
            )
    return _coalitions(game, table, samples, np.full(game.num_agents, weights[-1]), of_removed)


def _coalitions(
    game: Enumerated,
    table: FloatArray,
    samples: int,
    whole: FloatArray,
    weights: Mapping[frozenset[int], FloatArray],
) -> CreditLaw:
    """Return whole * R + sum over removals of weights (A,) * mean reward of M replays."""
    terms = [_reward(game, table, whole)]
    for removed, weight in weights.items():
        num_replayed = game.num_replayed(removed)
        terms.append(
            Term(
                game.coalition_values(table, removed),
                weight,
                samples if num_replayed else 0,
                num_replayed,
                game.is_of_task(removed),
            )
        )
    return CreditLaw(tuple(terms))


def _reward(game: Enumerated, table: FloatArray, weights: FloatArray) -> Term:
    return Term(_spread(game.whole.rewards, table), weights)


def _spread(values: FloatArray, table: FloatArray) -> FloatArray:
    """Return values of the outcomes, shape (O,), for each policy, shape (..., O)."""
    return np.broadcast_to(values, (*table.shape[:-2], len(values)))
