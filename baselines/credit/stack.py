"""Groups of one team and shape, stacked, so that their credit is computed at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from baselines.credit.outcomes import GroupOutcomes, IntArray
from baselines.types import BoolArray, FloatArray

Key = TypeVar("Key", str, frozenset[str])

Measurement: TypeAlias = Literal["removed_rewards", "branch_rewards", "ratings", "features"]
"""A field of GroupOutcomes that costs extra rollouts, turns or work to fill."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GroupStack:
    """N groups of one team and shape: the fields of GroupOutcomes, each array with N in front.

    What the allocator does not need is None. Nothing is checked again: GroupOutcomes did.
    """

    agents: tuple[str, ...]
    team_rewards: FloatArray
    removed_rewards: Mapping[frozenset[str], FloatArray] | None = None
    branch_rewards: Mapping[str, FloatArray] | None = None
    ratings: FloatArray | None = None
    rating_valid: BoolArray | None = None
    features: IntArray | None = None


Outcomes: TypeAlias = GroupOutcomes | GroupStack
"""What a credit function reads. Arrays of a stack have one more dimension in front, `...`."""


def stacks_of(
    groups: Sequence[GroupOutcomes], needs: frozenset[Measurement]
) -> Iterator[tuple[list[int], GroupStack]]:
    """Yield stacks of groups that have the same team, shapes and measurements.

    Args:
        groups: Any groups.
        needs: The measurements to stack; the others are left out.

    Yields:
        Where in `groups` the stacked groups stand, and the stack.
    """
    alike: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        alike.setdefault(_shape(group, needs), []).append(index)
    for where in alike.values():
        yield where, _stack([groups[index] for index in where], needs)


def _shape(group: GroupOutcomes, needs: frozenset[Measurement]) -> Hashable:
    """Return what two groups must have in common to be stacked."""
    return (
        group.agents,
        group.team_rewards.shape,
        _entry_shapes(group.removed_rewards) if "removed_rewards" in needs else None,
        _entry_shapes(group.branch_rewards) if "branch_rewards" in needs else None,
        (group.ratings is None, group.rating_valid is None) if "ratings" in needs else None,
        group.features is None if "features" in needs else None,
    )


def _entry_shapes(entries: Mapping[Key, FloatArray] | None) -> Hashable:
    return entries and frozenset((key, entry.shape) for key, entry in entries.items())


def _stack(groups: list[GroupOutcomes], needs: frozenset[Measurement]) -> GroupStack:
    removed = [group.removed_rewards for group in groups if group.removed_rewards is not None]
    branches = [group.branch_rewards for group in groups if group.branch_rewards is not None]
    ratings = [group.ratings for group in groups if group.ratings is not None]
    valid = [group.rating_valid for group in groups if group.rating_valid is not None]
    features = [group.features for group in groups if group.features is not None]
    has_ratings = bool(ratings) and "ratings" in needs
    return GroupStack(
        agents=groups[0].agents,
        team_rewards=np.stack([group.team_rewards for group in groups]),
        removed_rewards=_stack_entries(removed) if "removed_rewards" in needs else None,
        branch_rewards=_stack_entries(branches) if "branch_rewards" in needs else None,
        ratings=np.stack(ratings) if has_ratings else None,
        rating_valid=np.stack(valid) if has_ratings and valid else None,
        features=np.stack(features) if features and "features" in needs else None,
    )


def _stack_entries(entries: list[Mapping[Key, FloatArray]]) -> dict[Key, FloatArray] | None:
    if not entries:
        return None
    return {key: np.stack([entry[key] for entry in entries]) for key in entries[0]}
