"""What replays cost: mean sampled tokens of those without agents, and of those after a turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baselines.common.types import FloatArray, IntArray
from baselines.rollouts.groups import Group


def removed_tokens(groups: Sequence[Group]) -> dict[frozenset[str], FloatArray]:
    """Return the mean tokens of a replay without each set of agents, in each group."""
    found = {removed: np.zeros(len(groups)) for own in groups[:1] for removed in own.removed}
    for removed, means in found.items():
        for place, group in enumerate(groups):
            means[place] = _mean_tokens(
                [own.num_tokens for own in group.replays if own.removed == removed]
            )
    return found


def branch_tokens(groups: Sequence[Group], turns: Sequence[str]) -> dict[str, FloatArray]:
    """Return the mean tokens of a continuation after each turn, in each group."""
    found = {turn: np.zeros(len(groups)) for own in groups[:1] for turn in own.branches}
    for turn, means in found.items():
        kept = tuple(range(turns.index(turn) + 1))
        for place, group in enumerate(groups):
            means[place] = _mean_tokens(
                [own.num_tokens for own in group.replays if not own.removed and own.kept == kept]
            )
    return found


def _mean_tokens(counts: Sequence[Sequence[int]]) -> float:
    flat: IntArray = np.array([count for own in counts for count in own])
    return float(flat.mean()) if flat.size else 0.0
