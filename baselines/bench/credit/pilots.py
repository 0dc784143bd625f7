"""Pilots of exact games, in which the efficiency of credit is known: do the intervals cover it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from baselines.advise.candidates import PLAIN, REFERENCE, Candidates, Variant
from baselines.advise.efficiency import STATED_SIGNAL_Z, Efficiency, Pilot
from baselines.advise.pilot_data import PilotData
from baselines.bench.credit.games.registry import every_removal
from baselines.bench.credit.games.turn_game import (
    FREE,
    TabularGame,
    branch_rewards,
    is_last,
    play,
    removed_rewards,
)
from baselines.common.types import FloatArray, IntArray
from baselines.credit import ALLOCATORS, GroupOutcomes

CHUNK = 2_000
"""Groups measured at once for the true values."""


def pilot_of(
    game: TabularGame, num_groups: int, group_size: int, num_samples: int, rng: np.random.Generator
) -> PilotData:
    """Play a pilot of a tabular game: gradients in all logits, without a sketch.

    Args:
        game: The game; every group is of this one task, and a message is one token.
        num_groups: Groups N.
        group_size: Rollouts per group G.
        num_samples: Replays and continuations of each kind M.
        rng: Random generator.
    """
    choices = play(game, num_groups, group_size, rng)  # (N, G, A)
    drawn = every_removal(game.agents, rng, are_recounts=game.reads == "none")
    removed, removed_tokens = {}, {}
    for without in drawn.removals:
        turns = frozenset(game.agents.index(agent) for agent in without)
        removed[without] = removed_rewards(game, choices, turns, num_samples, rng)
        num_free = (game.without(choices[0, 0], turns) == FREE).sum()
        removed_tokens[without] = np.full(num_groups, float(num_free))
    branches = {
        agent: branch_rewards(game, choices, turn, num_samples, rng)
        for turn, agent in enumerate(game.agents[:-1])
        if game.reads != "none"
    }
    num_agents = len(game.agents)
    own = None
    if game.reads == "none":
        others = [frozenset(range(num_agents)) - {turn} for turn in range(num_agents)]
        own = np.stack([game.reward(game.without(choices, each)) for each in others], axis=-1)
    return PilotData(
        outcomes=[
            GroupOutcomes(
                game.agents,
                rewards,
                removed_rewards={key: entry[place] for key, entry in removed.items()},
                branch_rewards={key: entry[place] for key, entry in branches.items()} or None,
                features=choices[place],
                orders=drawn.orders,
                own_rewards=None if own is None else own[place],
            )
            for place, rewards in enumerate(game.reward(choices))
        ],
        num_tokens=np.ones(choices.shape, dtype=np.int64),
        max_tokens=[1] * num_agents,
        sketches=scores(game, choices),
        weights_of=(0,) * num_agents,
        weights_names=("team",),
        removed_tokens=removed_tokens,
        branch_tokens={
            agent: np.full(num_groups, num_agents - 1.0 - turn)
            for turn, agent in enumerate(branches)
        },
        rating_tokens=np.zeros(num_groups),
        roles=tuple(agent.rpartition("_")[0] for agent in game.agents),
        reads=game.reads,
    )


def scores(game: TabularGame, choices: IntArray) -> FloatArray:
    """Return the gradient of the log-probability of each choice in all logits, (N, G, A, P)."""
    found = np.zeros((*choices.shape, *game.policy.shape))
    groups, rollouts = np.indices(choices.shape[:2])
    for turn in range(choices.shape[-1]):
        rows = game.rows(turn, choices[..., :turn], is_last(choices, turn))
        found[groups, rollouts, turn, rows] = -game.policy[rows]
        found[groups, rollouts, turn, rows, choices[..., turn]] += 1.0
    return found.reshape(*choices.shape, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Moments of the gradient of a variant, from many groups.

    Args:
        along: Part of the expected gradient along the exact one, relative to its length.
        noise: Trace of the covariance of a group's gradient.
        tokens: Tokens per group.
    """

    along: float
    noise: float
    tokens: float

    @property
    def level(self) -> float:
        """Squared signal over noise and tokens; 0 where the gradient points away."""
        return max(self.along, 0.0) ** 2 / (self.noise * self.tokens)


def true_moments(
    game: TabularGame,
    variants: Sequence[Variant],
    *,
    group_size: int,
    num_samples: int,
    num_groups: int,
    rng: np.random.Generator,
) -> dict[Variant, Truth]:
    """Return the moments of each variant, with the exact gradient as the true direction."""
    exact = game.gradient().reshape(-1)
    squares = dict.fromkeys(variants, 0.0)
    means = {variant: np.zeros_like(exact) for variant in variants}
    tokens = dict.fromkeys(variants, 0.0)
    num_chunks = max(1, num_groups // CHUNK)
    for _ in range(num_chunks):
        candidates = Candidates(pilot_of(game, CHUNK, group_size, num_samples, rng))
        for variant in variants:
            own = candidates.candidate(variant)
            squares[variant] += float((own.gradients**2).sum(axis=-1).mean()) / num_chunks
            means[variant] += own.gradients.mean(axis=(0, 1)) / num_chunks
            tokens[variant] += float(own.num_tokens.mean()) / num_chunks
    return {
        variant: Truth(
            along=float(means[variant] @ exact / (exact @ exact)),
            noise=squares[variant] - float(means[variant] @ means[variant]),
            tokens=tokens[variant],
        )
        for variant in variants
    }


@dataclass(slots=True)
class Coverage:
    """Counts over the rows of many pilots.

    Args:
        rows: Rows of other allocators than the shared reward.
        measurable: Rows that were declared measurable.
        covered: Measurable rows whose interval holds the true efficiency.
        strong: Rows whose true signal is above the stated level.
        strong_measurable: Of these, those declared measurable.
        pilots: Pilots.
    """

    rows: int = 0
    measurable: int = 0
    covered: int = 0
    strong: int = 0
    strong_measurable: int = 0
    pilots: int = 0

    @property
    def coverage(self) -> float:
        """Share of the measurable rows that are covered."""
        return self.covered / max(1, self.measurable)

    @property
    def power(self) -> float:
        """Share of the rows above the stated level that are measurable."""
        return self.strong_measurable / max(1, self.strong)

    def plus(self, other: Coverage) -> Coverage:
        """Return the counts of both."""
        names = [field.name for field in fields(self)]
        return Coverage(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def add(self, found: Efficiency, true: float, *, is_strong: bool) -> None:
        """Count a row."""
        self.rows += 1
        self.strong += is_strong
        if found.value is None or found.low is None or found.high is None:
            return
        self.measurable += 1
        self.covered += found.low <= true <= found.high
        self.strong_measurable += is_strong


def coverage(
    game: TabularGame,
    *,
    optimizers: Sequence[str],
    group_sizes: Sequence[int],
    num_groups: int,
    num_pilots: int,
    num_samples: int,
    num_true: int,
    seed: int,
) -> Coverage:
    """Return how many rows of pilots are measurable, and how many of these cover the truth.

    A row is above the stated level if the projections that its ratio needs are expected to be at
    least STATED_SIGNAL_Z standard errors: the root mean square of their errors over the pilots.

    Args:
        game: A game with one task.
        optimizers: Names of optimizers.
        group_sizes: Group sizes, the largest first.
        num_groups: Groups of a pilot.
        num_pilots: Pilots.
        num_samples: Replays and continuations of each kind.
        num_true: Groups for the true values.
        seed: Seed.
    """
    rng, size = np.random.default_rng(seed), group_sizes[0]
    first = Candidates(pilot_of(game, 8, size, num_samples, rng))
    variants = [
        variant
        for variant in first.variants(tuple(ALLOCATORS), optimizers, group_sizes)
        if variant.num_samples in (0, num_samples, 1)
    ]
    truth = true_moments(
        game,
        variants,
        group_size=size,
        num_samples=num_samples,
        num_groups=num_true,
        rng=rng,
    )
    total = Coverage()
    found: list[tuple[Variant, Efficiency, bool]] = []
    errors: dict[Variant, list[tuple[float, float]]] = {variant: [] for variant in variants}
    for number in range(num_pilots):
        candidates = Candidates(pilot_of(game, num_groups, size, num_samples, rng))
        pilot = Pilot(candidates.unbiased(), expectation=PLAIN, num_resamples=400, seed=number)
        known = {variant: pilot.information(candidates.candidate(variant)) for variant in variants}
        for variant, own in known.items():
            errors[variant].append((own.along, own.along_error))
            if variant.allocator != REFERENCE:
                reference = known[variant.reference]
                row = pilot.efficiency(own, reference)
                found.append((variant, row, own.is_like(reference)))
        total.pilots += 1
    expected = {variant: _expected_z(pairs) for variant, pairs in errors.items()}
    for variant, row, is_like in found:
        weakest = min(expected[variant], expected[variant.reference])
        true = truth[variant].level / truth[variant.reference].level
        total.add(row, true, is_strong=is_like or weakest >= STATED_SIGNAL_Z)
    return total


def _expected_z(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the mean projection of many pilots in typical standard errors."""
    along, errors = np.array(pairs).T
    return float(along.mean() / max(1e-12, np.sqrt((errors**2).mean())))
