"""Rows of advice: what a pilot says about each combination of credit, optimizer and sizes."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from baselines.advise.candidates import PLAIN, Candidates, Variant
from baselines.advise.efficiency import Candidate, Comparison, Efficiency, Information, Pilot
from baselines.common.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Row:
    """What a pilot says about one combination of credit, optimizer and sizes.

    Args:
        variant: The combination.
        efficiency: Relative to the shared reward with the same optimizer and group size.
        overall: Relative to the shared reward with the optimizer of the reference and the group
            size of the pilot.
        of_weights: The efficiency of each set of weights alone, by its name; empty unless there
            are several and the variant has the sizes of the pilot.
        degenerate: Whether in every group the advantages of all agents are those of the shared
            reward times a factor.
        correlation: Correlation with the shared advantages; None if either is constant.
        tokens_per_task: Mean of the tokens sampled per task.
        cost_share: Share of these that only the credit needs.
        tested: Its comparisons with the setups that it must beat to be recommended.
    """

    variant: Variant
    efficiency: Efficiency
    overall: Efficiency
    of_weights: Mapping[str, Efficiency]
    degenerate: bool
    correlation: float | None
    tokens_per_task: float
    cost_share: float
    tested: Mapping[Variant, Comparison]


class RowMaker:
    """Makes the rows of a pilot.

    Several optimizers have one advantage up to a factor: their rows are computed once.

    Args:
        candidates: The candidates of the pilot.
        seed: Draws the resamples.
    """

    def __init__(self, candidates: Candidates, seed: int) -> None:
        data, unbiased = candidates.data, candidates.unbiased()
        self.pilot = Pilot(unbiased, expectation=PLAIN, seed=seed)
        self._candidates = candidates
        self._alike: dict[Hashable, Row] = {}
        self._names = data.weights_names if len(data.weights_names) > 1 else ()
        self._largest = data.group_size, data.num_samples
        parts = unbiased.reshape(len(unbiased), len(data.weights_names), -1)
        self._pilots = [
            Pilot(parts[:, place], expectation=PLAIN, seed=seed)
            for place in range(len(self._names))
        ]

    def information(self, variant: Variant) -> Information:
        """Return the statistics of a variant."""
        return self.pilot.information(self._candidates.candidate(variant))

    def rows(
        self, variants: Sequence[Variant], bars: Mapping[Variant, Information]
    ) -> Iterator[Row]:
        """Yield the rows of variants with one reference.

        Args:
            variants: The variants.
            bars: What a variant must beat to be recommended; of the first of them every row holds
                its efficiency.
        """
        reference = variants[0].reference
        shared = self._candidates.candidate(reference)
        of_shared = self.pilot.information(shared)
        of_reference = self._key(reference)
        for variant in variants:
            key = self._key(variant), of_reference
            if key in self._alike:
                yield replace(self._alike[key], variant=variant)
            else:
                self._alike[key] = self._row(variant, shared, of_shared, bars)
                yield self._alike[key]

    def _key(self, variant: Variant) -> Hashable:
        """Return a key that is equal for variants with the same gradients and tokens."""
        values, is_unbiased = self._candidates.advantages(variant)
        factors = None if is_unbiased else self._candidates.factors(variant)
        scaled = values if factors is None else values / factors
        digits = (scaled + 0.0).round(9).tobytes()
        return replace(variant, optimizer=""), is_unbiased, factors is None, hash(digits)

    def _row(
        self,
        variant: Variant,
        shared: Candidate,
        of_shared: Information,
        bars: Mapping[Variant, Information],
    ) -> Row:
        own = self._candidates.candidate(variant)
        known = self.pilot.information(own)
        tokens, extra = self._candidates.tokens(variant), self._candidates.extra_tokens(variant)
        advantages, values = (
            self._candidates.advantages(one)[0] for one in (variant, variant.reference)
        )
        compared = {bar: self.pilot.compare(known, than) for bar, than in bars.items()}
        overall = next(iter(compared.values()))
        return Row(
            variant=variant,
            efficiency=self.pilot.efficiency(known, self.pilot.compare(known, of_shared)),
            overall=self.pilot.efficiency(known, overall),
            of_weights={
                name: _efficiency(pilot, own.part(*place), shared.part(*place))
                for name, pilot, place in self._parts_of(variant)
            },
            degenerate=is_degenerate(advantages, values),
            correlation=_correlation(advantages, values),
            tokens_per_task=float(tokens.mean()),
            cost_share=float(extra.sum() / tokens.sum()),
            tested=compared,
        )

    def _parts_of(self, variant: Variant) -> list[tuple[str, Pilot, tuple[int, int]]]:
        samples = variant.num_samples or self._largest[1]
        if (variant.group_size, samples) != self._largest:
            return []
        places = [(place, len(self._names)) for place in range(len(self._names))]
        return list(zip(self._names, self._pilots, places, strict=True))


def _efficiency(pilot: Pilot, own: Candidate, shared: Candidate) -> Efficiency:
    known = pilot.information(own)
    return pilot.efficiency(known, pilot.compare(known, pilot.information(shared)))


def is_degenerate(values: FloatArray, shared: FloatArray) -> bool:
    """Return whether advantages are in every group and turn those of shared, times a factor.

    Args:
        values: Advantages of K subsamples, shape (K, N, G, T).
        shared: Those of the shared reward with the same optimizer.

    Note: In groups of one rollout any two numbers are multiples, so there the whole step counts as
        one group.
    """
    axes = (1, 2) if values.shape[2] == 1 else 2
    squares = (shared**2).sum(axis=axes, keepdims=True)
    products = (values * shared).sum(axis=axes, keepdims=True)
    factors = np.divide(products, squares, out=np.zeros_like(products), where=squares > 0.0)
    largest = max(1.0, float(np.abs(values).max()))
    return bool(np.abs(values - factors * shared).max() <= 1e-9 * largest)


def _correlation(values: FloatArray, shared: FloatArray) -> float | None:
    one, two = values - values.mean(), shared - shared.mean()
    scale = math.sqrt(float((one**2).sum()) * float((two**2).sum()))
    return max(-1.0, min(1.0, float((one * two).sum()) / scale)) if scale > 0.0 else None
