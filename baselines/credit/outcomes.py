"""Measured outcomes of a group of rollouts of one task, the input of every allocator."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from baselines.common.types import BoolArray, FloatArray, IntArray
from baselines.credit.outcome_checks import (
    RemovedRewards,
    check_agents,
    check_branch_rewards,
    check_features,
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
from baselines.credit.turns import columns_of
from ccpo_env.errors import unknown_name

Key = TypeVar("Key", str, frozenset[str])

Measurement: TypeAlias = Literal[
    "removed_rewards", "branch_rewards", "ratings", "features", "own_rewards", "influence", "values"
]
"""A field of GroupOutcomes that needs extra rollouts, turns or computation."""

Orders: TypeAlias = tuple[tuple[int, ...], ...]
"""Orders in which the agents, by their position in speaking order, join the team."""

PER_TURN: tuple[Measurement, ...] = ("features", "own_rewards", "influence", "values")
"""Measurements of shape (G, T): one value per turn of each rollout."""

EMPTY_TEAM_REWARD = -1.0
"""Reward of a team without agents: no answer is wrong."""


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
    ) -> None:
        names = check_agents(agents)
        labels = check_turns(turns, names)
        team = check_team_rewards(team_rewards)
        valid = check_rating_valid(rating_valid, ratings, len(names), len(team))
        fields = {
            "agents": names,
            "team_rewards": team,
            "removed_rewards": check_removed_rewards(removed_rewards, names, len(team)),
            "branch_rewards": check_branch_rewards(branch_rewards, names, labels, len(team)),
            "ratings": check_ratings(ratings, valid, len(names), len(team)),
            "rating_valid": valid,
            "features": check_features(features, len(labels or names), len(team)),
            "turns": labels,
            "orders": check_orders(orders, len(names)),
            "own_rewards": check_own_rewards(own_rewards, len(labels or names), len(team)),
            "influence": check_influence(influence, len(labels or names), len(team)),
            "values": check_values(values, len(labels or names), len(team)),
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


Outcomes: TypeAlias = GroupOutcomes | GroupBatch
"""Input of a credit function. Arrays of a batch have an additional first dimension, `...`."""


def group_by_shape(
    groups: Sequence[GroupOutcomes], needs: frozenset[Measurement]
) -> Iterator[tuple[list[int], GroupBatch]]:
    """Yield batches of groups that have the same team, shapes and measurements.

    Args:
        groups: Any groups.
        needs: The measurements to batch; others are omitted.

    Yields:
        The indices of the batched groups in `groups`, and the batch.
    """
    alike: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        alike.setdefault(_shape(group, needs), []).append(index)
    for where in alike.values():
        yield where, _batched([groups[index] for index in where], needs)


def _shape(group: GroupOutcomes, needs: frozenset[Measurement]) -> Hashable:
    """Return a key that is equal for groups that can be batched."""
    return (
        group.agents,
        group.turns,
        group.orders,
        group.team_rewards.shape,
        _entry_shapes(group.removed_rewards) if "removed_rewards" in needs else None,
        _entry_shapes(group.branch_rewards) if "branch_rewards" in needs else None,
        (group.ratings is None, group.rating_valid is None) if "ratings" in needs else None,
        *(getattr(group, name) is None for name in PER_TURN if name in needs),
    )


def _entry_shapes(entries: Mapping[Key, FloatArray] | None) -> Hashable:
    return entries and frozenset((key, entry.shape) for key, entry in entries.items())


def _batched(groups: list[GroupOutcomes], needs: frozenset[Measurement]) -> GroupBatch:
    removed = [group.removed_rewards for group in groups if group.removed_rewards is not None]
    branches = [group.branch_rewards for group in groups if group.branch_rewards is not None]
    ratings = [group.ratings for group in groups if group.ratings is not None]
    valid = [group.rating_valid for group in groups if group.rating_valid is not None]
    has_ratings = bool(ratings) and "ratings" in needs
    return GroupBatch(
        agents=groups[0].agents,
        team_rewards=np.stack([group.team_rewards for group in groups]),
        removed_rewards=_batched_entries(removed) if "removed_rewards" in needs else None,
        branch_rewards=_batched_entries(branches) if "branch_rewards" in needs else None,
        ratings=np.stack(ratings) if has_ratings else None,
        rating_valid=np.stack(valid) if has_ratings and valid else None,
        features=_stacked(groups, "features", needs),
        own_rewards=_stacked(groups, "own_rewards", needs),
        influence=_stacked(groups, "influence", needs),
        values=_stacked(groups, "values", needs),
        turns=groups[0].turns,
        orders=groups[0].orders,
    )


def _stacked(
    groups: list[GroupOutcomes], name: Measurement, needs: frozenset[Measurement]
) -> Any:  # a float or an integer array
    """Return the arrays of a field of all groups, stacked; None if not needed or not measured."""
    arrays = [getattr(group, name) for group in groups]
    return None if name not in needs or arrays[0] is None else np.stack(arrays)


def _batched_entries(entries: list[Mapping[Key, FloatArray]]) -> dict[Key, FloatArray] | None:
    if not entries:
        return None
    return {key: np.stack([entry[key] for entry in entries]) for key in entries[0]}


def mean_rewards_without(
    outcomes: Outcomes, removals: Sequence[frozenset[str]], *, per_rollout: bool = True
) -> FloatArray:
    """Return the mean reward of the team without each of these sets of agents.

    Args:
        outcomes: A group of G rollouts, or a batch of groups.
        removals: K sets of agents. With none removed, the reward is that of the rollout; with all
            removed, EMPTY_TEAM_REWARD.
        per_rollout: Whether an entry measured on each rollout is averaged over its row, rather
            than over the group. An entry measured for the task has one mean for all rollouts.

    Returns:
        Means, shape (..., K, G), or (..., K, 1) if not per_rollout.

    Raises:
        ValueError: If a removal was not measured.
    """
    team = outcomes.team_rewards
    means = np.empty((*team.shape[:-1], len(removals), team.shape[-1] if per_rollout else 1))
    of_task: dict[int, FloatArray] = {}
    of_rollouts: dict[int, FloatArray] = {}
    for index, removed in enumerate(removals):
        if not removed:
            means[..., index, :] = team
        elif len(removed) == len(outcomes.agents):
            means[..., index, :] = EMPTY_TEAM_REWARD
        else:
            entry = _removed_entry(outcomes, removed)
            if entry.ndim == team.ndim:
                of_task[index] = entry
            elif per_rollout:
                of_rollouts[index] = entry
            else:
                of_task[index] = entry.reshape(*team.shape[:-1], -1)  # (..., G * M)
    if of_task:
        means[..., list(of_task), :] = _row_means(list(of_task.values()))[..., None]
    if of_rollouts:
        rows = _row_means(list(of_rollouts.values()))  # (..., G, k)
        means[..., list(of_rollouts), :] = np.swapaxes(rows, -1, -2)
    return means


def _row_means(entries: list[FloatArray]) -> FloatArray:
    """Return the means over the last axis of k arrays, stacked, shape (..., k)."""
    sizes = np.array([entry.shape[-1] for entry in entries])
    sums = np.add.reduceat(np.concatenate(entries, axis=-1), sizes.cumsum() - sizes, axis=-1)
    means: FloatArray = sums / sizes
    return means


def _removed_entry(outcomes: Outcomes, removed: frozenset[str]) -> FloatArray:
    entries = outcomes.removed_rewards or {}
    if removed not in entries:
        names = ", ".join(repr(agent) for agent in outcomes.agents if agent in removed)
        raise ValueError(
            f"removed_rewards must hold the rewards of the team without {names}, got "
            f"{len(entries)} entries without it; replay the task with this removed, or use the "
            f"allocator 'shared'"
        )
    return entries[removed]


def branch_entries(outcomes: Outcomes) -> list[FloatArray]:
    """Return the rewards of the continuations after each turn but the last, shape (..., G, M).

    Raises:
        ValueError: If the continuations after a turn were not measured.
    """
    return [branch_entry(outcomes, turn) for turn in columns_of(outcomes)[:-1]]


def mean_branch_rewards(outcomes: Outcomes) -> FloatArray:
    """Return the mean reward of the continuations after each of the T turns but the last.

    Returns:
        Means V, shape (..., T - 1, G).

    Raises:
        ValueError: If the continuations after a turn were not measured.
    """
    team = outcomes.team_rewards
    entries = branch_entries(outcomes)
    if not entries:
        return np.empty((*team.shape[:-1], 0, team.shape[-1]))
    return np.swapaxes(_row_means(entries), -1, -2)


def branch_entry(outcomes: Outcomes, turn: str) -> FloatArray:
    """Return the rewards of the continuations after a turn, shape (..., G, M).

    Raises:
        ValueError: If they were not measured.
    """
    entries = outcomes.branch_rewards or {}
    if turn not in entries:
        each = "agent" if outcomes.turns is None else "turn"
        raise ValueError(
            f"branch_rewards must hold the rewards of continuations after each {each} but the "
            f"last, got none after {turn!r}; sample answers with its message and those before "
            f"it kept, or use the allocator 'shared'"
        )
    return entries[turn]
