"""Figures of updates, ratings and completions, with one panel per quantity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from baselines.common.metrics import MetricRow
from baselines.common.types import FloatArray
from baselines.pages.series import Series, column, number_text
from baselines.pages.svg import (
    INK,
    Plot,
    left_out,
    line,
    of_curves,
    panels_of,
    short,
    span_steps,
)

MAX_LINES = 6


@dataclass(frozen=True, slots=True)
class Quantity:
    """A panel of a figure.

    Args:
        title: Title of the panel.
        metric: Name of its metric, with "{}" for the agent or role.
        per_million: Name of a metric, in millions of which it is divided; empty for none.
        floor: The panel is drawn only if a value is at least this large in magnitude: smaller ones
            are rounding, or too small to matter.
    """

    title: str
    metric: str
    floor: float = 0.0
    per_million: str = ""

    def values(self, rows: Sequence[MetricRow], name: str) -> FloatArray:
        """Return its values for an agent or role in all steps, NaN where it was not measured."""
        found = column(rows, self.metric.format(name))
        if not self.per_million:
            return found
        amount = column(rows, self.per_million) / 1e6
        return np.divide(found, amount, out=np.full_like(found, np.nan), where=amount > 0.0)


UPDATE_QUANTITIES = (
    Quantity("gradient norm", "update/{}/grad_norm"),
    Quantity("gradient signal-to-noise", "update/{}/grad_snr"),
    Quantity(
        "signal-to-noise per million tokens",
        "update/{}/grad_snr",
        per_million="cost/tokens_generated",
    ),
    Quantity("entropy of the loss", "update/{}/entropy"),
    Quantity("KL of the update", "update/{}/approx_kl", 1e-5),
    Quantity("clipped tokens", "update/{}/clip_rate", 1e-3),
    Quantity("log-probability gap", "update/{}/mismatch", 1e-2),
    Quantity("KL to the start", "update/{}/reference_kl", 1e-5),
)
UPDATES = (
    "Norm of the gradient before clipping; signal-to-noise ratio of the gradient, from successive "
    "steps g and h: g·h / (|g - h|² / 2). Below 1 noise is the larger part of a step, and more "
    "rollouts per step help; below 0 the two gradients point apart, as noise alone makes them in "
    "about half of the steps. The same per million sampled tokens: of one seed, and of successive "
    "steps of a policy that moves, so it is no measurement of how efficient this credit is; ccpo "
    "advise compares credits with the policy held still."
)
AGENT_QUANTITIES = (
    Quantity("entropy estimate", "rollout/{}/neg_logprob"),
    Quantity("tokens", "rollout/{}/tokens"),
)
COMPLETIONS = (
    "Entropy estimate: mean of minus the log-probability of the sampled tokens, nats per token; "
    "mean tokens of a completion."
)
RATING_QUANTITIES = (
    Quantity("valid", "rating/{}/valid_rate"),
    Quantity("calibration", "rating/{}/calibration"),
)
RATINGS = (
    "Rate of valid ratings of an agent; correlation of the share it was given with how much the "
    "outcome changes without it."
)


def updates(rows: Sequence[MetricRow], steps: FloatArray, roles: Sequence[str]) -> Plot | None:
    """Draw the updates of each role; panels of numerical zero give way to a note."""
    return _panels("Updates", UPDATES, rows, steps, UPDATE_QUANTITIES, roles)


def completions(rows: Sequence[MetricRow], steps: FloatArray, agents: Sequence[str]) -> Plot | None:
    """Draw the entropy estimate and the length of each agent's completions."""
    return _panels("Completions", COMPLETIONS, rows, steps, AGENT_QUANTITIES, agents)


def ratings(rows: Sequence[MetricRow], steps: FloatArray, agents: Sequence[str]) -> Plot | None:
    """Draw the agents' ratings of each other."""
    return _panels("Ratings", RATINGS, rows, steps, RATING_QUANTITIES, agents)


def _panels(
    title: str,
    meaning: str,
    rows: Sequence[MetricRow],
    steps: FloatArray,
    quantities: Sequence[Quantity],
    names: Sequence[str],
) -> Plot | None:
    """Draw a panel per quantity, each with its own scale and one line per agent or role."""
    measured = {
        quantity: {
            name: values
            for name in names[:MAX_LINES]
            if np.isfinite(values := quantity.values(rows, name)).any()
        }
        for quantity in quantities
    }
    measured = {quantity: curves for quantity, curves in measured.items() if curves}
    drawn = {q: own for q, own in measured.items() if _largest(own.values()) >= q.floor}
    if not drawn:
        return None
    figure, panels = panels_of(len(drawn), height=1.65, one_scale=False)
    named = set[str]()
    for axes, (quantity, curves) in zip(panels, drawn.items(), strict=True):
        for name, values in curves.items():
            label = None if name in named else short(name)
            line(axes, steps, values, names.index(name), label=label)
            named.add(name)
        axes.set_title(quantity.title, loc="left")
        _begin_at_zero(axes, curves.values())
        span_steps(axes, steps)
    figure.supxlabel("training step", fontsize="medium")
    figure.legend(loc="outside upper left", ncols=3, handlelength=2.6)
    series = [
        Series(f"{name}, {quantity.title}", values)
        for quantity, curves in drawn.items()
        for name, values in curves.items()
    ]
    small = [
        f"{quantity.title} (below {number_text(quantity.floor)} in every step)"
        for quantity in measured
        if quantity not in drawn
    ]
    meaning += f" Not drawn: {', '.join(small)}." if small else ""
    meaning += left_out(names, MAX_LINES)
    return of_curves(title, meaning, figure, steps, series)


def _largest(curves: Iterable[FloatArray]) -> float:
    return max(float(np.nanmax(np.abs(values))) for values in curves)


def _begin_at_zero(axes: Axes, curves: Iterable[FloatArray]) -> None:
    """Start the axis of amounts and rates at 0, so that rounding errors do not fill a panel."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number_text(value)))
    known = np.concatenate([values[np.isfinite(values)] for values in curves])
    if known.min() >= 0.0:
        axes.set_ylim(0.0, 1.08 * known.max() if known.any() else 1.0)
    else:
        axes.axhline(0.0, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
