"""Hypothesis strategies for groups, and functions to reorder and rename them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from baselines.credit import GroupOutcomes

NAMES = ("thinker_0", "thinker_1", "solver_0")
MOST_BYTES = 300
"""Size of a group of three agents, five rollouts and three replays."""
TEAM_REWARDS = (-1.0, 1.0)
# Sums of these are exact in any order, so a mean is zero or not whatever the order.
MEAN_REWARDS = (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)
NATS = (-800.0, -0.5, 0.0, 0.5, 800.0)
SHARES = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
ONE_VALUE = 1 / 8
"""Fraction of constant arrays, for which formulas may divide by zero."""


@st.composite
def groups(draw: st.DrawFn, *, per_rollout: bool | None = None) -> GroupOutcomes:
    """Groups with all measurements, so that every allocator can be used.

    Args:
        draw: Draws from a strategy.
        per_rollout: Whether removals have shape (G, M) instead of (M,); None: drawn per entry.

    Note: All arrays are slices of one draw, which is many times faster than one draw each.
    """
    agents = NAMES[-draw(st.integers(2, 3)) :]
    num_rollouts, num_replays = draw(st.integers(2, 5)), draw(st.integers(1, 3))
    left = iter(draw(st.binary(min_size=MOST_BYTES, max_size=MOST_BYTES)))

    def array(values: Sequence[Any], *shape: int) -> NDArray[Any]:
        size = 1 if next(left) >= 256 * (1 - ONE_VALUE) else math.prod(shape)
        drawn = [values[next(left) % len(values)] for _ in range(size)]
        return np.resize(np.array(drawn), shape)

    def removal() -> NDArray[Any]:
        on_rollouts = next(left) % 2 == 1 if per_rollout is None else per_rollout
        return array(
            MEAN_REWARDS, *((num_rollouts, num_replays) if on_rollouts else (num_replays,))
        )

    shape = (len(agents), len(agents), num_rollouts)
    return GroupOutcomes(
        agents=agents,
        team_rewards=array(TEAM_REWARDS, num_rollouts),
        removed_rewards={removed: removal() for removed in subsets(agents)},
        branch_rewards={agent: array(MEAN_REWARDS, num_rollouts, num_replays) for agent in agents},
        ratings=array(SHARES, *shape),
        rating_valid=array((False, True), *shape[1:]),
        features=array((0, 1, 2), num_rollouts, len(agents)),
        own_rewards=array(MEAN_REWARDS, num_rollouts, len(agents)),
        influence=array(NATS, num_rollouts, len(agents)),
        values=array(MEAN_REWARDS, num_rollouts, len(agents)),
    )


def subsets(agents: Sequence[str]) -> list[frozenset[str]]:
    """All non-empty proper subsets of the agents."""
    sizes = range(1, len(agents))
    return [frozenset(removed) for size in sizes for removed in combinations(agents, size)]


def reorder_rollouts(group: GroupOutcomes, order: Sequence[int]) -> GroupOutcomes:
    """The same group with its rollouts listed in another order."""
    index = np.asarray(order)
    return GroupOutcomes(
        group.agents,
        group.team_rewards[index],
        {
            removed: entry if entry.ndim == 1 else entry[index]
            for removed, entry in group.removed_rewards.items()
        },
        {agent: entry[index] for agent, entry in group.branch_rewards.items()},
        group.ratings[:, :, index],
        group.rating_valid[:, index],
        group.features[index],
        own_rewards=group.own_rewards[index],
        influence=group.influence[index],
        values=group.values[index],
    )


def reorder_agents(group: GroupOutcomes, order: Sequence[int]) -> GroupOutcomes:
    """The same group with its agents listed in another order."""
    index = np.asarray(order)
    return GroupOutcomes(
        tuple(group.agents[i] for i in order),
        group.team_rewards,
        group.removed_rewards,
        group.branch_rewards,
        group.ratings[np.ix_(index, index)],
        group.rating_valid[index],
        group.features[:, index],
        own_rewards=group.own_rewards[:, index],
        influence=group.influence[:, index],
        values=group.values[:, index],
    )


def rename_agents(group: GroupOutcomes, names: dict[str, str]) -> GroupOutcomes:
    """The same group with its agents renamed."""
    return GroupOutcomes(
        tuple(names[agent] for agent in group.agents),
        group.team_rewards,
        {
            frozenset(names[agent] for agent in removed): entry
            for removed, entry in group.removed_rewards.items()
        },
        {names[agent]: entry for agent, entry in group.branch_rewards.items()},
        group.ratings,
        group.rating_valid,
        group.features,
        own_rewards=group.own_rewards,
        influence=group.influence,
        values=group.values,
    )


def random_group(
    rng: np.random.Generator, *, num_agents: int = 2, per_rollout: bool = False
) -> GroupOutcomes:
    """A group of random rewards, with removals of each agent but the last."""
    agents = (*(f"thinker_{i}" for i in range(num_agents - 1)), "solver_0")
    num_rollouts, num_replays = rng.integers(2, 9), rng.integers(1, 5)
    shape = (num_rollouts, num_replays) if per_rollout else num_replays
    return GroupOutcomes(
        agents,
        rng.choice([-1.0, 1.0], num_rollouts),
        {agent: rng.choice([-1.0, 1.0], shape) for agent in agents[:-1]},
    )


def measured_group(rng: np.random.Generator, *, num_agents: int | None = None) -> GroupOutcomes:
    """A random group of random size with all measurements."""
    num_agents = num_agents or int(rng.integers(2, 5))
    agents = (*(f"thinker_{i}" for i in range(num_agents - 1)), "solver_0")
    num_rollouts, num_replays = rng.integers(2, 9), rng.integers(1, 5)

    def flips() -> np.ndarray:
        shape = (num_rollouts, num_replays) if rng.integers(2) else (num_replays,)
        return rng.choice([-1.0, 1.0], shape)

    return GroupOutcomes(
        agents,
        rng.choice([-1.0, 1.0], num_rollouts),
        {removed: flips() for removed in subsets(agents)},
        {agent: rng.choice([-1.0, 1.0], (num_rollouts, num_replays)) for agent in agents},
        rng.integers(1, 10, (num_agents, num_agents, num_rollouts)) / 10,
        rng.random((num_agents, num_rollouts)) < 0.9,
        rng.integers(3, size=(num_rollouts, num_agents)),
        own_rewards=rng.choice([-1.0, 1.0], (num_rollouts, num_agents)),
        influence=rng.normal(size=(num_rollouts, num_agents)),
        values=rng.uniform(-1.0, 1.0, (num_rollouts, num_agents)),
    )


@cache
def numbered_group(index: int) -> GroupOutcomes:
    """The random group of that number."""
    return measured_group(np.random.default_rng([7, index]))


def measured_groups(number: int) -> tuple[GroupOutcomes, ...]:
    """The first random groups."""
    return tuple(map(numbered_group, range(number)))
