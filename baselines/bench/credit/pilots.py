"""Many pilots of a game whose efficiencies are known: what is measurable, and is it covered?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from baselines.advise.candidates import PLAIN, REFERENCE, Candidates, Variant
from baselines.advise.efficiency import Efficiency, Pilot
from baselines.advise.measurable import STATED_EFFECTIVE_TASKS, STATED_SIGNAL_Z
from baselines.bench.credit.game_pilots import exact_gradient, mixture_pilot
from baselines.bench.map.mixture import Mixture
from baselines.common.types import FloatArray
from baselines.credit import ALLOCATORS

CHUNK = 2_000
"""Groups measured at once for the true values."""
NUM_RESAMPLES = 400
"""Resamples of each pilot, fewer than `ccpo advise` draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Moments of the gradient of a variant, from many groups.

    Args:
        along: Part of the expected gradient along the exact one, relative to its length.
        noise: Trace of the covariance of a group's gradient.
        tokens: Tokens per group.
        effective_share: Effective groups of the noise over all, (E s)^2 / E s^2 with s the squared
            distance of a group's gradient from its mean.
    """

    along: float
    noise: float
    tokens: float
    effective_share: float

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
    sums: dict[Variant, FloatArray] = dict.fromkeys(variants, np.zeros(4))
    means = {variant: np.zeros_like(exact) for variant in variants}
    num_chunks = max(1, num_groups // CHUNK)
    for _ in range(num_chunks):
        candidates = Candidates(mixture_pilot(mixture, CHUNK, group_size, num_samples, rng))
        for variant in variants:
            own = candidates.candidate(variant)
            mean = own.gradients.mean(axis=(0, 1))
            squares = (own.gradients**2).sum(axis=-1).mean(axis=0)  # (N,)
            spread = squares - 2.0 * own.gradients.mean(axis=0) @ mean + mean @ mean
            moments = squares.mean(), own.num_tokens.mean(), spread.mean(), (spread**2).mean()
            sums[variant] = sums[variant] + np.array(moments) / num_chunks
            means[variant] += mean / num_chunks
    return {
        variant: Truth(
            along=float(means[variant] @ exact / (exact @ exact)),
            noise=float(square - means[variant] @ means[variant]),
            tokens=float(tokens),
            effective_share=float(first**2 / second) if second > 0.0 else 0.0,
        )
        for variant, (square, tokens, first, second) in sums.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotRow:
    """A row of a pilot beside the truth.

    Args:
        variant: The combination of credit, optimizer and sizes.
        found: Its efficiency in the pilot.
        true: Its true efficiency.
        is_like: Whether it has the expected gradient of its reference, and so needs its noise
            alone; else both are projected onto the true gradient.
        is_strong: Whether its true signal is above the stated level.
    """

    variant: Variant
    found: Efficiency
    true: float
    is_like: bool
    is_strong: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of rows over many pilots.

    Args:
        rows: Rows of other allocators than the shared reward.
        measurable: Rows that were declared measurable.
        covered: Measurable rows whose interval holds the true efficiency.
        strong: Rows whose true signal is above the stated level.
        strong_measurable: Of these, those declared measurable.
    """

    rows: int = 0
    measurable: int = 0
    covered: int = 0
    strong: int = 0
    strong_measurable: int = 0

    @classmethod
    def of(cls, rows: Iterable[PilotRow]) -> Counts:
        """Count rows."""
        own = list(rows)
        known = [row for row in own if row.found.value is not None]
        return cls(
            rows=len(own),
            measurable=len(known),
            covered=sum(is_covered(row) for row in known),
            strong=sum(row.is_strong for row in own),
            strong_measurable=sum(row.is_strong for row in known),
        )

    @property
    def coverage(self) -> float | None:
        """Share of the measurable rows that are covered; None without any."""
        return self.covered / self.measurable if self.measurable else None

    @property
    def power(self) -> float | None:
        """Share of the rows above the stated level that are measurable; None without any."""
        return self.strong_measurable / self.strong if self.strong else None


def is_covered(row: PilotRow) -> bool:
    """Return whether the interval of a measurable row holds its true efficiency."""
    low, high = row.found.low, row.found.high
    assert low is not None
    assert high is not None
    return low <= row.true <= high


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
) -> list[PilotRow]:
    """Return the rows of many pilots of a game, beside the true efficiencies.

    A row is above the stated level if the noise of both sides is of at least
    STATED_EFFECTIVE_TASKS tasks in a typical pilot and, where it is projected, the projections that
    its ratio needs are expected to be at least STATED_SIGNAL_Z standard errors: the root mean
    square of their errors over the pilots.

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
    variants = list(first.variants(tuple(ALLOCATORS), optimizers, group_sizes))
    truth = true_moments(
        mixture,
        variants,
        group_size=size,
        num_samples=num_samples,
        num_groups=num_true,
        rng=rng,
    )
    found: list[tuple[Variant, Efficiency, bool]] = []
    projections: dict[Variant, list[tuple[float, float]]] = {own: [] for own in variants}
    for number in range(num_pilots):
        candidates = Candidates(mixture_pilot(mixture, num_groups, size, num_samples, rng))
        pilot = Pilot(
            candidates.unbiased(), expectation=PLAIN, num_resamples=NUM_RESAMPLES, seed=number
        )
        known = {variant: pilot.information(candidates.candidate(variant)) for variant in variants}
        for variant, own in known.items():
            projections[variant].append((own.along, own.along_error))
            if variant.allocator != REFERENCE:
                reference = known[variant.reference]
                row = pilot.efficiency(own, pilot.compare(own, reference))
                found.append((variant, row, own.is_like(reference)))
    expected = {variant: _expected_z(own) for variant, own in projections.items()}
    return [
        PilotRow(
            variant=variant,
            found=row,
            true=truth[variant].level / truth[variant.reference].level,
            is_like=is_like,
            is_strong=all(
                truth[one].effective_share * num_groups >= STATED_EFFECTIVE_TASKS
                and (is_like or expected[one] >= STATED_SIGNAL_Z)
                for one in (variant, variant.reference)
            ),
        )
        for variant, row, is_like in found
    ]


def _expected_z(projections: Sequence[tuple[float, float]]) -> float:
    """Return the mean projection of many pilots in typical standard errors."""
    along, errors = np.array(projections).T
    return float(along.mean() / max(1e-12, np.sqrt((errors**2).mean())))
