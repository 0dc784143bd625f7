"""Credit that the rewards of the team without an agent allow to compute: see ALLOCATORS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import get_args

import numpy as np

from baselines.audit.rows import Rows, numbered
from baselines.common.types import FloatArray, IntArray
from baselines.credit.counterfactual import Baseline, Mode
from baselines.credit.outcomes import GroupBatch
from baselines.credit.registry import ALLOCATORS, Allocator

OTHERS = "agents that are not in the file"


def credits_of(rows: Rows) -> Iterator[tuple[str, Mapping[str, str], FloatArray]]:
    """Yield the credit of every allocator that needs rewards without agents and nothing else.

    Rewards in [0, 1] are computed with on the scale from -1 to +1, which allocators use, and the
    credit is scaled back.

    Yields:
        The allocator, the hyperparameters that are not its default, and credit of each row, (n,),
        NaN where a reward that it needs was not measured.
    """
    if not rows.removed:
        return
    low, high = _range(rows)
    is_rate = low >= 0.0 and high <= 1.0
    scale, shift = (2.0, -1.0) if is_rate else (1.0, 0.0)
    for name, allocator in ALLOCATORS.items():
        if allocator.needs != {"removed_rewards"} or allocator.new_state is not None:
            continue
        for settings in _settings(allocator):
            credit = _credit(rows, allocator, settings, scale, shift)
            if np.isfinite(credit).any():
                yield name, settings, credit / scale


def _range(rows: Rows) -> tuple[float, float]:
    values = [rows.reward, *rows.removed.values()]
    return min(float(np.nanmin(v)) for v in values), max(float(np.nanmax(v)) for v in values)


def _settings(allocator: Allocator) -> list[dict[str, str]]:
    """Return the choices of an allocator that users make, the default first."""
    choices = {"mode": get_args(Mode), "baseline": get_args(Baseline)}
    own = {name: values for name, values in choices.items() if name in allocator.tunable}
    found = [dict(zip(own, values, strict=True)) for values in product(*own.values())]
    return [
        {name: value for name, value in each.items() if value != allocator.tunable[name].default}
        for each in found
    ]


def _credit(
    rows: Rows, allocator: Allocator, settings: Mapping[str, str], scale: float, shift: float
) -> FloatArray:
    """Return the credit of each row, on the scale of allocators; NaN where it is not known."""
    credit = np.full(len(rows.reward), np.nan)
    group = numbered(rows.group, rows.turn)
    agents = rows.agents
    if frozenset(agents) in rows.removed:  # somebody else is in the team, for it has a reward
        agents = (*agents, OTHERS)
    for place, agent in enumerate(rows.agents):
        own = np.flatnonzero(rows.agent == place)
        alone = frozenset({agent})
        if allocator.own_removals_only and alone not in rows.removed:
            credit[own] = scale * rows.reward[own] + shift  # as of an agent that is never removed
            continue
        sets = {alone: rows.removed[alone]} if allocator.own_removals_only else rows.removed
        is_known = np.all([np.isfinite(values[own]) for values in sets.values()], axis=0)
        given = {"agents": (agent,)} if "agents" in allocator.inputs else {}
        for members in _of_one_size(own[is_known], group[own[is_known]]):
            removed = {team: scale * v[members][..., None] + shift for team, v in sets.items()}
            team = scale * rows.reward[members] + shift  # (N, G)
            batch = GroupBatch(agents=agents, team_rewards=team, removed_rewards=removed)
            try:
                credited = allocator.credit(batch, **settings, **given)  # (N, G, A)
            except ValueError:  # a set of agents that it needs was never removed
                break
            credit[members] = credited[..., place]
    return credit


def _of_one_size(rows: IntArray, group: IntArray) -> Iterator[IntArray]:
    """Yield the rows of all groups of one size, (groups, size), for each size."""
    order = np.argsort(group, kind="stable")
    rows = rows[order]
    sizes = np.unique(group, return_counts=True)[1]
    size_of_row = sizes.repeat(sizes)
    for size in np.unique(sizes):
        yield rows[size_of_row == size].reshape(-1, int(size))
