"""The twelve points at which training checks the map."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np

from baselines.bench.map.mixture import Mixture, chain_mixture, vote_mixture
from baselines.bench.map.signal import exact_gradient, expected_reward
from baselines.bench.map.slices import REFERENCE, signal_of
from baselines.bench.map.training import Credit, group_tokens, train
from baselines.common.stats import Estimate, mean_over_seeds
from baselines.common.types import FloatArray

TEAMS_PER_SEED = 16
"""Independent teams of a seed, whose mean is the seed's result."""
STEP_LENGTH = 0.1
"""Root mean square of the length of a step, in logits."""
ERROR_RATE = 0.05
"""Probability that the interval of any of the points misses its difference, at most."""
ASCENT = 0.02
"""Length of a step of exact gradient ascent, in logits."""

Verdict: TypeAlias = Literal["agrees", "cannot tell", "disagrees"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A game in which a credit and the shared reward are trained at equal tokens.

    Args:
        name: Description of the game.
        make: Makes the game.
        credit: The credit.
        reference: The shared reward.
        num_steps: Steps of training.
        groups_per_step: Groups of the costlier method in a step.
    """

    name: str
    make: Callable[[], Mixture]
    credit: Credit
    reference: Credit = REFERENCE
    num_steps: int = 100
    groups_per_step: int = 1


def _replays(allocator: str, samples: int, replay_cost: float = 1.0) -> Credit:
    return Credit(allocator=allocator, samples=samples, replay_cost=replay_cost)


_SINGLE = Credit(optimizer="reinforce_pp", group_size=1)

POINTS = (
    Point(
        name="one thinker, half of the tasks need it",
        make=partial(chain_mixture, 1, need=0.5, skill=0.2),
        credit=_replays("leave_one_out", 1),
    ),
    Point(
        name="two thinkers",
        make=partial(chain_mixture, 2, skill=0.2),
        credit=_replays("branch", 2),
    ),
    Point(
        name="three thinkers, a solver of reliability 0.8",
        make=partial(chain_mixture, 3, reliability=0.8, skill=0.3),
        credit=_replays("last_branch", 4),
    ),
    Point(
        name="two thinkers, replayed messages cost a twentieth",
        make=partial(chain_mixture, 2, skill=0.2),
        credit=_replays("branch", 4, 0.05),
    ),
    Point(
        name="one thinker, a solver that is hardly better than chance",
        make=partial(chain_mixture, 1, reliability=0.55, skill=0.4),
        credit=_replays("branch", 8),
        num_steps=200,
    ),
    Point(
        name="one thinker, one task in five needs it",
        make=partial(chain_mixture, 1, need=0.2, reliability=1.0),
        credit=_SINGLE,
    ),
    Point(
        name="one thinker, one task in ten needs it, half of the others hopeless",
        make=partial(chain_mixture, 1, need=0.1, reliability=1.0, hopeless=0.5),
        credit=replace(_SINGLE, allocator="leave_one_out", group_size=2),
        reference=replace(_SINGLE, group_size=2),
        groups_per_step=8,
    ),
    Point(
        name="two thinkers, half of the other tasks hopeless",
        make=partial(chain_mixture, 2, need=0.3, hopeless=0.5, skill=0.3),
        credit=_SINGLE,
    ),
    Point(
        name="three thinkers, all needed",
        make=partial(chain_mixture, 3, interaction=1.0, skill=0.3),
        credit=Credit(allocator="oracle"),
    ),
    Point(
        name="vote of three",
        make=partial(vote_mixture, 3, skill=0.3),
        credit=Credit(allocator="leave_one_out"),
    ),
    Point(
        name="vote of five",
        make=partial(vote_mixture, 5, skill=0.3),
        credit=Credit(allocator="shapley"),
    ),
    Point(
        name="vote of seven, two answers",
        make=partial(vote_mixture, 7, skill=0.4, num_choices=2),
        credit=Credit(allocator="own_answer"),
    ),
)
"""The points, from regions in which the efficiency is below, near and above 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckKey:
    """What distinguishes the result of a point: its position, and the number of seeds."""

    point: int
    num_seeds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of a point.

    Args:
        key: The point and the number of seeds.
        start: Efficiency before training.
        middle: Efficiency half way; see `half_way`.
        areas: Mean of E[R] over training with the credit, per seed.
        reference_areas: The same with the shared reward.
        seconds: Time that it took.
    """

    key: CheckKey
    start: float
    middle: float
    areas: tuple[float, ...]
    reference_areas: tuple[float, ...]
    seconds: float

    @property
    def difference(self) -> Estimate:
        """Difference of the areas, over seeds, with an interval that holds for all points at once.

        Each interval covers with 1 - ERROR_RATE / number of points (Bonferroni).
        """
        return mean_over_seeds(
            np.array(self.areas) - np.array(self.reference_areas),
            confidence=1.0 - ERROR_RATE / len(POINTS),
        )

    @property
    def verdict(self) -> Verdict:
        """Whether training agrees with the map.

        It agrees where the interval of the difference lies on the side of 0 on which both
        efficiencies lie of 1, and disagrees where it lies on the other side of both. Where it
        contains 0, the seeds are too few for the effect, and training cannot tell; likewise where
        the efficiencies lie on both sides of 1.
        """
        sides = {np.sign(self.start - 1.0), np.sign(self.middle - 1.0)}
        side = int(self.difference.is_above(0.0)) - int(self.difference.is_below(0.0))
        if side == 0 or len(sides) > 1:
            return "cannot tell"
        return "agrees" if side in sides else "disagrees"

    def to_json(self) -> dict[str, Any]:
        """Return the values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Check:
        """Return what `to_json` converted."""
        return cls(
            key=CheckKey(**values["key"]),
            start=values["start"],
            middle=values["middle"],
            areas=tuple(values["areas"]),
            reference_areas=tuple(values["reference_areas"]),
            seconds=values["seconds"],
        )


def run_check(key: CheckKey) -> Check:
    """Train both methods at a point, and compute its efficiencies."""
    began = time.monotonic()
    point = POINTS[key.point]
    mixture = point.make()
    methods = (point.credit, point.reference)
    tokens = point.groups_per_step * max(group_tokens(mixture, credit) for credit in methods)
    curves = [
        train(
            mixture,
            credit,
            key.num_seeds * TEAMS_PER_SEED,
            num_steps=point.num_steps,
            step_tokens=tokens,
            step_length=STEP_LENGTH,
            seed=[key.point],
        )
        for credit in methods
    ]
    own, reference = (_per_seed(curve.mean(axis=1), key.num_seeds) for curve in curves)
    middle = half_way(mixture, float(curves[1].mean(axis=0)[point.num_steps // 2]))
    start, half = (
        signal_of(policy, point.reference).cost / signal_of(policy, point.credit).cost
        for policy in (mixture, middle)
    )
    return Check(
        key=key,
        start=start,
        middle=half,
        areas=own,
        reference_areas=reference,
        seconds=time.monotonic() - began,
    )


def half_way(mixture: Mixture, reward: float) -> Mixture:
    """Return the game at the policy at which exact gradient ascent first reaches this E[R]."""
    logits = np.log(mixture.policy)
    current = mixture
    while expected_reward(current) < reward:
        gradient = exact_gradient(current)
        logits = logits + ASCENT * gradient / np.linalg.norm(gradient)
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        current = mixture.with_policy(weights / weights.sum(axis=-1, keepdims=True))
    return current


def _per_seed(areas: FloatArray, num_seeds: int) -> tuple[float, ...]:
    return tuple(areas.reshape(num_seeds, -1).mean(axis=1).tolist())
