"""What was measured on one task's group of rollouts: all that an allocator may read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from baselines.shapes import expect_between, expect_finite, expect_shape
from baselines.types import BoolArray, FloatArray
from ccpo_env.errors import unknown_name

RemovedRewards: TypeAlias = (
    Mapping[str, npt.ArrayLike]
    | Mapping[frozenset[str], npt.ArrayLike]
    | Mapping[str | frozenset[str], npt.ArrayLike]
)

IntArray: TypeAlias = npt.NDArray[np.int64]

_DROP = "drop the rollouts that were not measured"
_REWARDS = frozenset({-1.0, 1.0})
_SCALE = "count a correct answer as +1 and a wrong one as -1"


@dataclass(frozen=True, slots=True, eq=False, init=False)
class GroupOutcomes:
    """One task's group of G rollouts by A agents, checked, in read-only float64 arrays.

    Anything but the team reward may be None: not measured. An allocator that needs it says so.

    Args:
        agents: Names of the A agents in speaking order; columns of credit keep this order.
        team_rewards: Reward of each rollout, shape (G,), -1 or +1.
        removed_rewards: From a removed agent, or a frozenset of removed agents, to rewards of
            the team without them, in [-1, 1] so that a mean is allowed. Shape (M,) when measured
            M times for the task, (G, M) when measured M times on each rollout. Stored with
            frozensets as keys; an empty mapping is stored as None.
        branch_rewards: From an agent to the team rewards of M fresh continuations from just
            after its turn, its own rollout excluded, shape (G, M), in [-1, 1].
        ratings: Share of the outcome that rater i gives to agent j in rollout g, at [i, j, g],
            shape (A, A, G), in [0, 1].
        rating_valid: Whether rater i gave a readable rating of rollout g, shape (A, G), bool.
        features: Category of what agent a said in rollout g, such as its action or a cluster of
            its message, shape (G, A), integers >= 0; categories of two agents are not compared.

    Raises:
        ValueError: If a name, a shape or a number breaks the rules above, or is NaN.
        TypeError: If a key of removed_rewards is neither an agent nor a frozenset.
    """

    agents: tuple[str, ...]
    team_rewards: FloatArray
    removed_rewards: Mapping[frozenset[str], FloatArray] | None
    branch_rewards: Mapping[str, FloatArray] | None
    ratings: FloatArray | None
    rating_valid: BoolArray | None
    features: IntArray | None

    # Written out because it takes more than the fields hold: lists, and bare agents as keys.
    def __init__(
        self,
        agents: Sequence[str],
        team_rewards: npt.ArrayLike,
        removed_rewards: RemovedRewards | None = None,
        branch_rewards: Mapping[str, npt.ArrayLike] | None = None,
        ratings: npt.ArrayLike | None = None,
        rating_valid: npt.ArrayLike | None = None,
        features: npt.ArrayLike | None = None,
    ) -> None:
        names = _agents(agents)
        team = _team(team_rewards)
        fields = {
            "agents": names,
            "team_rewards": team,
            "removed_rewards": _removed(removed_rewards, names, len(team)),
            "branch_rewards": _branches(branch_rewards, names, len(team)),
            "ratings": _ratings(ratings, len(names), len(team)),
            "rating_valid": _rating_valid(rating_valid, ratings, len(names), len(team)),
            "features": _features(features, len(names), len(team)),
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)  # the class is frozen from here on

    def without(self, agent: str) -> FloatArray | None:
        """Return the rewards of the team without this one agent, or None if not measured."""
        if agent not in self.agents:
            raise unknown_name("agent", agent, self.agents)
        return (
            None if self.removed_rewards is None else self.removed_rewards.get(frozenset({agent}))
        )


def _agents(agents: Sequence[str]) -> tuple[str, ...]:
    names = () if isinstance(agents, str) else tuple(agents)
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"agents must be one or more different names, got {agents!r}; "
            f'write for example ("thinker_0", "solver_0")'
        )
    return names


def _team(rewards: npt.ArrayLike) -> FloatArray:
    team = _floats("team_rewards", rewards)
    if team.ndim == 1 and team.size and _are_rewards(team):
        return team
    is_right = np.abs(team) == 1.0
    if not is_right.all():
        expect_finite("team_rewards", team, remedy=_DROP)
    expect_shape("team_rewards", team, ("G",), remedy="give one reward per rollout")
    raise ValueError(f"team_rewards must be -1 or +1, got {team[~is_right][0]:g}; {_SCALE}")


def _removed(
    removed: RemovedRewards | None, agents: tuple[str, ...], num_rollouts: int
) -> dict[frozenset[str], FloatArray] | None:
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
        raise unknown_name("a removed agent", min(removed.difference(agents), key=str), agents)
    if not 0 < len(removed) < len(agents):
        raise ValueError(
            f"removed_rewards must remove at least one agent and leave one to answer, "
            f"got {sorted(removed)} of {list(agents)}; leave this entry out"
        )
    return removed


def _branches(
    branches: Mapping[str, npt.ArrayLike] | None, agents: tuple[str, ...], num_rollouts: int
) -> dict[str, FloatArray] | None:
    entries: dict[str, FloatArray] = {}
    for agent, rewards in (branches or {}).items():
        if agent not in agents:
            raise unknown_name("an agent of branch_rewards", agent, agents)
        name = f"branch_rewards[{agent!r}]"
        entry = _floats_in(-1.0, 1.0, name, rewards)
        expect_shape(name, entry, (num_rollouts, "M"), remedy="give M rewards for each rollout")
        entries[agent] = entry
    return entries or None


def _ratings(
    ratings: npt.ArrayLike | None, num_agents: int, num_rollouts: int
) -> FloatArray | None:
    if ratings is None:
        return None
    # An unreadable rating is no reason to lose a rollout, so the advice differs from the rest.
    remedy = "give an unreadable rating any share and mark it False in rating_valid"
    outside = "rate in shares, not in percent"
    shares = _floats_in(0.0, 1.0, "ratings", ratings, remedy=remedy, outside=outside)
    shape = (num_agents, num_agents, num_rollouts)
    expect_shape("ratings", shares, shape, remedy="order them as raters, agents, rollouts")
    return shares


def _rating_valid(
    valid: npt.ArrayLike | None,
    ratings: npt.ArrayLike | None,
    num_agents: int,
    num_rollouts: int,
) -> BoolArray | None:
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


def _features(
    features: npt.ArrayLike | None, num_agents: int, num_rollouts: int
) -> IntArray | None:
    if features is None:
        return None
    categories = expect_categories(np.array(features), (num_rollouts, num_agents))
    categories.setflags(write=False)
    return categories


def expect_categories(features: npt.NDArray[Any], shape: tuple[int, ...]) -> IntArray:
    """Return features as integers, unless their shape or a number is wrong: ValueError."""
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
    # Two comparisons tell that all is well, NaN included; what is not is looked at in detail.
    is_well = _are_rewards(array) or (array.min() >= low and array.max() <= high)
    if not is_well:
        expect_finite(name, array, remedy=remedy)
        expect_between(name, array, low, high, remedy=outside)
    return array


def _are_rewards(array: FloatArray) -> bool:
    """Return whether all numbers are rewards: of few, a set tells it sooner than an array."""
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
