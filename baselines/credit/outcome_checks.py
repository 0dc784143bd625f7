"""Validation of the fields of `GroupOutcomes`, once at construction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from baselines.common.checks import expect_between, expect_finite, expect_shape
from baselines.common.types import BoolArray, FloatArray
from baselines.credit.turns import speaker_of, turn_labels
from ccpo_env.errors import unknown_name

RemovedRewards: TypeAlias = (
    Mapping[str, npt.ArrayLike]
    | Mapping[frozenset[str], npt.ArrayLike]
    | Mapping[str | frozenset[str], npt.ArrayLike]
)

UNREADABLE = 0.5
"""Stored in place of a NaN for a rating that is not valid, which no method reads."""

_DROP = "drop the rollouts that were not measured"
_REWARDS = frozenset({-1.0, 1.0})
_VALUES = "clip them to the range of the reward"
_SCALE = "count a correct answer as +1 and a wrong one as -1"
_PER_TURN = "give each turn of each rollout one value"


def check_agents(agents: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the agents."""
    names = () if isinstance(agents, str) else tuple(agents)
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"agents must be one or more different names, got {agents!r}; "
            f'write for example ("thinker_0", "solver_0")'
        )
    return names


def check_turns(turns: Sequence[str] | None, agents: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the labels of the turns."""
    if turns is None:
        return None
    labels = (turns,) if isinstance(turns, str) else tuple(turns)
    speakers = [speaker_of(label) for label in labels]
    if tuple(dict.fromkeys(speakers)) != agents or turn_labels(speakers) != labels:
        raise ValueError(
            f"turns must number the turns of {list(agents)} in speaking order, got "
            f'{list(labels)}; write for example ("debater_0#1", "debater_1#1", "debater_0#2"), or '
            f"leave them out if everybody speaks once"
        )
    return labels


def check_orders(
    orders: Sequence[Sequence[int]] | None, num_agents: int
) -> tuple[tuple[int, ...], ...] | None:
    """Return orders of joining the team."""
    if orders is None:
        return None
    checked = tuple(tuple(map(int, order)) for order in orders)
    wrong = [order for order in checked if sorted(order) != list(range(num_agents))]
    if wrong or not checked:
        got = wrong[0] if wrong else "none"
        raise ValueError(
            f"orders must each hold the numbers 0 to {num_agents - 1} once, got {got}; draw them "
            f"with baselines.credit.removals.balanced_orders"
        )
    return checked


def check_team_rewards(rewards: npt.ArrayLike) -> FloatArray:
    """Return team rewards of shape (G,): +1, -1, or less than 0 for a part of a right answer."""
    team = _floats("team_rewards", rewards)
    if team.ndim == 1 and team.size and _are_rewards(team):
        return team
    is_right = (team == 1.0) | ((team >= -1.0) & (team < 0.0))
    if team.ndim == 1 and team.size and is_right.all():
        return team
    if not is_right.all():
        expect_finite("team_rewards", team, remedy=_DROP)
    expect_shape("team_rewards", team, ("G",), remedy="give one reward per rollout")
    raise ValueError(f"team_rewards must be -1 or +1, got {team[~is_right][0]:g}; {_SCALE}")


def check_removed_rewards(
    removed: RemovedRewards | None, agents: tuple[str, ...], num_rollouts: int
) -> dict[frozenset[str], FloatArray] | None:
    """Return the rewards of the team without each set of agents; None for no entry."""
    if not removed:
        return None
    teams: dict[frozenset[str], str | frozenset[str]] = {}
    for key in removed:
        team = _removed_key(key, agents)
        if team in teams:
            raise ValueError(
                f"removed_rewards must have one entry per set of agents, "
                f"got two for {sorted(team)}; join their rewards into one"
            )
        teams[team] = key
    entries = _alike(list(removed.values()), num_rollouts)
    if entries is None:
        entries = [
            _check_removed(key, rewards, num_rollouts)
            for key, rewards in zip(teams.values(), removed.values(), strict=True)
        ]
    return dict(zip(teams, entries, strict=True))


def _alike(entries: Sequence[npt.ArrayLike], num_rollouts: int) -> list[FloatArray] | None:
    """Return valid entries of one shape, checked at once; None if they are not of that kind.

    A vote of twelve has thousands of entries.
    """
    first = entries[0]
    if not isinstance(first, np.ndarray) or first.ndim != 2 or len(first) != num_rollouts:
        return None
    shape = first.shape
    if not all(
        isinstance(entry, np.ndarray) and entry.dtype == np.float64 and entry.shape == shape
        for entry in entries
    ):
        return None
    stacked = np.stack(entries)
    if not stacked.size or not (stacked.min() >= -1.0 and stacked.max() <= 1.0):
        return None  # the check of each entry says what is wrong
    stacked.setflags(write=False)
    return list(stacked)


def _check_removed(key: object, rewards: npt.ArrayLike, num_rollouts: int) -> FloatArray:
    name = f"removed_rewards[{key!r}]"
    entry = _floats_in(-1.0, 1.0, name, rewards)
    per_rollout = entry.ndim != 1
    expect_shape(
        name,
        entry,
        (num_rollouts, "M") if per_rollout else ("M",),
        remedy="give M rewards for the task, or M for each rollout",
    )
    return entry


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
    branches: Mapping[str, npt.ArrayLike] | None,
    agents: tuple[str, ...],
    turns: tuple[str, ...] | None,
    num_rollouts: int,
) -> dict[str, FloatArray] | None:
    """Return the rewards of the continuations after each turn; None for no entry."""
    known, kind = (agents, "agent") if turns is None else (turns, "turn")
    entries: dict[str, FloatArray] = {}
    for turn, rewards in (branches or {}).items():
        if turn not in known:
            raise unknown_name(kind, turn, known, of="branch_rewards")
        name = f"branch_rewards[{turn!r}]"
        entry = _floats_in(-1.0, 1.0, name, rewards)
        expect_shape(name, entry, (num_rollouts, "M"), remedy="give M rewards for each rollout")
        entries[turn] = entry
    return entries or None


def check_ratings(
    ratings: npt.ArrayLike | None,
    valid: BoolArray | None,
    num_agents: int,
    num_rollouts: int,
) -> FloatArray | None:
    """Return ratings of shape (A, A, G), where a NaN that is not valid is replaced."""
    if ratings is None:
        return None
    # An unreadable rating is no reason to drop a rollout, so this remedy differs.
    remedy = "mark an unreadable rating False in rating_valid"
    if valid is None:
        remedy = "pass rating_valid, with False for an unreadable rating"
    outside = "rate in shares, not in percent"
    shares = _floats("ratings", ratings)
    shape = (num_agents, num_agents, num_rollouts)
    expect_shape("ratings", shares, shape, remedy="order them as raters, agents, rollouts")
    if valid is not None:
        shares = np.where(np.isnan(shares) & ~valid[:, None], UNREADABLE, shares)
    return _floats_in(0.0, 1.0, "ratings", shares, remedy=remedy, outside=outside)


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


def check_own_rewards(
    rewards: npt.ArrayLike | None, num_turns: int, num_rollouts: int
) -> FloatArray | None:
    """Return the rewards of each turn's own answer, shape (G, T)."""
    if rewards is None:
        return None
    own = _floats_in(-1.0, 1.0, "own_rewards", rewards)
    expect_shape("own_rewards", own, (num_rollouts, num_turns), remedy=_PER_TURN)
    return own


def check_influence(
    influence: npt.ArrayLike | None, num_turns: int, num_rollouts: int
) -> FloatArray | None:
    """Return log-probability ratios, shape (G, T), nats."""
    if influence is None:
        return None
    nats = _floats("influence", influence)
    expect_shape("influence", nats, (num_rollouts, num_turns), remedy=_PER_TURN)
    expect_finite("influence", nats, remedy="score messages with tokens of finite log-probability")
    return nats


def check_values(
    values: npt.ArrayLike | None, num_turns: int, num_rollouts: int
) -> FloatArray | None:
    """Return values of shape (G, T)."""
    return None if values is None else expect_values(values, (num_rollouts, num_turns))


def expect_values(values: npt.ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """Return values as numbers; raise ValueError if their shape or a value is invalid."""
    found = _floats("values", values)
    expect_shape("values", found, shape, remedy="give the value before each turn of each rollout")
    return _floats_in(-1.0, 1.0, "values", found, remedy=_VALUES, outside=_VALUES)


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
