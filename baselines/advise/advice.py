"""Rows of advice from a pilot, and the recommendation that its simultaneous tests support."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from baselines.advise.candidates import REFERENCE, Candidates, Variant
from baselines.advise.intervals import Joint, simultaneous
from baselines.advise.pilot_data import PilotData, compacted, scaled_to_noise
from baselines.advise.rows import Row, RowMaker

LOW_COSINE = 0.9
"""Cosine with the true gradient below which a row has a warning."""
MIN_TASKS_ADVISED = 16
"""Fewest tasks of a pilot that recommends anything but the reference."""


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
    variants = candidates.variants(names, optimizers, group_sizes)
    families = [list(own) for _, own in groupby(variants, lambda variant: variant.reference)]
    maker = RowMaker(candidates, seed)
    bars = {reference: maker.information(reference)}
    shared = {first: next(maker.rows([first], bars)) for first, *_ in families}
    best_shared = max(shared, key=lambda variant: _level(shared[variant], reference))
    bars.setdefault(best_shared, maker.information(best_shared))
    rows = []
    for first, *others in families:
        rows += [shared[first], *(maker.rows(others, bars) if others else ())]
    return _recommended(rows, reference, best_shared, num_tasks=maker.pilot.num_tasks)


def _level(row: Row, reference: Variant) -> float:
    """Return the efficiency relative to the reference; 0 where it is not measurable."""
    return 1.0 if row.variant == reference else row.overall.value or 0.0


def _recommended(
    rows: Sequence[Row], reference: Variant, best_shared: Variant, *, num_tasks: int
) -> Advice:
    """Return the advice: the best of those that are significantly better, all tested together.

    Another allocator must be better than the reference and than the best shared reward of any
    optimizer and group size; a shared reward better than the reference.
    """
    compared = {
        (row.variant, than): comparison
        for row in rows
        for than, comparison in row.tested.items()
        if row.variant != reference
    }
    tested = dict(zip(compared, simultaneous(list(compared.values())), strict=True))
    better = [
        row
        for row in rows
        if num_tasks >= MIN_TASKS_ADVISED
        and row.variant != reference
        and (row.variant.allocator != REFERENCE or row.variant == best_shared)
        and all(is_above(tested[row.variant, than]) for than in row.tested)
    ]
    others = [row for row in better if row.variant.allocator != REFERENCE]
    ranked = sorted(others or better, key=lambda row: -_level(row, reference))
    best = ranked[0].variant if ranked else reference
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
        num_tasks=num_tasks,
    )


def is_above(found: Joint | None) -> bool:
    """Return whether an efficiency is significantly above 1."""
    return found is not None and found.low > 1.0 + 1e-9
