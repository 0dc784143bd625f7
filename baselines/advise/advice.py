"""Rows of advice from a pilot, and the recommendation that its simultaneous tests support."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from baselines.advise.candidates import PLAIN, REFERENCE, Candidates, Variant
from baselines.advise.efficiency import Candidate, Efficiency, Information, Joint, Pilot
from baselines.advise.pilot_data import PilotData, compacted, scaled_to_noise
from baselines.common.types import FloatArray

LOW_COSINE = 0.9
"""Cosine with the true gradient below which a row has a warning."""
MIN_TASKS_ADVISED = 16
"""Fewest tasks of a pilot that recommends anything but the reference."""


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
    """

    variant: Variant
    efficiency: Efficiency
    overall: Efficiency
    of_weights: Mapping[str, Efficiency]
    degenerate: bool
    correlation: float | None
    tokens_per_task: float
    cost_share: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Advice:
    """The rows of a pilot and what they recommend.

    Args:
        rows: All combinations, those of the reference first.
        reference: The combination that `Row.overall` is relative to.
        best: The recommended combination; the reference if none is significantly better.
        best_shared: The shared reward with the optimizer and group size of the highest estimate.
        than_reference: Efficiency of the best relative to the reference; None if it is that.
        than_shared: Efficiency of another allocator relative to the best shared reward; None if
            that is the reference, or the shared reward is recommended.
        shared: Efficiency of the shared rewards relative to the reference that could be measured.
        num_compared: Comparisons that all these intervals hold for together: those that
            the pilot could measure.
        num_tasks: Tasks of the pilot.
    """

    rows: Sequence[Row]
    reference: Variant
    best: Variant
    best_shared: Variant
    than_reference: Joint | None
    than_shared: Joint | None
    shared: Mapping[Variant, Joint]
    num_compared: int
    num_tasks: int

    @property
    def beats_shared(self) -> bool:
        """Whether another allocator than the shared reward is recommended."""
        return self.best.allocator != REFERENCE

    @property
    def beats_reference(self) -> bool:
        """Whether something is more efficient than the reference."""
        return self.best != self.reference

    @property
    def credit_rows(self) -> list[Row]:
        """The rows with the sizes and the optimizer of the reference: those of the first table."""
        most = max(row.variant.num_samples for row in self.rows)
        return [
            row
            for row in self.rows
            if row.variant.optimizer == self.reference.optimizer
            and row.variant.group_size == self.reference.group_size
            and row.variant.num_samples in (0, most)
        ]

    def row(self, variant: Variant) -> Row:
        """Return the row of a combination."""
        return next(row for row in self.rows if row.variant == variant)


def advise(
    data: PilotData,
    *,
    allocators: Sequence[str],
    optimizers: Sequence[str],
    group_sizes: Sequence[int],
    seed: int = 0,
) -> Advice:
    """Compare all combinations on one pilot.

    Args:
        data: The pilot, with sketches; see `orthogonal_sketches` for one without gradients.
        allocators: Names of allocators; those that need more than was measured are left out.
        optimizers: Names of optimizers, that of the reference first.
        group_sizes: Rollouts per task, at most those of the pilot.
        seed: Draws the resamples.
    """
    data = compacted(data)
    raw = Candidates(data).unbiased().reshape(len(data.outcomes), len(data.weights_names), -1)
    candidates = Candidates(scaled_to_noise(data, raw))
    size = max(group_sizes)
    reference = Variant(REFERENCE, optimizers[0], size)
    names = tuple(dict.fromkeys((REFERENCE, *allocators)))
    comparison = _Comparison(candidates, reference, seed)
    rows: list[Row] = []
    variants = candidates.variants(names, optimizers, group_sizes)
    for _, family in groupby(variants, lambda variant: variant.reference):
        rows += comparison.family(list(family))
    return _recommended(comparison, rows)


class _Comparison:
    """Makes rows, a family of one reference at a time, and keeps what the tests need of each."""

    def __init__(self, candidates: Candidates, reference: Variant, seed: int) -> None:
        data = candidates.data
        self.reference = reference
        self.known: dict[Variant, Information] = {}
        unbiased = candidates.unbiased()
        self.pilot = Pilot(unbiased, expectation=PLAIN, seed=seed)
        self._candidates = candidates
        self._alike: dict[Hashable, Row] = {}
        self._of_reference = self.pilot.information(candidates.candidate(reference))
        self._names = data.weights_names if len(data.weights_names) > 1 else ()
        self._largest = data.group_size, data.num_samples
        parts = unbiased.reshape(len(unbiased), len(data.weights_names), -1)
        self._pilots = [
            Pilot(parts[:, place], expectation=PLAIN, seed=seed)
            for place in range(len(self._names))
        ]

    def family(self, variants: Sequence[Variant]) -> Iterator[Row]:
        """Yield the rows of variants with one reference, which is the first of them.

        Several optimizers have one advantage up to a factor: their rows are computed once.
        """
        shared = self._candidates.candidate(variants[0])
        of_shared = self.pilot.information(shared)
        keys = [self._key(variant) for variant in variants]
        for variant, key in zip(variants, keys, strict=True):
            known = self._alike.get((key, keys[0]))
            if known is None:
                self._alike[key, keys[0]] = row = self._row(variant, shared, of_shared)
            else:
                row = replace(known, variant=variant)
                self.known[variant] = self.known[known.variant]
            yield row

    def _key(self, variant: Variant) -> Hashable:
        """Return a key that is equal for variants with the same gradients and tokens."""
        values, is_unbiased = self._candidates.advantages(variant)
        factors = None if is_unbiased else self._candidates.factors(variant)
        scaled = values if factors is None else values / factors
        digits = (scaled + 0.0).round(9).tobytes()
        return replace(variant, optimizer=""), is_unbiased, factors is None, hash(digits)

    def _row(self, variant: Variant, shared: Candidate, of_shared: Information) -> Row:
        own = self._candidates.candidate(variant)
        known = self.pilot.information(own)
        self.known[variant] = known.slim()
        tokens, extra = self._candidates.tokens(variant), self._candidates.extra_tokens(variant)
        advantages, values = (
            self._candidates.advantages(one)[0] for one in (variant, variant.reference)
        )
        parts = self._parts_of(variant)
        return Row(
            variant=variant,
            efficiency=self.pilot.efficiency(known, of_shared),
            overall=self.pilot.efficiency(known, self._of_reference),
            of_weights={
                name: pilot.efficiency(
                    *[pilot.information(one.part(place, len(parts))) for one in (own, shared)]
                )
                for place, (name, pilot) in enumerate(parts)
            },
            degenerate=is_degenerate(advantages, values),
            correlation=_correlation(advantages, values),
            tokens_per_task=float(tokens.mean()),
            cost_share=float(extra.sum() / tokens.sum()),
        )

    def _parts_of(self, variant: Variant) -> list[tuple[str, Pilot]]:
        samples = variant.num_samples or self._largest[1]
        if (variant.group_size, samples) != self._largest:
            return []
        return list(zip(self._names, self._pilots, strict=True))


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


def _recommended(comparison: _Comparison, rows: Sequence[Row]) -> Advice:
    """Return the advice: the best of those that are significantly better, all tested together.

    Another allocator must be better than the reference and than the best shared reward of any
    optimizer and group size; a shared reward better than the reference.
    """
    pilot, known, reference = comparison.pilot, comparison.known, comparison.reference
    level = {row.variant: row.overall.value or 0.0 for row in rows}
    level[reference] = 1.0
    shared = [variant for variant in known if variant.allocator == REFERENCE]
    best_shared = max(shared, key=lambda variant: level[variant])
    bars = {
        variant: (reference,)
        if variant.allocator == REFERENCE
        else tuple(dict.fromkeys((reference, best_shared)))
        for variant in known
        if variant != reference
    }
    pairs = [(variant, than) for variant in bars for than in bars[variant]]
    tested = dict(
        zip(
            pairs,
            pilot.simultaneous([(known[one], known[than]) for one, than in pairs]),
            strict=True,
        )
    )
    better = [
        variant
        for variant in bars
        if pilot.num_tasks >= MIN_TASKS_ADVISED
        and (variant.allocator != REFERENCE or variant == best_shared)
        and all(is_above(tested[variant, than]) for than in bars[variant])
    ]
    others = [variant for variant in better if variant.allocator != REFERENCE]
    best = max(others or better or [reference], key=lambda variant: level[variant])
    return Advice(
        rows=rows,
        reference=reference,
        best=best,
        best_shared=best_shared,
        than_reference=tested.get((best, reference)),
        than_shared=tested.get((best, best_shared)) if best_shared != reference else None,
        shared={
            one: found
            for (one, _), found in tested.items()
            if found is not None and one.allocator == REFERENCE
        },
        num_compared=sum(own is not None for own in tested.values()),
        num_tasks=pilot.num_tasks,
    )


def is_above(found: Joint | None) -> bool:
    """Return whether an efficiency is significantly above 1."""
    return found is not None and found.low > 1.0 + 1e-9
