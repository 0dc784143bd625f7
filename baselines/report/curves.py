"""Held-out accuracy, and what each agent adds, as points over training.

At most as many evaluations as a figure draws, the first and the last one among them.
"""

from __future__ import annotations

import numpy as np

from baselines.common.stats import Estimate, mean_rate
from baselines.pages.series import Point, spread
from baselines.pages.svg import MAX_MARKS
from baselines.report.held_out import RunRecord
from baselines.report.outcomes import Kind, Outcomes, TaskOutcomes

CURVES: tuple[Kind, ...] = ("joint", "without", "help", "hurt")
"""The quantities with a curve; those of several removals are averaged over them."""


def held_out_points(run: RunRecord) -> dict[str, list[Point]]:
    """Return the held-out rates over the training steps, by quantity."""
    return {
        kind: [
            Point(own.step, found.value, found)
            for own in _shown(run)
            if (found := _average(own, kind)) is not None
        ]
        for kind in CURVES
    }


def added_points(run: RunRecord) -> dict[str, list[Point]]:
    """Return what each removed agent adds over the training steps, with paired intervals.

    Without p-values: so many tests, not adjusted for their number, would find something by chance.
    """
    return {
        removed: [
            Point(
                own.step,
                found.value,
                Estimate(found.value, found.low, found.high, found.num_units),
            )
            for own in _shown(run)
            if (found := own.added(removed)) is not None
        ]
        for removed in run.removals
    }


def _shown(run: RunRecord) -> list[Outcomes]:
    return [run.outcomes[place] for place in spread(len(run.outcomes), MAX_MARKS)]


def _average(own: Outcomes, kind: Kind) -> Estimate | None:
    """Return a rate, averaged within each task over the removals; None if not measured."""
    removals = own.removals if kind != "joint" else ("",)
    if len(removals) == 1:
        return own.estimate(kind, removals[0])
    if not removals or not isinstance(own, TaskOutcomes):
        return None
    rates = [own.values(kind, removed) for removed in removals]
    common = [task for task in rates[0] if all(task in others for others in rates)]
    each = np.array([[values[task] for values in rates] for task in common])  # (N, removals)
    return mean_rate(each.mean(axis=1)) if len(each) else None
