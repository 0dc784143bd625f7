"""The figures of the run report, from the logged metrics and the held-out evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import style

from baselines.common.credit_file import CreditRecord
from baselines.common.metrics import MetricRow
from baselines.common.types import FloatArray
from baselines.pages.series import Point, Series, column
from baselines.pages.svg import (
    SETTINGS,
    Plot,
    line,
    marks,
    of_curves,
    panels_of,
    span_steps,
)
from baselines.report.cost_bars import times, tokens
from baselines.report.credit_figures import (
    added,
    credit,
    distribution,
    shares,
    slopes,
    variances,
)
from baselines.report.update_figures import completions, ratings, updates

ACCURACY = "Lines: rollouts of training tasks"
EFFECTS = (
    "Lines: training rollouts that are right where the team is mostly wrong with an agent removed, "
    "and wrong where it is mostly right"
)
MAX_HALF_LABEL = 24
"""Characters of a label that fit into half of the width of a figure."""
HELD_OUT = "Marks: held-out tasks with 95 % intervals"


def plots(
    rows: Sequence[MetricRow],
    *,
    held_out: Mapping[str, Sequence[Point]],
    adds: Mapping[str, Sequence[Point]],
    agents: Sequence[str],
    roles: Sequence[str],
    record: CreditRecord | None,
    without_agent: str,
) -> dict[str, Plot]:
    """Draw all figures with data.

    Args:
        rows: The metrics, one row per step.
        held_out: Points of the curves "joint", "without", "help" and "hurt".
        adds: Points of what each removed agent adds, by its name.
        agents: Names of the agents that get credit, in turn order.
        roles: Names of the policies that were updated.
        record: Credit of the newest groups; None if it was not recorded.
        without_agent: Label of the team with an agent removed, such as "without thinker_0".

    Returns:
        Plots by name; those without data are omitted.
    """
    steps = column(rows, "step")

    def curve(name: str, label: str, metric: str) -> Series:
        return Series(label, column(rows, metric), held_out.get(name, ()))

    accuracy = [
        curve("joint", "whole team", "accuracy/joint"),
        curve("without", without_agent, "accuracy/solo"),
    ]
    effects = [
        curve("help", "only the whole team is right", "credit/help_rate"),
        curve("hurt", f"right only {without_agent}", "credit/hurt_rate"),
    ]
    with style.context(SETTINGS, after_reset=True):  # independent of the user's matplotlib settings
        drawn = {
            "accuracy": _rates("Accuracy", ACCURACY, steps, accuracy),
            "adds": added(steps, adds),
            "effects": _rates("Help and hurt", EFFECTS, steps, effects),
            "credit": credit(rows, steps, agents),
            "share": shares(rows, steps, agents),
            "distribution": distribution(record),
            "slope": slopes(rows, steps, agents),
            "variance": variances(rows, steps, agents),
            "ratings": ratings(rows, steps, agents),
            "roles": updates(rows, steps, roles),
            "completions": completions(rows, steps, agents),
            "tokens": tokens(rows),
            "time": times(rows),
        }
    return {name: plot for name, plot in drawn.items() if plot is not None}


def _rates(title: str, meaning: str, steps: FloatArray, series: Sequence[Series]) -> Plot | None:
    series = [one for one in series if one.points or np.isfinite(one.values).any()]
    if not series:
        return None
    figure, (axes,) = panels_of(1, height=2.5)
    ends = [*steps, *(point.steps for one in series for point in one.points)]
    dodge = 0.007 * max(*ends, 1)  # so that intervals do not overlap
    for index, one in enumerate(series):
        has_line = bool(np.isfinite(one.values).any())
        line(axes, steps, one.values, index, label=one.label)
        label = "held-out tasks" if has_line else f"{one.label}, held out"
        marks(axes, one.points, index, shift=dodge * (2 * index - len(series) + 1), label=label)
    parts = [meaning] if any(np.isfinite(one.values).any() for one in series) else []
    parts += [HELD_OUT] if any(one.points for one in series) else []
    axes.set(xlabel="training step", ylabel="rate", ylim=(-0.02, None))
    if axes.get_ylim()[1] > 0.75:
        axes.set_ylim(top=1.02)
    span_steps(axes, ends)
    figure.legend(loc="outside upper left", ncols=1 if _is_wide(series) else 2)
    return of_curves(title, f"{'. '.join(parts)}.", figure, steps, series)


def _is_wide(series: Sequence[Series]) -> bool:
    """Return whether two labels of a legend do not fit side by side."""
    return max(len(one.label) for one in series) > MAX_HALF_LABEL
