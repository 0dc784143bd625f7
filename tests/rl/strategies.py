"""Groups for property tests, and the ways to reorder and rename one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from baselines.credit import GroupOutcomes

NAMES = ("thinker_0", "thinker_1", "solver_0")
TEAM_REWARDS = st.sampled_from([-1.0, 1.0])
# Sums of these are exact in any order, so a mean is zero or not whatever the order.
MEAN_REWARDS = st.sampled_from([-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0])
SHARES = st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0])


@st.composite
def groups(draw: st.DrawFn, *, per_rollout: bool | None = None) -> GroupOutcomes:
    """A group with everything measured, so that every allocator can read it.

    per_rollout: whether removals are (G, M) rather than (M,); None draws it per entry.
    """
    agents = NAMES[-draw(st.integers(2, 3)) :]
    num_rollouts, num_replays = draw(st.integers(2, 5)), draw(st.integers(1, 3))

    def removal() -> np.ndarray:
        on_rollouts = draw(st.booleans()) if per_rollout is None else per_rollout
        shape = (num_rollouts, num_replays) if on_rollouts else (num_replays,)
        return draw(arrays(float, shape, elements=MEAN_REWARDS))

    branch = arrays(float, (num_rollouts, num_replays), elements=MEAN_REWARDS)
    shape = (len(agents), len(agents), num_rollouts)
    return GroupOutcomes(
        agents=agents,
        team_rewards=draw(arrays(float, num_rollouts, elements=TEAM_REWARDS)),
        removed_rewards={removed: removal() for removed in subsets(agents)},
        branch_rewards={agent: draw(branch) for agent in agents},
        ratings=draw(arrays(float, shape, elements=SHARES)),
        rating_valid=draw(arrays(bool, shape[1:])),
        features=draw(arrays(np.int64, (num_rollouts, len(agents)), elements=st.integers(0, 2))),
    )


def subsets(agents: Sequence[str]) -> list[frozenset[str]]:
    """Every set of agents that is not empty and leaves somebody."""
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
    )


def rename_agents(group: GroupOutcomes, names: dict[str, str]) -> GroupOutcomes:
    """The same group with its agents called something else."""
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
    )


def random_group(
    rng: np.random.Generator, *, num_agents: int = 2, per_rollout: bool = False
) -> GroupOutcomes:
    """A group of coin flips in which all agents but the last were removed, one by one."""
    agents = (*(f"thinker_{i}" for i in range(num_agents - 1)), "solver_0")
    num_rollouts, num_replays = rng.integers(2, 9), rng.integers(1, 5)
    shape = (num_rollouts, num_replays) if per_rollout else num_replays
    return GroupOutcomes(
        agents,
        rng.choice([-1.0, 1.0], num_rollouts),
        {agent: rng.choice([-1.0, 1.0], shape) for agent in agents[:-1]},
    )


def measured_group(rng: np.random.Generator, *, num_agents: int | None = None) -> GroupOutcomes:
    """A group of any size with everything measured, by coin flips and dice."""
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
    )


@lru_cache(maxsize=1)
def measured_groups() -> tuple[GroupOutcomes, ...]:
    """10,000 of them, made once."""
    return tuple(measured_group(np.random.default_rng([7, index])) for index in range(10_000))
