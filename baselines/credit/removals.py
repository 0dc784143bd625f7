"""The sets of agents that are removed for an allocator, each measured by replays without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations
from typing import TypeAlias

import numpy as np

Removals: TypeAlias = Callable[[tuple[str, ...]], tuple[frozenset[str], ...]]
"""Maps all agents, in speaking order, to the sets to remove; empty if none."""

MAX_SUBSETS_AGENTS = 12
"""Maximum number of agents for which all subsets (4,094) are listed."""

MAX_REPLAYED_AGENTS = 6
"""Maximum number of agents for which all subsets (62) are replayed."""

MIN_ORDERS = 14
"""Minimum number of sampled orders: 7 pairs of an order and its reverse."""


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
    """Every proper subset of the agents, 2 ** A - 2 sets.

    Raises:
        ValueError: If there are more than MAX_SUBSETS_AGENTS agents.
    """
    if len(agents) > MAX_SUBSETS_AGENTS:
        raise ValueError(
            f"agents must be at most {MAX_SUBSETS_AGENTS} to remove every subset, got "
            f"{len(agents)}; sample orders with baselines.credit.removals.balanced_orders"
        )
    sizes = range(1, len(agents))
    return tuple(frozenset(c) for size in sizes for c in combinations(agents, size))


def max_exact_agents(*, are_recounts: bool) -> int:
    """Return the maximum number of agents for which all subsets are measured.

    Args:
        are_recounts: Whether a removal is a recount of votes, which needs no replay.
    """
    return MAX_SUBSETS_AGENTS if are_recounts else MAX_REPLAYED_AGENTS


def balanced_orders(num_agents: int, rng: np.random.Generator) -> tuple[tuple[int, ...], ...]:
    """Return random orders of joining the team, in which each agent has each position as often.

    At least MIN_ORDERS orders: as many random Latin squares as needed. Each order is followed by
    its reverse (antithetic sampling), which reduces the variance of a mean over both. Each order
    alone is uniformly distributed.

    Args:
        num_agents: A, at least 2.
        rng: Random generator.

    Returns:
        Orders, each a permutation of 0 … A - 1; a multiple of A, or of 2 * A if A is odd.
    """
    orders: list[tuple[int, ...]] = []
    while len(orders) < MIN_ORDERS:
        orders += _latin_square(num_agents, rng)
    return tuple(orders)


def _latin_square(num_agents: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Return orders that have each agent once in each position, twice if their number is odd.

    Row i is relabelled(i + steps). With an even number, the steps of mirrored positions differ by
    half of it, so the reverse of a row is another row of the square.
    """
    labels = rng.permutation(num_agents)
    half = num_agents // 2
    if num_agents % 2:
        steps, firsts = rng.permutation(num_agents), range(num_agents)
    else:
        front = rng.permutation(half) + half * rng.integers(2, size=half)
        steps, firsts = np.concatenate([front, (front[::-1] + half) % num_agents]), range(half)
    rows = [labels[(first + steps) % num_agents].tolist() for first in firsts]
    return [tuple(both) for row in rows for both in (row, row[::-1])]


def stages(agents: tuple[str, ...], orders: Sequence[Sequence[int]]) -> tuple[frozenset[str], ...]:
    """Return the agents still missing at each stage of each order, without duplicates."""
    everybody = frozenset(agents)
    grown = (order[:size] for order in orders for size in range(1, len(agents)))
    return tuple(dict.fromkeys(everybody - {agents[i] for i in present} for present in grown))
