"""Measured outcomes of a group of rollouts of one task, the input of every allocator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy.typing as npt

from baselines.common.types import BoolArray, FloatArray, IntArray
from baselines.credit.category_checks import check_features, check_probabilities
from baselines.credit.outcome_checks import (
    RemovedRewards,
    check_agents,
    check_branch_rewards,
    check_influence,
    check_orders,
    check_own_rewards,
    check_rating_valid,
    check_ratings,
    check_removed_rewards,
    check_team_rewards,
    check_turns,
    check_values,
)
from ccpo_env.errors import unknown_name

Measurement: TypeAlias = Literal[
    "removed_rewards", "branch_rewards", "ratings", "features", "own_rewards", "influence", "values"
]
"""A field of GroupOutcomes that needs extra rollouts, turns or computation."""

Orders: TypeAlias = tuple[tuple[int, ...], ...]
"""Orders in which the agents, by their position in speaking order, join the team."""

PER_TURN: tuple[Measurement, ...] = ("features", "own_rewards", "influence", "values")
"""Measurements of shape (G, T): one value per turn of each rollout."""


@dataclass(frozen=True, slots=True, eq=False, init=False)
class GroupOutcomes:
    """A group of G rollouts of one task by A agents, validated, in read-only float64 arrays.

    Every field but the team reward may be None: not measured. `Allocator.needs` lists the fields
    that an allocator reads.

    Args:
        agents: Names of the A agents in speaking order; columns of credit keep this order.
        team_rewards: Reward of each rollout, shape (G,), -1 or +1.
        removed_rewards: Maps a removed agent, or a frozenset of removed agents, to rewards of
            the team without them, in [-1, 1], because means are allowed. Shape (M,) when measured
            M times for the task, (G, M) when measured M times on each rollout. Stored with
            frozensets as keys; an empty mapping is stored as None.
        branch_rewards: Maps an agent, or a turn, to the team rewards of M fresh continuations after
            it, its own rollout excluded, shape (G, M), in [-1, 1].
        ratings: Share of the outcome that rater i assigns to agent j in rollout g, at [i, j, g],
            shape (A, A, G), in [0, 1]; anything from 0 to 1, or NaN, where it is not valid.
        rating_valid: Whether rater i gave a readable rating of rollout g, shape (A, G), bool; None:
            all ratings are valid.
        features: Category of the message in each turn of rollout g, such as its action or a
            cluster, shape (G, T), integers >= 0; categories of different turns are not compared.
        turns: Labels of the T turns in speaking order, ``<agent>#<n>`` for the n-th turn of an
            agent, for a team in which somebody speaks more than once: credit then has a column per
            turn. None: everybody speaks once, T = A, and turns have the names of the agents.
        orders: Orders of joining the team, each a permutation of 0 … A - 1, whose stages are in
            removed_rewards: a sample of all orders, for Shapley credit of many agents.
        own_rewards: Reward of the answer in each turn's own message, as if it alone were the
            answer of the team, shape (G, T), in [-1, 1].
        influence: log-probability of the next message that reads the turn's, minus the same
            without the turn's message in the prompt, shape (G, T), nats; 0 if nobody reads it.
        values: Expected reward of rollout g before turn t, as a critic predicts it, shape (G, T),
            in [-1, 1].
        probabilities: Probability of each of C categories of features when the message was sampled,
            shape (G, T, C); NaN in all places of a turn where they are not known.

    Raises:
        ValueError: If a name, a shape or a number breaks the rules above, or is NaN, other than a
            rating that is not valid.
        TypeError: If a key of removed_rewards is neither an agent nor a frozenset.
    """

    agents: tuple[str, ...]
    team_rewards: FloatArray
    removed_rewards: Mapping[frozenset[str], FloatArray] | None
    branch_rewards: Mapping[str, FloatArray] | None
    ratings: FloatArray | None
    rating_valid: BoolArray | None
    features: IntArray | None
    turns: tuple[str, ...] | None
    orders: Orders | None
    own_rewards: FloatArray | None
    influence: FloatArray | None
    values: FloatArray | None
    probabilities: FloatArray | None

    # Written out because it accepts more types than the fields: lists, and agents as keys.
    def __init__(
        self,
        agents: Sequence[str],
        team_rewards: npt.ArrayLike,
        removed_rewards: RemovedRewards | None = None,
        branch_rewards: Mapping[str, npt.ArrayLike] | None = None,
        ratings: npt.ArrayLike | None = None,
        rating_valid: npt.ArrayLike | None = None,
        features: npt.ArrayLike | None = None,
        turns: Sequence[str] | None = None,
        orders: Sequence[Sequence[int]] | None = None,
        own_rewards: npt.ArrayLike | None = None,
        influence: npt.ArrayLike | None = None,
        values: npt.ArrayLike | None = None,
        probabilities: npt.ArrayLike | None = None,
    ) -> None:
        names = check_agents(agents)
        labels = check_turns(turns, names)
        team = check_team_rewards(team_rewards)
        valid = check_rating_valid(rating_valid, ratings, len(names), len(team))
        categories = check_features(features, len(labels or names), len(team))
        fields = {
            "agents": names,
            "team_rewards": team,
            "removed_rewards": check_removed_rewards(removed_rewards, names, len(team)),
            "branch_rewards": check_branch_rewards(branch_rewards, names, labels, len(team)),
            "ratings": check_ratings(ratings, valid, len(names), len(team)),
            "rating_valid": valid,
            "features": categories,
            "turns": labels,
            "orders": check_orders(orders, len(names)),
            "own_rewards": check_own_rewards(own_rewards, len(labels or names), len(team)),
            "influence": check_influence(influence, len(labels or names), len(team)),
            "values": check_values(values, len(labels or names), len(team)),
            "probabilities": check_probabilities(probabilities, categories),
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)  # the class is frozen from here on

    def without(self, agent: str) -> FloatArray | None:
        """Return the rewards of the team without this one agent, or None if not measured."""
        if agent not in self.agents:
            raise unknown_name("agent", agent, self.agents)
        return (
            None if self.removed_rewards is None else self.removed_rewards.get(frozenset({agent}))
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GroupBatch:
    """N groups of one team and shape: the fields of GroupOutcomes, with N as first dimension.

    Fields that the allocator does not need are None. The arrays were validated by GroupOutcomes.
    """

    agents: tuple[str, ...]
    team_rewards: FloatArray
    removed_rewards: Mapping[frozenset[str], FloatArray] | None = None
    branch_rewards: Mapping[str, FloatArray] | None = None
    ratings: FloatArray | None = None
    rating_valid: BoolArray | None = None
    features: IntArray | None = None
    turns: tuple[str, ...] | None = None
    orders: Orders | None = None
    own_rewards: FloatArray | None = None
    influence: FloatArray | None = None
    values: FloatArray | None = None
    probabilities: FloatArray | None = None


Outcomes: TypeAlias = GroupOutcomes | GroupBatch
"""Input of a credit function. Arrays of a batch have an additional first dimension, `...`."""
