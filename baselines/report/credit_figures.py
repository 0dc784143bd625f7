"""Figures of credit: what agents add, mean, share, distribution, comparison with shared credit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from baselines.common.credit_file import CreditRecord
from baselines.common.metrics import MetricRow
from baselines.common.types import FloatArray
from baselines.pages.series import (
    MAX_POINTS,
    Point,
    Series,
    amounts,
    binned,
    column,
    course,
    number_text,
    running_mean,
    table,
)
from baselines.pages.svg import (
    COLOURS,
    HATCHES,
    INK,
    PAPER,
    Plot,
    cycled,
    finished,
    left_out,
    line,
    marks,
    of_curves,
    panels_of,
    short,
    span_steps,
    stack,
)
from baselines.report.cost_bars import MAX_BARS
from baselines.report.credit_map import columns_of, credit_by_name
from baselines.report.wording import names_of

MAX_PANELS, NUM_BINS = 12, 24
QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def credit(rows: Sequence[MetricRow], steps: FloatArray, agents: Sequence[str]) -> Plot | None:
    """Draw the mean and the standard deviation of each agent's credit."""
    series = _per_agent(rows, agents, "mean")
    if not series:
        return None
    figure, panels = _agent_panels("credit", steps, series)
    x = binned(steps, MAX_POINTS)
    for index, (one, axes) in enumerate(zip(series, panels, strict=True)):
        mean = running_mean(one.values)
        std = running_mean(column(rows, f"credit/{one.label}/std"))
        colour = cycled(COLOURS, index)
        axes.fill_between(x, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0)
    meaning = (
        "Mean over the rollouts, whose reward is -1 or +1; band: ± one standard deviation."
        f"{left_out(agents, MAX_PANELS)}"
    )
    return of_curves("Credit of each agent", meaning, figure, steps, series)


def added(steps: FloatArray, adds: Mapping[str, Sequence[Point]]) -> Plot | None:
    """Draw the held-out accuracy that is lost without each agent, over training."""
    series = [
        Series(names_of(removed), np.full(len(steps), math.nan), points)
        for removed, points in adds.items()
        if points
    ]
    if not series:
        return None
    shown = series[:MAX_PANELS]
    ends = [*steps, *(point.steps for one in shown for point in one.points)]
    figure, panels = panels_of(len(shown), height=1.65)
    for index, (one, axes) in enumerate(zip(shown, panels, strict=True)):
        colour = cycled(COLOURS, index)
        x, y = ([getattr(p, name) for p in one.points] for name in ("steps", "rate"))
        axes.plot(x, y, color=colour, linewidth=0.8)
        marks(axes, one.points, index, label=None)
        axes.axhline(0.0, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set_title(short(one.label), loc="left")
        span_steps(axes, ends)
    figure.supxlabel("training step", fontsize="medium")
    figure.supylabel("accuracy lost without it", fontsize="medium")
    meaning = (
        "Accuracy of the whole team minus that without the agent, on the same held-out tasks, with "
        f"paired 95 % intervals; dashed: 0.{left_out(list(adds), MAX_PANELS)}"
    )
    description = "; ".join(f"{one.label}: {course(one)}" for one in shown)
    header = ("step", *(one.label for one in shown))
    cells = [row[:1] + row[2::2] for row in table(np.empty(0), shown)]
    return finished("What each agent adds", meaning, figure, description, header, cells)


def shares(rows: Sequence[MetricRow], steps: FloatArray, agents: Sequence[str]) -> Plot | None:
    """Draw each agent's share of the variance of the advantages within tasks.

    share[a] = V[a] / sum over b of V[b]
    V[a]     = mean over rollouts g of the sum over turns t of a of (A[g, t] - mean[t])²

    where A is the advantage that the update uses and mean[t] its mean over the task of g: the part
    that ranks the rollouts of a task.
    """
    variance = {a: amounts(rows, f"credit/{a}/advantage_variance") for a in agents}
    sizes: dict[str, FloatArray] = {
        name: np.sum([variance[agents[place]] for place in places], axis=0)
        for name, places in columns_of(agents).items()
    }
    total = sum(sizes.values(), start=np.zeros(len(rows)))  # (S,)
    if len(sizes) < 2 or not (total > 0).any():
        return None
    known = np.where(total > 0, total, math.nan)
    series = [Series(name, size / known) for name, size in sizes.items()]
    figure, (axes,) = panels_of(1, height=2.3)
    heights = {one.label: binned(one.values, MAX_BARS) for one in series}
    stack(axes, binned(steps, MAX_BARS), heights, math.ceil(len(rows) / MAX_BARS))
    axes.set(xlabel="training step", ylabel="share of variance", ylim=(0.0, 1.0))
    span_steps(axes, steps)
    figure.legend(loc="outside upper left", ncols=3, handlelength=1.6)
    meaning = (
        "Variance within tasks of an agent's advantage over the sum of all agents': how much of "
        "the update ranks rollouts by it. It is no measure of what the agent is worth."
    )
    if are_equal([one.values for one in series]):
        meaning += (
            " Here it is the same for all in every step: their credit is equal, or the optimizer "
            "scales each agent's advantage to one variance."
        )
    return of_curves("Share of the centred advantage", meaning, figure, steps, series)


def are_equal(shares: Sequence[FloatArray], *, tolerance: float = 0.005) -> bool:
    """Return whether all shares are the same in every step, up to a tolerance."""
    even = 1.0 / len(shares)
    return all(np.nanmax(np.abs(values - even)) <= tolerance for values in shares)


def slopes(rows: Sequence[MetricRow], steps: FloatArray, agents: Sequence[str]) -> Plot | None:
    """Draw the slope of each agent's advantage on the advantage from shared credit."""
    meaning = (
        "Slope of the agent's advantage on the advantage of shared credit; dashed: 1, as if "
        f"the credit were shared.{left_out(agents, MAX_PANELS)}"
    )
    series = _per_agent(rows, agents, "slope_vs_shared")
    return _compared("Advantage compared with shared credit", meaning, "slope", steps, series)


def variances(rows: Sequence[MetricRow], steps: FloatArray, agents: Sequence[str]) -> Plot | None:
    """Draw the variance of each agent's advantage, relative to that from shared credit."""
    meaning = (
        "Variance of the agent's advantage over that of shared credit's; dashed: 1. Below it, the "
        f"gradient is less noisy, or smaller.{left_out(agents, MAX_PANELS)}"
    )
    series = _per_agent(rows, agents, "variance_ratio")
    return _compared(
        "Variance compared with shared credit", meaning, "variance ratio", steps, series
    )


def distribution(record: CreditRecord | None) -> Plot | None:
    """Draw the distribution of the credit of single rollouts, by agent or role."""
    values = credit_by_name(record)
    if not values:
        return None
    everything = np.concatenate(list(values.values()))
    edges = np.histogram_bin_edges(everything, NUM_BINS)
    figure, panels = panels_of(len(values), height=1.65)
    for index, (axes, (name, own)) in enumerate(zip(panels, values.items(), strict=True)):
        axes.hist(
            own,
            list(edges),
            weights=np.full(len(own), 1.0 / len(own)),
            color=cycled(COLOURS, index),
            hatch=cycled(HATCHES, index),
            edgecolor=PAPER,
            linewidth=0,
        )
        axes.axvline(0.0, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set_title(short(name), loc="left")
    figure.supxlabel("credit of a rollout", fontsize="medium")
    figure.supylabel("share of rollouts", fontsize="medium")
    quartiles = {
        name: np.quantile(own, (0.0, 0.25, 0.5, 0.75, 1.0)) for name, own in values.items()
    }
    description = "; ".join(
        f"{name}: median {number_text(q[2])}, half of the rollouts between {number_text(q[1])} and "
        f"{number_text(q[3])}, all between {number_text(q[0])} and {number_text(q[4])}"
        for name, q in quartiles.items()
    )
    header = ("", "rollouts", "smallest", "lower quartile", "median", "upper quartile", "largest")
    cells = [
        (name, str(len(values[name])), *(number_text(value) for value in q))
        for name, q in quartiles.items()
    ]
    meaning = "Rollouts of the newest groups; dashed: no credit."
    return finished("Distribution of credit", meaning, figure, description, header, cells)


def _per_agent(rows: Sequence[MetricRow], agents: Sequence[str], metric: str) -> list[Series]:
    series = (Series(agent, column(rows, f"credit/{agent}/{metric}")) for agent in agents)
    return [one for one in series if np.isfinite(one.values).any()][:MAX_PANELS]


def _compared(
    title: str, meaning: str, ylabel: str, steps: FloatArray, series: Sequence[Series]
) -> Plot | None:
    """Draw a panel per agent, with a line at 1 for shared credit; None without an agent."""
    if not series:
        return None
    figure, panels = _agent_panels(ylabel, steps, series)
    for axes in panels:
        axes.axhline(1.0, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
    low, high = panels[0].get_ylim()
    panels[0].set_ylim(min(low, 0.0), max(high, 1.5))  # rounding errors must not fill the panel
    return of_curves(title, meaning, figure, steps, series)


def _agent_panels(
    ylabel: str, steps: FloatArray, series: Sequence[Series]
) -> tuple[Figure, list[Axes]]:
    """Draw one curve per panel, so that equal curves do not overlap."""
    figure, panels = panels_of(len(series), height=1.65)
    for index, (one, axes) in enumerate(zip(series, panels, strict=True)):
        line(axes, steps, one.values, index)
        span_steps(axes, steps)
        axes.set_title(short(one.label), loc="left")
    figure.supxlabel("training step", fontsize="medium")
    figure.supylabel(ylabel, fontsize="medium")
    return figure, panels
