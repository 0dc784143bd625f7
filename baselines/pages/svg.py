"""Drawing for the run report: inline SVG, readable without colours."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import RcStyleType

from baselines.common.types import FloatArray
from baselines.pages.series import (
    MAX_POINTS,
    Point,
    Series,
    binned,
    course,
    running_mean,
    spread,
    table,
    window_of,
)

WIDTH = 4.5  # inches; a phone shows a point as about one pixel, a desktop screen as 1.5
MAX_MARKS, MAX_LABEL_CHARS = 21, 32
T = TypeVar("T")

INK, GRID, PAPER = "#010203", "#010204", "#010205"
THEME = {INK: "var(--ink)", GRID: "var(--line)", PAPER: "var(--paper)"}
"""Placeholders for colours of the page's light or dark theme."""

Dashes: TypeAlias = str | tuple[int, tuple[float, ...]]
# Okabe and Ito's colours that are visible on white and black; dashes and marks are redundant.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: tuple[Dashes, ...] = (
    "-",
    (0, (4, 1.5)),
    (0, (1, 1.2)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (9, 4)),
    (0, (6, 1.5, 1, 1.5, 1, 1.5)),
)
MARKS = ("o", "s", "^", "D", "v", "P")
HATCHES = ("", "////", "----", "\\\\\\\\", "xxxx", "||||")
"""One per colour, so that lines and areas are distinguishable without colours."""

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
    "hatch.linewidth": 0.9,
    "legend.borderaxespad": 0.2,
    "legend.columnspacing": 1.4,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "svg.fonttype": "none",  # keep text as text: smaller, and in the page's font
    "svg.hashsalt": "report",  # deterministic output
    "text.color": INK,
    "text.parse_math": False,  # dollar signs are not math
    "xtick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.color": INK,
    "ytick.labelsize": 8.5,
}

NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_DROPPED = re.compile(r'<(metadata|style)\b.*?</\1>|(?<=<g) id="[^"]*"', re.DOTALL)
_REFERENCE = re.compile(r'(\bid="|url\(#|href="#)')
_PATH = re.compile(r' d="[^"]*"')
_DECIMALS = re.compile(r"(\.\d\d)\d+")


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure of the page."""

    title: str
    caption: str
    svg: Markup
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


def of_curves(
    title: str, meaning: str, figure: Figure, steps: FloatArray, series: Sequence[Series]
) -> Plot:
    """Return a line plot with its caption, its alternative text and its table."""
    window, stride = window_of(len(steps)), math.ceil(len(steps) / MAX_POINTS)
    if window > 1:
        thin = "each step" if stride == 1 else f"means of {stride} steps"
        meaning += f" Thin: {thin}; thick: running mean over {window} steps."
    names = [[one.label, f"{one.label}, held out"][: 1 + bool(one.points)] for one in series]
    header = ("step", *(name for pair in names for name in pair))
    description = "; ".join(f"{one.label}: {course(one)}" for one in series)
    return finished(title, meaning, figure, description, header, table(steps, series))


def finished(
    title: str,
    meaning: str,
    figure: Figure,
    description: str,
    header: tuple[str, ...],
    rows: list[tuple[str, ...]],
) -> Plot:
    """Return a figure with its caption, its description in words, and its data as a table."""
    return Plot(title, meaning, _svg(figure, title, description), header, rows)


def panels_of(number: int, *, height: float, one_scale: bool = True) -> tuple[Figure, list[Axes]]:
    """Return a figure with a number of axes in two columns, by default with one scale."""
    columns = min(2, number)
    lines = math.ceil(number / columns)
    figure = Figure(figsize=(WIDTH, max(height * lines, 2.0)), layout="constrained")
    grid = figure.subplots(lines, columns, sharex=True, sharey=one_scale, squeeze=False)
    for unused in grid.flat[number:]:
        unused.remove()
    for axes in grid.flat[max(number - columns, 0) : number]:
        axes.tick_params(labelbottom=True)  # also above an empty cell
    return figure, list(grid.flat[:number])


def line(
    axes: Axes, x: FloatArray, values: FloatArray, index: int, *, label: str | None = None
) -> None:
    """Draw single steps as a thin line and their running mean as a thick one."""
    x, mean = binned(x, MAX_POINTS), running_mean(values)
    colour, dashes = cycled(COLOURS, index), cycled(DASHES, index)
    if window_of(len(values)) > 1:
        axes.plot(x, binned(values, MAX_POINTS), color=colour, linewidth=0.7, alpha=0.5)
    drawn = label if np.isfinite(mean).any() else None  # a legend names only what is drawn
    axes.plot(x, mean, color=colour, linewidth=1.8, linestyle=dashes, label=drawn)
    known = np.pad(np.isfinite(mean), 1)
    alone = known[1:-1] & ~known[:-2] & ~known[2:]  # a line needs two points
    axes.plot(x[alone], mean[alone], ".", color=colour, markersize=4)


def marks(
    axes: Axes,
    points: Sequence[Point],
    index: int,
    *,
    shift: float = 0.0,
    label: str | None = None,
) -> None:
    """Draw measurements on held-out tasks with their intervals; nothing without points."""
    if not points:
        return
    shown = [points[i] for i in spread(len(points), MAX_MARKS)]
    lows = [0.0 if p.estimate is None else p.rate - p.estimate.low for p in shown]
    highs = [0.0 if p.estimate is None else p.estimate.high - p.rate for p in shown]
    axes.errorbar(
        [point.steps + shift for point in shown],
        [point.rate for point in shown],
        yerr=[lows, highs],
        color=cycled(COLOURS, index),
        fmt=cycled(MARKS, index),
        markersize=5,
        markeredgecolor=PAPER,
        markeredgewidth=0.6,
        elinewidth=1.1,
        label=label,
    )


def stack(axes: Axes, x: FloatArray, parts: Mapping[str, FloatArray], width: float) -> None:
    """Draw stacked bars, whose parts differ in colour and pattern."""
    bottom = np.zeros_like(x)
    for index, (label, height) in enumerate(parts.items()):
        axes.bar(
            x,
            height,
            width,
            bottom,
            label=short(label, MAX_LABEL_CHARS),
            color=cycled(COLOURS, index),
            hatch=cycled(HATCHES, index),
            edgecolor=PAPER,
            linewidth=0,
        )
        bottom = bottom + np.nan_to_num(height)


def span_steps(axes: Axes, steps: Iterable[float]) -> None:
    """Limit the axis to the range of steps, with integer ticks."""
    low, high = min(steps), max(steps)
    margin = max(0.03 * (high - low), 0.6)
    axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def cycled(cycle: Sequence[T], index: int) -> T:
    """Return the entry at an index of a sequence that repeats."""
    return cycle[index % len(cycle)]


def short(name: str, length: int = 24) -> str:
    """Return a name shortened to fit above a panel."""
    return name if len(name) <= length else f"{name[: length - 1]}…"


def left_out(names: Sequence[str], limit: int) -> str:
    """Return a note on how many of the names a figure shows, empty if it shows all."""
    return f" The first {limit} of {len(names)}." if len(names) > limit else ""


def _svg(figure: Figure, title: str, description: str) -> Markup:
    """Return the figure as an SVG element with alternative text."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=NO_METADATA)
    opening, _, body = file.getvalue().partition("<svg")[2].partition(">")
    body = _DROPPED.sub("", body)
    place = re.sub(r"\W+", "-", title.lower())  # ids must be unique within a page
    body = _REFERENCE.sub(lambda found: f"{found[1]}{place}-", body)
    body = _PATH.sub(lambda path: _DECIMALS.sub(r"\1", path[0]), body)
    for stand_in, colour in THEME.items():
        body = body.replace(stand_in, colour)
    (view,) = re.findall(r'viewBox="([^"]*)"', opening)
    start = Markup('<svg viewBox="{}" role="img" aria-label="{}">').format(
        view, f"{title}. {description}"
    )
    return start + Markup(body)


def tick(number: float, most: float) -> str:
    """Return a number on an axis, in the unit of the largest one: "8k" beside "16k"."""
    unit, size = ("M", 1e6) if most >= 1e6 else ("k", 1e3) if most >= 1e4 else ("", 1.0)
    return f"{number / size:,g}{unit if number else ''}"
