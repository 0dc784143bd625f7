"""Paired differences of two teams by task, and of two methods by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baselines.common.evaluation_file import TaskKey
from baselines.common.stats import (
    Difference,
    Estimate,
    PairedDifference,
    differences_to_reference,
    mean_over_seeds,
    mean_rate,
    paired_difference,
)
from baselines.compare.methods import HeldOut
from baselines.compare.moments import Moment, num_samples_of, rates_of

Pair = tuple[Moment, Moment]
"""Of the reference, and of the method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """Two accuracies, and their paired difference.

    Args:
        unit: What they are paired by, "tasks" or "seeds".
        reference: Accuracy of the reference, with its interval; None where a run was not evaluated
            at this moment.
        method: Accuracy of the method; see `reference`.
        difference: Method minus reference. Where one of them is None, only its interval is
            measured: see `_weakest`.
        p_value: Of the test; None where there is none. Where one of them is None, an upper bound.
        test: Name of the test.
        only_reference: Tasks that only the reference solved; None unless each is right or wrong.
        only_method: Tasks that only the method solved.
        seeds_needed: Seeds with which a difference of this size over seeds would be found; None
            where it is unknown.
        num_measured: Tasks that the reference and the method measured, of which the common ones
            are paired; None if paired by seed.
    """

    unit: str
    reference: Estimate | None
    method: Estimate | None
    difference: Estimate
    p_value: float | None
    test: str
    only_reference: int | None = None
    only_method: int | None = None
    seeds_needed: int | None = None
    num_measured: tuple[int, int] | None = None

    @property
    def is_measured(self) -> bool:
        """Whether all runs were evaluated at the moment of the comparison."""
        return self.reference is not None and self.method is not None


def by_task(pair: Pair, tasks: Sequence[TaskKey], *, rng: np.random.Generator) -> Tested:
    """Compare two teams on tasks that both measured.

    Args:
        pair: Evaluations of the two.
        tasks: Measured in all of these evaluations, at least one.
        rng: Random generator of the bootstrap and the sign-flip test.

    Note: See `_weakest` for a run that was not evaluated at this moment.
    """
    found = [
        paired_difference(
            rates_of(one, tasks),
            rates_of(two, tasks),
            rng=rng,
            num_samples=(num_samples_of(one, tasks), num_samples_of(two, tasks)),
        )
        for ((one, two),) in _sides([pair])
    ]
    reference, method = (
        mean_rate(rates_of(moment.before, tasks)) if moment.is_measured else None for moment in pair
    )
    difference, p_value = _weakest(found)
    is_measured = len(found) == 1
    benchmarks = {benchmark for benchmark, _ in tasks}
    one, two = (
        sum(len(benchmarks) > 1 or task[0] in benchmarks for task in moment.tasks())
        for moment in pair
    )
    return Tested(
        unit="tasks",
        reference=reference,
        method=method,
        difference=difference,
        p_value=p_value,
        test="exact McNemar" if found[0].test == "McNemar" else found[0].test,
        only_reference=found[0].only_first if is_measured else None,
        only_method=found[0].only_second if is_measured else None,
        num_measured=(one, two),
    )


def by_seed(pairs: Sequence[Pair]) -> Tested:
    """Compare two methods on the accuracies of their runs, one pair per seed, at least two."""
    found = [_over_seeds(side) for side in _sides(pairs)]
    reference, method = (_mean([pair[side] for pair in pairs]) for side in (0, 1))
    difference, p_value = _weakest(found)
    return Tested(
        unit="seeds",
        reference=reference,
        method=method,
        difference=difference,
        p_value=p_value,
        test="paired t",
        seeds_needed=found[0].seeds_needed if len(found) == 1 else None,
    )


def _mean(moments: Sequence[Moment]) -> Estimate | None:
    """Return the mean accuracy over seeds; None if a run was not evaluated at its moment."""
    if not all(moment.is_measured for moment in moments):
        return None
    values = np.array([moment.before.accuracy for moment in moments])
    return mean_over_seeds(values, bounds=(0.0, 1.0))


def _sides(pairs: Sequence[Pair]) -> list[list[tuple[HeldOut, HeldOut]]]:
    """Return the evaluations to compare; twice, once against and once for the method.

    Against it, its evaluation before the moment is compared with that of the reference after it.
    Once, if all were evaluated at the moment itself.
    """
    against = [(one.after, two.before) for one, two in pairs]
    in_favour = [(one.before, two.after) for one, two in pairs]
    is_measured = all(moment.is_measured for pair in pairs for moment in pair)
    return [against] if is_measured else [against, in_favour]


def _over_seeds(side: Sequence[tuple[HeldOut, HeldOut]]) -> Difference:
    values = {
        name: {seed: pair[place].accuracy for seed, pair in enumerate(side)}
        for place, name in enumerate(("reference", "method"))
    }
    return differences_to_reference(values, lambda _: "reference")["method"]


def _weakest(
    found: Sequence[Difference] | Sequence[PairedDifference],
) -> tuple[Estimate, float | None]:
    """Return the difference with an interval and a p-value that hold for all comparisons.

    If accuracy does not fall between two evaluations of a run, its accuracy between them is at
    least that of the first and at most that of the second. A difference that both of them show is
    therefore one at the moment between them: the interval covers both intervals, and the p-value
    is the larger one, or 1 if the two point in different directions. Where in the interval the
    difference lies was not measured: the value is only its middle, which nothing shows.
    """
    low, high = min(own.low for own in found), max(own.high for own in found)
    value = found[0].value if len(found) == 1 else (low + high) / 2.0
    estimate = Estimate(value, low, high, found[0].num_units)
    p_values = [own.p_value for own in found if own.p_value is not None]
    if len(p_values) < len(found):
        return estimate, None
    is_one_sided = min(own.value for own in found) * max(own.value for own in found) > 0.0
    return estimate, max(p_values) if len(found) == 1 or is_one_sided else 1.0
