"""Batches of groups that an allocator credits at once, because they have the same shapes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from baselines.common.types import FloatArray
from baselines.credit.category_checks import known_turns
from baselines.credit.outcomes import PER_TURN, GroupBatch, GroupOutcomes, Measurement

Key = TypeVar("Key", str, frozenset[str])


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
        _known_probabilities(group) if "features" in needs else None,
    )


def _entry_shapes(entries: Mapping[Key, FloatArray] | None) -> Hashable:
    return entries and frozenset((key, entry.shape) for key, entry in entries.items())


def _known_probabilities(group: GroupOutcomes) -> Hashable:
    """Return the number of categories, and in which turns their probabilities are known."""
    if group.probabilities is None:
        return None
    _, num_turns, num_categories = group.probabilities.shape
    return num_categories, known_turns(group.probabilities, num_turns).tobytes()


def _batched(groups: list[GroupOutcomes], needs: frozenset[Measurement]) -> GroupBatch:
    removed = [group.removed_rewards for group in groups if group.removed_rewards is not None]
    branches = [group.branch_rewards for group in groups if group.branch_rewards is not None]
    ratings = [group.ratings for group in groups if group.ratings is not None]
    valid = [group.rating_valid for group in groups if group.rating_valid is not None]
    chances = [group.probabilities for group in groups if group.probabilities is not None]
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
        probabilities=np.stack(chances) if chances and "features" in needs else None,
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
