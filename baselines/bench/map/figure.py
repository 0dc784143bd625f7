"""Pictures of the map: narrow, for a phone, with colours that a colour-blind reader tells apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.typing import RcStyleType

from baselines.bench.map.checks import POINTS, Check
from baselines.bench.map.slices import Found, name_of
from baselines.common.types import FloatArray

Drawn = TypeVar("Drawn", Found, Check)

WIDTH, PANEL_HEIGHT = 4.2, 3.0  # inches: 390 pixels of a phone show text of 9 points as 12 pixels
FONT: RcStyleType = {"font.size": 9.0, "axes.titlesize": 10.0, "legend.fontsize": 8.5}
LONG_LABEL = 18
"""Number of characters beyond which the labels of a legend stand below each other."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito
MARKERS = ("o", "s", "^", "D", "v", "P")
HEATMAP_HEIGHT = 2.2
EACH_NAMES = ("leave_one_out", "branch", "shapley")
"""Credit from replays that tell one thinker from another."""
REGIONS = {
    "need": "share of tasks that need the thoughts",
    "reliability": "reliability of the solver",
}
PLACES = {
    "leave_one_out": 0,
    "shapley": 1,
    "banzhaf": 2,
    "branch, M = 4": 2,
    "own_answer": 3,
    "oracle": 4,
    "branch after last, M = 4": 5,
}
"""Credit that has the same colour in all pictures, by its place among the colours."""
SHOWN = ("leave_one_out", "branch, M = 4", "branch after last, M = 4", "shapley")
"""Credit in the picture of the interaction."""
MOST = 4.0
"""Efficiencies beyond this, and below its inverse, have the same colour."""


def chain_figure(results: Sequence[Found]) -> Figure:
    """Return the efficiency of credit in chains, by thinkers K, need and reliability."""
    figure = Figure(figsize=(WIDTH, 6 * HEATMAP_HEIGHT), layout="constrained", dpi=200)
    panels = figure.subplots(6, 1)
    rows = (
        ("Best of leave_one_out, branch and shapley", EACH_NAMES),
        ("Best of branch after last", ("last_branch",)),
        ("Oracle: what exact values would win", ("oracle",)),
    )
    for pair, (title, names) in zip(panels.reshape(3, 2), rows, strict=True):
        for axes, region in zip(pair, ("need", "reliability"), strict=True):
            own = [one for one in results if one.region == region]
            _heatmap(axes, [one for one in own if one.credit.allocator in names])
            axes.set_title(title)
            axes.set_xlabel(REGIONS[region])
    return figure


def setting_figure(results: Sequence[Found]) -> Figure:
    """Return efficiency by cost of a replayed message, group size, need and interaction."""
    figure, panels = _figure(5)
    _lines(
        panels[0],
        [one for one in results if one.region == "replay cost" and name_of(one) == "branch, M = 4"],
        label=lambda one: f"K = {one.y}",
    )
    panels[0].set_title("branch, M = 4, by number of thinkers K")
    panels[0].set_xlabel("cost of a replayed message, in messages")
    _scatter(panels[1], [one for one in results if one.region == "spread"])
    panels[1].set_title("reinforce_pp, G = 1, by number of thinkers K")
    panels[1].set_xlabel("share of the reward's variance between tasks")
    _lines(
        panels[2],
        [one for one in results if one.region == "whitened"],
        label=lambda one: str(one.y),
    )
    panels[2].set_xscale("log")
    panels[2].set_xticks([0.05, 0.1, 0.2, 0.5, 1.0], ["0.05", "0.1", "0.2", "0.5", "1"])
    panels[2].minorticks_off()
    panels[2].set_title("leave_one_out without a group mean, G = 2")
    panels[2].set_xlabel("share of tasks that need the thoughts")
    _lines(
        panels[3],
        [
            one
            for one in results
            if one.region == "interaction" and name_of(one) in SHOWN and one.x != "specialists"
        ],
        label=name_of,
    )
    panels[3].set_title("Three thinkers")
    panels[3].set_xticks([-1.0, -0.5, 0.0, 0.5, 1.0])
    panels[3].set_xlabel("interaction (-1: any suffices, 1: all needed)")
    _lines(
        panels[4],
        _by_group_size(results, is_vote=False),
        label=lambda one: f"{one.y}, {name_of(one)}",
    )
    _label_group_sizes(panels[4], "Chains, against shared reward of equal G")
    return figure


def vote_figure(results: Sequence[Found]) -> Figure:
    """Return efficiency in votes by the number of voters, their skill, and the group size."""
    figure, panels = _figure(3)
    _lines(
        panels[0],
        [one for one in results if one.region == "voters" and one.credit.allocator != "regression"],
        label=name_of,
    )
    panels[0].set_xticks([3, 5, 7])
    panels[0].set_xlabel("number of voters")
    panels[0].set_title("Votes")
    _lines(panels[1], [one for one in results if one.region == "skill"], label=name_of)
    panels[1].set_xlabel("mean skill of five voters")
    panels[1].set_title("Vote of five")
    _lines(panels[2], _by_group_size(results, is_vote=True), label=name_of)
    _label_group_sizes(panels[2], "Vote of five, against shared reward of equal G")
    return figure


def check_figure(checks: Sequence[Check]) -> Figure:
    """Return efficiency and the difference that training found, a row per point, side by side."""
    figure = Figure(figsize=(WIDTH, 1.2 * PANEL_HEIGHT), layout="constrained", dpi=200)
    left, right = figure.subplots(1, 2, sharey=True)
    for check in checks:
        row, found = check.key.point + 1, check.difference
        left.plot((check.start, check.middle), (row, row), color=COLOURS[1], linewidth=1.6)
        left.plot(check.start, row, "o", color=COLOURS[1], ms=4.5)
        left.plot(check.middle, row, "|", color=COLOURS[1], ms=9.0, mew=1.6)
        errors = [[found.value - found.low], [found.high - found.value]]
        right.errorbar(
            found.value, row, xerr=errors, fmt="o", color=COLOURS[0], ms=4.5, capsize=2.5
        )
    left.set_xscale("log")
    left.set_xticks([0.5, 1.0, 2.0, 5.0, 20.0], ["0.5", "1", "2", "5", "20"])
    left.minorticks_off()
    left.axvline(1.0, color="#000000", linewidth=0.9)
    left.set_xlabel("efficiency: start (dot)\nto half way (bar)")
    left.set_yticks(range(1, len(POINTS) + 1))
    left.set_ylim(len(POINTS) + 0.6, 0.4)
    left.set_ylabel("point of the table")
    right.set_xscale("symlog", linthresh=0.01)
    right.set_xlim(-1.0, 1.0)
    right.set_xticks([-0.1, -0.01, 0.0, 0.01, 0.1], ["-.1", "-.01", "0", ".01", ".1"])
    right.minorticks_off()
    right.axvline(0.0, color="#000000", linewidth=0.9)
    right.set_xlabel("training: difference of the\narea, 95 % for all points")
    for axes in (left, right):
        _grid(axes)
    return figure


def save(draw: Callable[[Sequence[Drawn]], Figure], results: Sequence[Drawn], path: Path) -> None:
    """Draw a picture of some results into a file."""
    with style.context(FONT):
        draw(results).savefig(path)


def _figure(num_panels: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH, num_panels * PANEL_HEIGHT), layout="constrained", dpi=200)
    return figure, list(figure.subplots(num_panels, 1, squeeze=False)[:, 0])


def _by_group_size(results: Sequence[Found], *, is_vote: bool) -> list[Found]:
    own = [one for one in results if one.region == "credit, group size"]
    return [one for one in own if ("voters" in str(one.y)) == is_vote]


def _label_group_sizes(axes: Axes, title: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks([2, 4, 8, 16], ["2", "4", "8", "16"])
    axes.set_title(title)
    axes.set_xlabel("group size G")


def _heatmap(axes: Axes, shown: Sequence[Found]) -> None:
    """Draw the largest efficiency of a cell, with its number: above 1 orange, below 1 purple."""
    if not shown:
        return
    columns = sorted({float(one.x) for one in shown})
    rows = sorted({float(one.y or 0.0) for one in shown})
    values = np.full((len(rows), len(columns)), np.nan)
    for one in shown:
        place = rows.index(float(one.y or 0.0)), columns.index(float(one.x))
        values[place] = np.nanmax([values[place], one.efficiency])
    picture = axes.imshow(
        values, cmap="PuOr_r", norm=LogNorm(1.0 / MOST, MOST, clip=True), aspect="auto"
    )
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, _ = picture.cmap(picture.norm(value))
        is_dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.4  # luminance
        text = f"{value:.2f}" if value < 10.0 else f"{value:.0f}"
        axes.text(column, row, text, ha="center", va="center", color="w" if is_dark else "k")
    axes.set_xticks(range(len(columns)), [f"{value:g}" for value in columns])
    axes.set_yticks(range(len(rows)), [f"{value:g}" for value in rows])
    axes.set_ylabel("thinkers K")


def _lines(axes: Axes, results: Sequence[Found], *, label: Callable[[Found], str]) -> None:
    """Draw a line per label over x, on a logarithmic axis of efficiency."""
    lines: dict[str, list[Found]] = {}
    for one in results:
        lines.setdefault(label(one), []).append(one)
    for order, (name, points) in enumerate(lines.items()):
        place = PLACES.get(name, order)
        ordered = sorted(points, key=lambda one: float(one.x))
        axes.plot(
            [float(one.x) for one in ordered],
            [one.efficiency for one in ordered],
            color=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            linestyle=("-", "--", ":", "-.")[place % 4],
            markersize=4.5,
            linewidth=1.6,
            label=name,
        )
    columns = 1 if max(map(len, lines), default=0) > LONG_LABEL else 2
    _finish(axes, results, columns=columns)


def _scatter(axes: Axes, results: Sequence[Found]) -> None:
    """Draw a point per game of the region "spread", by number of thinkers."""
    counts = list(dict.fromkeys(str(one.y).split(",")[0] for one in results))
    for place, count in enumerate(counts):
        own = [one for one in results if str(one.y).startswith(f"{count},")]
        axes.plot(
            [float(one.x) for one in own],
            [one.efficiency for one in own],
            MARKERS[place],
            color=COLOURS[place],
            markersize=4.5,
            label=count,
        )
    _finish(axes, results, columns=3)


def _finish(axes: Axes, results: Sequence[Found], *, columns: int) -> None:
    """Scale, label and explain a panel of efficiencies, with the line at which credit pays."""
    axes.set_yscale("log")
    _grid(axes)
    axes.axhline(1.0, color="#000000", linewidth=0.9)
    _label_decades(axes, np.array([one.efficiency for one in results]))
    axes.set_ylabel("efficiency")
    if results:
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.24), ncol=columns)


def _label_decades(axes: Axes, values: FloatArray) -> None:
    ticks = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
    low, high = values.min(initial=1.0) / 1.15, values.max(initial=1.0) * 1.15
    shown = [tick for tick in ticks if low <= tick <= high]
    axes.set_ylim(low, high)
    axes.set_yticks(shown, [f"{tick:g}" for tick in shown])
    axes.minorticks_off()


def _grid(axes: Axes) -> None:
    axes.grid(linewidth=0.4, color="#CCCCCC")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


FIGURES: Mapping[str, Callable[[Sequence[Found]], Figure]] = {
    "map_chains.png": chain_figure,
    "map_settings.png": setting_figure,
    "map_votes.png": vote_figure,
}
"""Pictures of the map by file name."""
CHECKS_FIGURE = "map_checks.png"
