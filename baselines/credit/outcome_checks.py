"""Validation of the fields of `GroupOutcomes`, once at construction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from baselines.common.checks import expect_between, expect_finite, expect_shape
from baselines.common.types import BoolArray, FloatArray, IntArray
from ccpo_env.errors import unknown_name

RemovedRewards: TypeAlias = (
    Mapping[str, npt.ArrayLike]
    | Mapping[frozenset[str], npt.ArrayLike]
    | Mapping[str | frozenset[str], npt.ArrayLike]
)

_DROP = "drop the rollouts that were not measured"
_REWARDS = frozenset({-1.0, 1.0})
_SCALE = "count a correct answer as +1 and a wrong one as -1"


def check_agents(agents: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the agents."""
    names = () if isinstance(agents, str) else tuple(agents)
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"agents must be one or more different names, got {agents!r}; "
            f'write for example ("thinker_0", "solver_0")'
        )
    return names


def check_team_rewards(rewards: npt.ArrayLike) -> FloatArray:
    """Return team rewards of shape (G,)."""
    team = _floats("team_rewards", rewards)
    if team.ndim == 1 and team.size and _are_rewards(team):
        return team
    is_right = np.abs(team) == 1.0
    if not is_right.all():
        expect_finite("team_rewards", team, remedy=_DROP)
    expect_shape("team_rewards", team, ("G",), remedy="give one reward per rollout")
    raise ValueError(f"team_rewards must be -1 or +1, got {team[~is_right][0]:g}; {_SCALE}")


def check_removed_rewards(
    removed: RemovedRewards | None, agents: tuple[str, ...], num_rollouts: int
) -> dict[frozenset[str], FloatArray] | None:
    """Return the rewards of the team without each set of agents; None for no entry."""
    entries: dict[frozenset[str], FloatArray] = {}
    for key, rewards in (removed or {}).items():
        team = _removed_key(key, agents)
        if team in entries:
            raise ValueError(
                f"removed_rewards must have one entry per set of agents, "
                f"got two for {sorted(team)}; join their rewards into one"
            )
        name = f"removed_rewards[{key!r}]"
        entry = _floats_in(-1.0, 1.0, name, rewards)
        per_rollout = entry.ndim != 1
        expect_shape(
            name,
            entry,
            (num_rollouts, "M") if per_rollout else ("M",),
            remedy="give M rewards for the task, or M for each rollout",
        )
        entries[team] = entry
    return entries or None


def _removed_key(key: object, agents: tuple[str, ...]) -> frozenset[str]:
    if not isinstance(key, str | frozenset):
        raise TypeError(
            f"removed_rewards keys must be an agent or a frozenset of agents, got {key!r}; "
            f'write for example frozenset({{"thinker_0"}})'
        )
    removed = frozenset({key}) if isinstance(key, str) else key
    if not removed.issubset(agents):
        unknown = min(removed.difference(agents), key=str)
        raise unknown_name("agent", unknown, agents, of="removed_rewards")
    if not 0 < len(removed) < len(agents):
        raise ValueError(
            f"removed_rewards must remove at least one agent and leave one to answer, "
            f"got {sorted(removed)} of {list(agents)}; leave this entry out"
        )
    return removed


def check_branch_rewards(
    branches: Mapping[str, npt.ArrayLike] | None, agents: tuple[str, ...], num_rollouts: int
) -> dict[str, FloatArray] | None:
    """Return the rewards of the continuations after each agent's turn; None for no entry."""
    entries: dict[str, FloatArray] = {}
    for agent, rewards in (branches or {}).items():
        if agent not in agents:
            raise unknown_name("agent", agent, agents, of="branch_rewards")
        name = f"branch_rewards[{agent!r}]"
        entry = _floats_in(-1.0, 1.0, name, rewards)
        expect_shape(name, entry, (num_rollouts, "M"), remedy="give M rewards for each rollout")
        entries[agent] = entry
    return entries or None


def check_ratings(
    ratings: npt.ArrayLike | None, num_agents: int, num_rollouts: int
) -> FloatArray | None:
    """Return ratings of shape (A, A, G)."""
    if ratings is None:
        return None
    # An unreadable rating is no reason to drop a rollout, so this remedy differs.
    remedy = "give an unreadable rating any share and mark it False in rating_valid"
    outside = "rate in shares, not in percent"
    shares = _floats_in(0.0, 1.0, "ratings", ratings, remedy=remedy, outside=outside)
    shape = (num_agents, num_agents, num_rollouts)
    expect_shape("ratings", shares, shape, remedy="order them as raters, agents, rollouts")
    return shares


def check_rating_valid(
    valid: npt.ArrayLike | None,
    ratings: npt.ArrayLike | None,
    num_agents: int,
    num_rollouts: int,
) -> BoolArray | None:
    """Return flags of shape (A, G)."""
    if valid is None:
        return None
    if ratings is None:
        raise ValueError("rating_valid must come with ratings, got ratings=None; pass both")
    flags = np.array(valid)
    expect_shape(
        "rating_valid", flags, (num_agents, num_rollouts), remedy="order it as raters, rollouts"
    )
    if flags.dtype != np.bool_:
        raise ValueError(f"rating_valid must be bool, got {flags.dtype}; pass True or False")
    flags.setflags(write=False)
    return flags


def check_features(
    features: npt.ArrayLike | None, num_agents: int, num_rollouts: int
) -> IntArray | None:
    """Return categories of shape (G, A)."""
    if features is None:
        return None
    categories = expect_categories(np.array(features), (num_rollouts, num_agents))
    categories.setflags(write=False)
    return categories


def expect_categories(features: npt.NDArray[Any], shape: tuple[int, ...]) -> IntArray:
    """Return features as integers; raise ValueError if their shape or a value is invalid."""
    remedy = "give each agent of each rollout one category"
    expect_shape("features", features, shape, remedy=remedy)
    if features.dtype.kind not in "iu":
        raise ValueError(f"features must be integers, got {features.dtype}; number them from 0")
    if features.min() < 0:
        raise ValueError(f"features must be >= 0, got {features.min()}; number them from 0")
    return features.astype(np.int64)


def _floats_in(
    low: float,
    high: float,
    name: str,
    values: npt.ArrayLike,
    *,
    remedy: str = _DROP,
    outside: str = _SCALE,
) -> FloatArray:
    array = _floats(name, values)
    # Two comparisons detect any invalid value, NaN included; the slower checks find which.
    is_valid = _are_rewards(array) or (array.min() >= low and array.max() <= high)
    if not is_valid:
        expect_finite(name, array, remedy=remedy)
        expect_between(name, array, low, high, remedy=outside)
    return array


def _are_rewards(array: FloatArray) -> bool:
    """Return whether all numbers are -1 or +1; for small arrays a set is faster than numpy."""
    return _REWARDS.issuperset(array.ravel().tolist())


def _floats(name: str, values: npt.ArrayLike) -> FloatArray:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must be an array of numbers, got {values!r}; give every row the same length"
        ) from error
    array.setflags(write=False)
    return array
