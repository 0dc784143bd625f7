"""The sets of agents that are removed for an allocator, each measured by replays without them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import combinations
from typing import TypeAlias

import numpy as np

Removals: TypeAlias = Callable[[tuple[str, ...]], tuple[frozenset[str], ...]]
"""Maps all agents, in speaking order, to the sets to remove; empty if none."""

EXACT_AGENTS = 6
"""Maximum number of agents for which all subsets (62) are replayed; else orders are sampled."""

NUM_ORDERS = 16
"""Number of sampled orders: 8 pairs of an order and its reverse."""


def no_removals(agents: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    """No removals."""
    del agents
    return ()


def each_but_the_last(agents: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    """Each agent alone, except the one that answers."""
    return each_agent(agents)[:-1]


def each_agent(agents: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    """Each agent alone; none if there is only one."""
    return tuple(frozenset({agent}) for agent in agents) if len(agents) > 1 else ()


@lru_cache(maxsize=64)
def every_subset(agents: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    """Every proper subset of the agents, or a sample of these.

    Up to EXACT_AGENTS agents: all 2 ** A - 2 sets. Beyond: the agents still missing at each stage
    of each order of `sampled_orders`, at most NUM_ORDERS * (A - 1) sets.
    """
    if len(agents) > EXACT_AGENTS:
        grown = (order[:size] for order in sampled_orders(len(agents)) for size in _sizes(agents))
        missing = (frozenset(agents) - {agents[i] for i in present} for present in grown)
        return tuple(dict.fromkeys(missing))
    return tuple(frozenset(c) for size in _sizes(agents) for c in combinations(agents, size))


@lru_cache(maxsize=64)
def sampled_orders(num_agents: int) -> tuple[tuple[int, ...], ...]:
    """Return NUM_ORDERS orders of joining the team, the same ones in every process.

    Each order is followed by its reverse (antithetic sampling), which reduces the variance of a
    mean over both.
    """
    rng = np.random.default_rng([num_agents])
    drawn = [tuple(rng.permutation(num_agents).tolist()) for _ in range(NUM_ORDERS // 2)]
    return tuple(both for order in drawn for both in (order, order[::-1]))


def _sizes(agents: tuple[str, ...]) -> range:
    return range(1, len(agents))
