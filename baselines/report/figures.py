"""The figures of the run report, from the logged metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from baselines.common.credit_file import CreditRecord
from baselines.common.metrics import MetricRow
from baselines.common.types import FloatArray
from baselines.pages.series import (
    Point,
    Series,
    column,
    number_text,
)
from baselines.pages.svg import (
    SETTINGS,
    Plot,
    left_out,
    line,
    marks,
    of_curves,
    panels_of,
    short,
    span_steps,
)
from baselines.report.cost_bars import times, tokens
from baselines.report.credit_figures import credit, distribution, shares, slopes, variances

MAX_LINES = 6

ACCURACY = "Lines: rollouts of training tasks"
EFFECTS = (
    "Lines: training rollouts that are right where the team is mostly wrong with an agent removed, "
    "and wrong where it is mostly right"
)
ROLE_QUANTITIES: Mapping[str, str] = {
    "gradient norm": "update/{}/grad_norm",
    "KL of the update": "update/{}/approx_kl",
    "clipped tokens": "update/{}/clip_rate",
    "log-probability gap": "update/{}/mismatch",
    "KL to the start": "update/{}/reference_kl",
    "entropy": "update/{}/entropy",
}
ROLES = (
    "Norm of the gradient before clipping; KL of the updated from the sampling policy, nats per "
    "token; rate of tokens whose ratio was clipped; mean difference between the log-probability "
    "as sampled and as recomputed, nats."
)
RATING_QUANTITIES: Mapping[str, str] = {
    "valid": "rating/{}/valid_rate",
    "calibration": "rating/{}/calibration",
}
RATINGS = (
    "Rate of valid ratings of an agent; correlation of the share it was given with how much the "
    "outcome changes without it."
)


def plots(
    rows: Sequence[MetricRow],
    *,
    held_out: Mapping[str, Sequence[Point]],
    agents: Sequence[str],
    roles: Sequence[str],
    record: CreditRecord | None,
    without_agent: str,
) -> dict[str, Plot]:
    """Draw all figures with data.

    Args:
        rows: The metrics, one row per step.
        held_out: Points of the curves "joint", "without", "help" and "hurt".
        agents: Names of the agents that get credit, in turn order.
        roles: Names of the policies that were updated.
        record: Credit of the newest groups; None if it was not recorded.
        without_agent: Label of the team with an agent removed, such as "without thinker_0".

    Returns:
        Plots by name; those without data are omitted.
    """
    steps = column(rows, "step") - 1.0  # a step measures before its update

    def curve(name: str, label: str, metric: str) -> Series:
        return Series(label, column(rows, metric), held_out.get(name, ()))

    accuracy = [
        curve("joint", "whole team", "accuracy/joint"),
        curve("without", without_agent, "accuracy/solo"),
    ]
    effects = [
        curve("help", "correct only as a whole team", "credit/help_rate"),
        curve("hurt", f"correct only {without_agent}", "credit/hurt_rate"),
    ]
    with style.context(SETTINGS, after_reset=True):  # independent of the user's matplotlib settings
        drawn = {
            "accuracy": _rates("Accuracy", ACCURACY, steps, accuracy),
            "effects": _rates("Help and hurt", EFFECTS, steps, effects),
            "credit": credit(rows, steps, agents),
            "share": shares(rows, steps, agents),
            "distribution": distribution(record),
            "slope": slopes(rows, steps, agents),
            "variance": variances(rows, steps, agents),
            "ratings": _lines("Ratings", RATINGS, rows, steps, RATING_QUANTITIES, agents),
            "roles": _lines("Updates", ROLES, rows, steps, ROLE_QUANTITIES, roles),
            "lengths": _lines(
                "Completion length",
                "Mean tokens of an agent's completions.",
                rows,
                steps,
                {"tokens": "rollout/{}/tokens"},
                agents,
            ),
            "tokens": tokens(rows),
            "time": times(rows),
        }
    return {name: plot for name, plot in drawn.items() if plot is not None}


def _rates(title: str, meaning: str, steps: FloatArray, series: Sequence[Series]) -> Plot | None:
    series = [one for one in series if one.points or np.isfinite(one.values).any()]
    if not series:
        return None
    figure, (axes,) = panels_of(1, height=2.5)
    points = [point for one in series for point in one.points]
    ends = [*steps, *(point.steps for point in points)]
    for index, one in enumerate(series):
        line(axes, steps, one.values, index, label=one.label)
    if points:
        meaning += "; marks: held-out tasks"
        dodge = 0.007 * max(*ends, 1)  # so that intervals do not overlap
        for index, one in enumerate(series):
            marks(axes, one.points, index, shift=dodge * (2 * index - len(series) + 1))
    with_interval = [point.estimate is not None for point in points]
    if any(with_interval):
        meaning += " with 95 % intervals"
        meaning += "" if all(with_interval) else ", means over several removals without"
    axes.set(xlabel="training step", ylabel="rate", ylim=(-0.02, None))
    if axes.get_ylim()[1] > 0.75:
        axes.set_ylim(top=1.02)
    span_steps(axes, ends)
    figure.legend(loc="outside upper left", ncols=2)
    return of_curves(title, f"{meaning}.", figure, steps, series)


def _lines(
    title: str,
    meaning: str,
    rows: Sequence[MetricRow],
    steps: FloatArray,
    quantities: Mapping[str, str],
    names: Sequence[str],
) -> Plot | None:
    """Draw a panel per quantity, each with its own scale and one line per agent or role."""
    shown = names[:MAX_LINES]
    curves = {
        quantity: {name: column(rows, metric.format(name)) for name in shown}
        for quantity, metric in quantities.items()
    }
    curves = {q: own for q, own in curves.items() if np.isfinite(list(own.values())).any()}
    if not curves:
        return None
    figure, panels = panels_of(len(curves), height=1.65, one_scale=False)
    for axes, (quantity, own) in zip(panels, curves.items(), strict=True):
        for index, (name, values) in enumerate(own.items()):
            label = short(name) if axes is panels[0] else None
            line(axes, steps, values, index, label=label)
        axes.set_title(quantity, loc="left")
        _begin_at_zero(axes, own.values())
        span_steps(axes, steps)
    figure.supxlabel("training step", fontsize="medium")
    figure.legend(loc="outside upper left", ncols=3, handlelength=2.6)
    series = [
        Series(f"{name}, {quantity}", values)
        for quantity, own in curves.items()
        for name, values in own.items()
        if np.isfinite(values).any()
    ]
    meaning += left_out(names, MAX_LINES)
    return of_curves(title, meaning, figure, steps, series)


def _begin_at_zero(axes: Axes, curves: Iterable[FloatArray]) -> None:
    """Start the axis of amounts and rates at 0, so that rounding errors do not fill a panel."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number_text(value)))
    known = np.concatenate([values[np.isfinite(values)] for values in curves])
    if known.min() >= 0.0:
        axes.set_ylim(0.0, 1.08 * known.max() if known.any() else 1.0)
