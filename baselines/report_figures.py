"""Figures of the run report: inline SVG, and the same numbers in words and in a table."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from markupsafe import Markup
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator
from matplotlib.typing import RcStyleType

from baselines.metrics import MetricRow
from baselines.types import FloatArray

WIDTH = 4.5  # inches; a phone shows a point as about a pixel, a desk half as large again
MAX_POINTS, MAX_BARS, MAX_MARKS, MAX_TABLE_ROWS, MAX_PANELS = 200, 40, 21, 25, 12
MISSING = "\N{EN DASH}"
T = TypeVar("T")

INK, GRID, PAPER = "#010203", "#010204", "#010205"
THEME = {INK: "var(--ink)", GRID: "var(--line)", PAPER: "var(--paper)"}
"""Stand-ins for colours that the page chooses, light or dark."""

Dashes: TypeAlias = str | tuple[int, tuple[float, ...]]
# Okabe and Ito's colours that can be seen on white and on black; dashes and marks say the same.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: tuple[Dashes, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))
MARKS = ("o", "s", "^", "D", "v", "P")

SETTINGS: RcStyleType = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "figure.facecolor": "none",
    "font.size": 9.5,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.borderaxespad": 0.2,
    "legend.columnspacing": 1.4,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: small, and in the page's font
    "svg.hashsalt": "report",  # the same run, the same bytes
    "text.color": INK,
    "text.parse_math": False,  # a name with dollars in it is a name
    "xtick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.color": INK,
    "ytick.labelsize": 8.5,
}

ACCURACY = "Lines: rollouts of training tasks"
EFFECTS = (
    "Lines: training rollouts that are right where the team is mostly wrong with an agent removed, "
    "and wrong where it is mostly right"
)

NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_DROPPED = re.compile(r'<(metadata|style)\b.*?</\1>|(?<=<g) id="[^"]*"', re.DOTALL)
_PATH = re.compile(r' d="[^"]*"')
_DECIMALS = re.compile(r"(\.\d\d)\d+")


@dataclass(frozen=True, slots=True)
class Point:
    """An accuracy or rate on held-out tasks.

    Args:
        updates: Updates made before it was measured.
        rate: In [0, 1].
        low: Lower end of its interval. None, like high, if it has none.
        high: Upper end of its interval.
    """

    updates: int
    rate: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        interval = "" if self.low is None else f" [{self.low:.2f}, {self.high:.2f}]"
        return f"{self.rate:.3f}{interval}"


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: a value per step, NaN where there is none, and held-out points."""

    label: str
    values: FloatArray
    points: Sequence[Point] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure, as the page shows it."""

    title: str
    caption: str
    svg: Markup
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


def plots(
    rows: Sequence[MetricRow],
    *,
    held_out: Mapping[str, Sequence[Point]],
    agents: Sequence[str],
    solo: str,
) -> dict[str, Plot]:
    """Draw what was measured.

    Args:
        rows: The metrics, one row per step.
        held_out: Points of the curves "joint", "without", "help" and "hurt".
        agents: Names of the agents that get credit, in turn order.
        solo: What to call the team with an agent removed.

    Returns:
        Plots by name; one without data is left out.
    """
    updates = column(rows, "step") - 1.0  # a step measures before it updates

    def curve(name: str, label: str, metric: str) -> Series:
        return Series(label, column(rows, metric), held_out.get(name, ()))

    accuracy = [
        curve("joint", "whole team", "accuracy/joint"),
        curve("without", solo, "accuracy/solo"),
    ]
    effects = [
        curve("help", "right only as a whole team", "credit/help_rate"),
        curve("hurt", f"right only {solo}", "credit/hurt_rate"),
    ]
    with style.context(SETTINGS, after_reset=True):  # whatever the reader's own settings are
        drawn = {
            "accuracy": _rates("Accuracy", ACCURACY, updates, accuracy),
            "credit": _credit(rows, updates, agents),
            "effects": _rates("Help and hurt", EFFECTS, updates, effects),
            "slope": _slopes(rows, updates, agents),
            "tokens": _tokens(rows, updates + 1.0),
            "time": _times(rows, updates + 1.0),
        }
    return {name: plot for name, plot in drawn.items() if plot is not None}


def column(rows: Sequence[MetricRow], key: str) -> FloatArray:
    """Return a metric of every row, shape (S,), NaN where it was not measured."""
    numbers = (row.get(key) for row in rows)
    values = np.array([math.nan if n is None else n for n in numbers], dtype=np.float64)
    return np.where(np.isfinite(values), values, math.nan)


def binned(values: FloatArray, max_bins: int) -> FloatArray:
    """Average runs of neighbouring steps until at most max_bins are left; NaN is no value."""
    stride = math.ceil(len(values) / max_bins) or 1
    padding = -len(values) % stride
    runs = np.pad(values, (0, padding), constant_values=math.nan).reshape(-1, stride)
    measured = np.isfinite(runs).sum(axis=1)
    sums = np.nansum(runs, axis=1)
    return np.where(measured > 0, sums / np.maximum(measured, 1), math.nan)


def smoothed(values: FloatArray, window: int) -> FloatArray:
    """Average each value with its neighbours; window is odd, and cut off at both ends."""
    if window >= len(values) or window == 1:
        return values
    ones = np.ones(window)
    sums = np.convolve(np.nan_to_num(values), ones, mode="same")
    measured = np.convolve(np.isfinite(values).astype(float), ones, mode="same")
    return np.where(measured > 0.5, sums / np.maximum(measured, 1.0), math.nan)


def _rates(title: str, meaning: str, updates: FloatArray, series: Sequence[Series]) -> Plot | None:
    """Draw rates in training as lines, and on held-out tasks as marks."""
    series = [one for one in series if one.points or np.isfinite(one.values).any()]
    if not series:
        return None
    figure, (axes,) = _panels(1, height=2.5)
    points = [point for one in series for point in one.points]
    ends = [*updates, *(point.updates for point in points)]
    for index, one in enumerate(series):
        _line(axes, updates, one.values, index, label=one.label)
    if points:
        meaning += "; marks: held-out tasks"
        dodge = 0.007 * max(*ends, 1)  # so that intervals stand side by side
        for index, one in enumerate(series):
            _marks(axes, one.points, index, shift=dodge * (2 * index - len(series) + 1))
    with_interval = [point.low is not None for point in points]
    if any(with_interval):
        meaning += " with 95 % intervals"
        meaning += "" if all(with_interval) else ", means over several removals without"
    axes.set(xlabel="updates so far", ylabel="rate", ylim=(-0.02, None))
    if axes.get_ylim()[1] > 0.75:
        axes.set_ylim(top=1.02)
    _span_steps(axes, ends)
    figure.legend(loc="outside upper left", ncols=2)
    return _finished(title, f"{meaning}.", figure, updates, series)


def _credit(rows: Sequence[MetricRow], updates: FloatArray, agents: Sequence[str]) -> Plot | None:
    """Draw the mean credit of each agent and how far its rollouts spread."""
    series = _per_agent(rows, agents, "mean")
    if not series:
        return None
    figure, panels = _agent_panels("credit", updates, series)
    x = binned(updates, MAX_POINTS)
    for index, (one, axes) in enumerate(zip(series, panels, strict=True)):
        mean = _running_mean(one.values)
        std = _running_mean(column(rows, f"credit/{one.label}/std"))
        colour = _cycled(COLOURS, index)
        axes.fill_between(x, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0)
    meaning = (
        "Mean over the rollouts, whose reward is -1 or +1; band: ± one standard deviation."
        f"{_left_out(agents)}"
    )
    return _finished("Credit of each agent", meaning, figure, updates, series)


def _slopes(rows: Sequence[MetricRow], updates: FloatArray, agents: Sequence[str]) -> Plot | None:
    """Draw how each agent's advantage compares with the one from shared credit."""
    series = _per_agent(rows, agents, "slope_vs_shared")
    if not series:
        return None
    figure, panels = _agent_panels("slope", updates, series)
    for axes in panels:
        axes.axhline(1.0, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
    low, high = panels[0].get_ylim()
    panels[0].set_ylim(min(low, 0.0), max(high, 1.5))  # rounding must not fill the panel
    meaning = (
        "Slope of the agent's advantage on the advantage of shared credit; dashed: 1, as if "
        f"the credit were shared.{_left_out(agents)}"
    )
    return _finished("Advantage compared with shared credit", meaning, figure, updates, series)


def _tokens(rows: Sequence[MetricRow], steps: FloatArray) -> Plot | None:
    """Draw what a step samples."""
    tokens, removed = _amounts(rows, "cost/tokens_generated"), _amounts(rows, "cost/tokens_removed")
    answers = _amounts(rows, "cost/verifier_calls").sum()
    meaning = f"In all {tokens.sum():,.0f} tokens; {answers:,.0f} answers were verified."
    parts = {"whole team": tokens - removed, "with an agent removed": removed}
    return _stacked("Tokens", meaning, "tokens per step", steps, parts, 0)


def _times(rows: Sequence[MetricRow], steps: FloatArray) -> Plot | None:
    """Draw where the time of a step goes."""
    seconds = _amounts(rows, "time/step_s")
    parts = {part: _amounts(rows, f"time/{part}_s") for part in ("generate", "verify", "update")}
    parts["other"] = np.maximum(seconds - sum(parts.values()), 0.0)
    total = float(seconds.sum())
    meaning = f"In all {_duration(total)}, evaluations and checkpoints left out."
    return _stacked("Time", meaning, "seconds per step", steps, parts, 2)


def _stacked(
    title: str,
    meaning: str,
    ylabel: str,
    steps: FloatArray,
    parts: Mapping[str, FloatArray],
    first_colour: int,
) -> Plot | None:
    """Stack the parts of a total, and give the share of each in the legend."""
    total = sum(float(values.sum()) for values in parts.values())
    if not total:
        return None
    figure, (axes,) = _panels(1, height=2.3)
    x, width = binned(steps, MAX_BARS), math.ceil(len(steps) / MAX_BARS)
    bottom = np.zeros_like(x)
    for index, (name, values) in enumerate(parts.items(), first_colour):
        height = binned(values, MAX_BARS)
        share = f"{name} {100 * values.sum() / total:.0f} %"
        axes.bar(x, height, width, bottom, color=_cycled(COLOURS, index), label=share)
        bottom = bottom + height
    axes.set(xlabel="step", ylabel=ylabel)
    axes.grid(visible=False, axis="x")
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    _span_steps(axes, steps)
    figure.legend(loc="outside upper left", ncols=len(parts), handlelength=0.9, columnspacing=1.0)
    meaning += f" Each bar: the mean of {width} steps." if width > 1 else ""
    series = [Series(name, values) for name, values in parts.items()]
    return _finished(title, meaning, figure, steps, series, place="step")


def _finished(
    title: str,
    meaning: str,
    figure: Figure,
    x: FloatArray,
    series: Sequence[Series],
    *,
    place: str = "updates",
) -> Plot:
    """Return a figure with its caption, its text alternative and its table."""
    window, stride = _window(len(x)), math.ceil(len(x) / MAX_POINTS)
    if place == "updates" and window > 1:
        thin = "each step" if stride == 1 else f"means of {stride} steps"
        meaning += f" Thin: {thin}; thick: running mean over {window} steps."
    said = f"{title}. {'; '.join(f'{one.label}: {_course(one)}' for one in series)}"
    names = [[one.label, f"{one.label}, held out"][: 1 + bool(one.points)] for one in series]
    header = (place, *(name for pair in names for name in pair))
    return Plot(title, meaning, _svg(figure, said), header, _table(x, series))


def _amounts(rows: Sequence[MetricRow], key: str) -> FloatArray:
    return np.nan_to_num(column(rows, key))


def _per_agent(rows: Sequence[MetricRow], agents: Sequence[str], metric: str) -> list[Series]:
    series = (Series(agent, column(rows, f"credit/{agent}/{metric}")) for agent in agents)
    return [one for one in series if np.isfinite(one.values).any()][:MAX_PANELS]


def _agent_panels(
    ylabel: str, updates: FloatArray, series: Sequence[Series]
) -> tuple[Figure, list[Axes]]:
    """Draw one curve per panel, so that equal curves do not hide each other."""
    figure, panels = _panels(len(series), height=1.65)
    for index, (one, axes) in enumerate(zip(series, panels, strict=True)):
        _line(axes, updates, one.values, index)
        _span_steps(axes, updates)
        axes.set_title(_short(one.label), loc="left")
    figure.supxlabel("updates so far", fontsize="medium")
    figure.supylabel(ylabel, fontsize="medium")
    return figure, panels


def _panels(number: int, *, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many axes, two abreast, all on one scale."""
    columns = min(2, number)
    lines = math.ceil(number / columns)
    figure = Figure(figsize=(WIDTH, max(height * lines, 2.0)), layout="constrained")
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for unused in grid.flat[number:]:
        unused.remove()
    for axes in grid.flat[max(number - columns, 0) : number]:
        axes.tick_params(labelbottom=True)  # also above a place that stays empty
    return figure, list(grid.flat[:number])


def _line(
    axes: Axes, x: FloatArray, values: FloatArray, index: int, *, label: str | None = None
) -> None:
    """Draw every step as a thin line and their running mean as a thick one."""
    x, mean = binned(x, MAX_POINTS), _running_mean(values)
    colour, dashes = _cycled(COLOURS, index), _cycled(DASHES, index)
    if _window(len(values)) > 1:
        axes.plot(x, binned(values, MAX_POINTS), color=colour, linewidth=0.7, alpha=0.5)
    axes.plot(x, mean, color=colour, linewidth=1.8, linestyle=dashes, label=label)
    known = np.pad(np.isfinite(mean), 1)
    alone = known[1:-1] & ~known[:-2] & ~known[2:]  # a line needs two
    axes.plot(x[alone], mean[alone], ".", color=colour, markersize=4)


def _marks(axes: Axes, points: Sequence[Point], index: int, *, shift: float) -> None:
    """Draw points on held-out tasks with their intervals."""
    shown = [points[i] for i in _spread(len(points), MAX_MARKS)]
    lows = [0.0 if p.low is None else p.rate - p.low for p in shown]
    highs = [0.0 if p.high is None else p.high - p.rate for p in shown]
    axes.errorbar(
        [point.updates + shift for point in shown],
        [point.rate for point in shown],
        yerr=[lows, highs],
        color=_cycled(COLOURS, index),
        fmt=_cycled(MARKS, index),
        markersize=5,
        markeredgecolor=PAPER,
        markeredgewidth=0.6,
        elinewidth=1.1,
        label="held-out tasks",
    )


def _span_steps(axes: Axes, steps: Iterable[float]) -> None:
    low, high = min(steps), max(steps)
    margin = max(0.03 * (high - low), 0.6)
    axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def _running_mean(values: FloatArray) -> FloatArray:
    return binned(smoothed(values, _window(len(values))), MAX_POINTS)


def _window(num_steps: int) -> int:
    return 2 * (num_steps // 24) + 1


def _spread(number: int, limit: int) -> list[int]:
    """Return at most limit indices below number, evenly spaced, both ends included."""
    return sorted({round(i) for i in np.linspace(0, number - 1, min(number, limit))})


def _cycled(cycle: Sequence[T], index: int) -> T:
    return cycle[index % len(cycle)]


def _short(name: str, length: int = 24) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def _left_out(agents: Sequence[str]) -> str:
    return f" First {MAX_PANELS} of {len(agents)} agents." if len(agents) > MAX_PANELS else ""


def _course(series: Series) -> str:
    """Say where a curve starts and ends."""
    known = series.values[np.isfinite(series.values)]
    said = []
    if len(known):
        tenth = math.ceil(len(known) / 10)
        first, last = _number(known[:tenth].mean()), _number(known[-tenth:].mean())
        said.append(f"{first} in the first and {last} in the last tenth of the steps")
    said += [
        f"{point} on held-out tasks after {point.updates} updates"
        for point in (*series.points[:1], *series.points[1:][-1:])
    ]
    return ", ".join(said)


def _table(x: FloatArray, series: Sequence[Series]) -> list[tuple[str, ...]]:
    """Return some of the steps and all held-out points as rows of text."""
    index_of = {int(place): index for index, place in enumerate(x)}
    places = {int(x[i]) for i in _spread(len(x), MAX_TABLE_ROWS)}
    places |= {point.updates for one in series for point in one.points}
    table = []
    for place in sorted(places):
        cells = [str(place)]
        for one in series:
            index = index_of.get(place)
            cells.append(MISSING if index is None else _number(one.values[index]))
            if one.points:
                found = (str(point) for point in one.points if point.updates == place)
                cells.append(next(found, MISSING))
        table.append(tuple(cells))
    return table


def _number(value: float) -> str:
    if not math.isfinite(value):
        return MISSING
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _svg(figure: Figure, said: str) -> Markup:
    """Return the figure as an element of the page, with a text for those who do not see it."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=NO_METADATA)
    opening, _, body = file.getvalue().partition("<svg")[2].partition(">")
    body = _DROPPED.sub("", body)
    body = _PATH.sub(lambda path: _DECIMALS.sub(r"\1", path[0]), body)
    for stand_in, colour in THEME.items():
        body = body.replace(stand_in, colour)
    (view,) = re.findall(r'viewBox="([^"]*)"', opening)
    start = Markup('<svg viewBox="{}" role="img" aria-label="{}">').format(view, said)
    return start + Markup(body)
