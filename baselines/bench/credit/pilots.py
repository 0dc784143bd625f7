"""Pilots of exact games, in which the efficiency of credit is known: do the intervals cover it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

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
from baselines.bench.map.mixture import Mixture
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


def mixture_pilot(
    mixture: Mixture, num_groups: int, group_size: int, num_samples: int, rng: np.random.Generator
) -> PilotData:
    """Play a pilot of a mixture: each group is of a kind of task drawn by the weights.

    Args:
        mixture: The tasks; gradients are in the logits of its parameters.
        num_groups: Groups N.
        group_size: Rollouts per group G.
        num_samples: Replays and continuations of each kind M.
        rng: Random generator.
    """
    counts = rng.multinomial(num_groups, mixture.weights)
    parts = []
    for kind, (game, count) in enumerate(zip(mixture.games(), counts.tolist(), strict=True)):
        if count:
            own = pilot_of(game, count, group_size, num_samples, rng)
            assert own.sketches is not None
            by_row = own.sketches.reshape(*own.sketches.shape[:3], *game.policy.shape)
            shared = mixture.on_parameters(kind, by_row.astype(np.float64))
            parts.append(replace(own, sketches=shared.reshape(*shared.shape[:3], -1)))
    if len(parts) == 1:
        return parts[0]
    order = rng.permutation(num_groups)
    outcomes = [outcome for part in parts for outcome in part.outcomes]
    return replace(
        parts[0],
        outcomes=[outcomes[place] for place in order],
        num_tokens=np.concatenate([part.num_tokens for part in parts])[order],
        sketches=np.concatenate([part.sketches for part in parts])[order],
        removed_tokens={
            key: np.concatenate([part.removed_tokens[key] for part in parts])[order]
            for key in parts[0].removed_tokens
        },
        branch_tokens={
            key: np.concatenate([part.branch_tokens[key] for part in parts])[order]
            for key in parts[0].branch_tokens
        },
        rating_tokens=np.zeros(num_groups),
    )


def exact_gradient(mixture: Mixture) -> FloatArray:
    """Return the exact gradient of E[R] in the logits of the parameters, shape (P * C,)."""
    total = sum(
        weight * mixture.on_parameters(kind, game.gradient())
        for kind, (game, weight) in enumerate(zip(mixture.games(), mixture.weights, strict=True))
    )
    return np.asarray(total).reshape(-1)


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
        """Squared signal over noise and tokens; 0 where the gradient points away or is 0."""
        if self.noise <= 0.0:
            return 0.0
        return max(self.along, 0.0) ** 2 / (self.noise * self.tokens)


def true_moments(
    mixture: Mixture,
    variants: Sequence[Variant],
    *,
    group_size: int,
    num_samples: int,
    num_groups: int,
    rng: np.random.Generator,
) -> dict[Variant, Truth]:
    """Return the moments of each variant, with the exact gradient as the true direction."""
    exact = exact_gradient(mixture)
    squares = dict.fromkeys(variants, 0.0)
    means = {variant: np.zeros_like(exact) for variant in variants}
    tokens = dict.fromkeys(variants, 0.0)
    num_chunks = max(1, num_groups // CHUNK)
    for _ in range(num_chunks):
        candidates = Candidates(mixture_pilot(mixture, CHUNK, group_size, num_samples, rng))
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
class Counts:
    """Counts of rows of one kind over many pilots.

    Args:
        rows: Rows of other allocators than the shared reward.
        measurable: Rows that were declared measurable.
        covered: Measurable rows whose interval holds the true efficiency.
        strong: Rows whose true signal is above the stated level; all rows of candidates with the
            expectation of their reference, which need no signal.
        strong_measurable: Of these, those declared measurable.
    """

    rows: int = 0
    measurable: int = 0
    covered: int = 0
    strong: int = 0
    strong_measurable: int = 0

    @property
    def coverage(self) -> float:
        """Share of the measurable rows that are covered."""
        return self.covered / max(1, self.measurable)

    @property
    def power(self) -> float:
        """Share of the rows above the stated level that are measurable."""
        return self.strong_measurable / max(1, self.strong)

    def plus(self, other: Counts) -> Counts:
        """Return the counts of both."""
        names = [own.name for own in fields(self)]
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def add(self, found: Efficiency, true: float, *, is_strong: bool) -> None:
        """Count a row."""
        self.rows += 1
        self.strong += is_strong
        if found.value is None or found.low is None or found.high is None:
            return
        self.measurable += 1
        self.covered += found.low <= true <= found.high
        self.strong_measurable += is_strong


@dataclass(slots=True)
class Coverage:
    """Counts over many pilots, apart for the two ways to measure an efficiency.

    Args:
        like: Rows with the expected gradient of their reference, which need its noise alone.
        projected: Rows with another one, which need the projections onto the true gradient.
        pilots: Pilots.
    """

    like: Counts = field(default_factory=Counts)
    projected: Counts = field(default_factory=Counts)
    pilots: int = 0

    def plus(self, other: Coverage) -> Coverage:
        """Return the counts of both."""
        return Coverage(
            like=self.like.plus(other.like),
            projected=self.projected.plus(other.projected),
            pilots=self.pilots + other.pilots,
        )


def coverage(
    mixture: Mixture,
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

    A projected row is above the stated level if the projections that its ratio needs are expected
    to be at least STATED_SIGNAL_Z standard errors: the root mean square of their errors over the
    pilots.

    Args:
        mixture: The tasks.
        optimizers: Names of optimizers.
        group_sizes: Group sizes, the largest first.
        num_groups: Groups of a pilot.
        num_pilots: Pilots.
        num_samples: Replays and continuations of each kind.
        num_true: Groups for the true values.
        seed: Seed.
    """
    rng, size = np.random.default_rng(seed), group_sizes[0]
    first = Candidates(mixture_pilot(mixture, 8, size, num_samples, rng))
    variants = [
        variant
        for variant in first.variants(tuple(ALLOCATORS), optimizers, group_sizes)
        if variant.num_samples in (0, num_samples, 1)
    ]
    truth = true_moments(
        mixture,
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
        candidates = Candidates(mixture_pilot(mixture, num_groups, size, num_samples, rng))
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
        counts = total.like if is_like else total.projected
        counts.add(row, true, is_strong=is_like or weakest >= STATED_SIGNAL_Z)
    return total


def _expected_z(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the mean projection of many pilots in typical standard errors."""
    along, errors = np.array(pairs).T
    return float(along.mean() / max(1e-12, np.sqrt((errors**2).mean())))
