"""Pictures of the map: narrow, for a phone, with colours that a colour-blind reader tells apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from baselines.bench.map.checks import POINTS, Check
from baselines.bench.map.slices import Found, name_of
from baselines.common.types import FloatArray

WIDTH, PANEL_HEIGHT = 4.2, 2.9  # inches: 390 pixels of a phone show text of 9 points as 12 pixels
FONT = {"font.size": 9.0, "axes.titlesize": 9.5, "legend.fontsize": 8.0}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito
MARKERS = ("o", "s", "^", "D", "v", "P")
SHOWN = ("leave_one_out", "shapley", "branch, M = 4", "counterfactual")
"""Credit in the picture of the interaction."""
MOST = 4.0
"""Efficiencies beyond this, and below its inverse, have the same colour."""


def chain_figure(results: Sequence[Found]) -> Figure:
    """Return how efficient the best credit from replays is, and the oracle, in chains."""
    figure, panels = _figure(4)
    _heatmap(panels[0], results, "need", is_shown=_is_estimate)
    panels[0].set_title("Best credit that is estimated from replays")
    panels[0].set_xlabel("share of tasks that need the thoughts")
    _heatmap(panels[1], results, "reliability", is_shown=_is_estimate)
    panels[1].set_title("The same, by reliability")
    panels[1].set_xlabel("reliability of the solver")
    for axes, region, label in (
        (panels[2], "need", "share of tasks that need the thoughts"),
        (panels[3], "reliability", "reliability of the solver"),
    ):
        _heatmap(axes, results, region, is_shown=lambda one: one.credit.allocator == "oracle")
        axes.set_title("Oracle: what exact values would win")
        axes.set_xlabel(label)
    return figure


def setting_figure(results: Sequence[Found]) -> Figure:
    """Return efficiency by cost of a replayed message, group size and interaction."""
    figure, panels = _figure(4)
    _lines(
        panels[0],
        [one for one in results if one.region == "replay cost" and name_of(one).endswith("= 4")],
        label=lambda one: f"K = {one.y}",
    )
    panels[0].set_title("branch, M = 4, by number of thinkers K")
    panels[0].set_xlabel("cost of a replayed message, in messages")
    groups = [one for one in results if one.region == "group size" and "hopeless" not in str(one.y)]
    _lines(
        panels[1],
        groups,
        label=lambda one: f"{str(one.y).split(',')[0]}, {_baseline(one.credit.optimizer)}",
    )
    panels[1].set_xscale("log", base=2)
    panels[1].set_xticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
    panels[1].set_title("Shared reward, by baseline")
    panels[1].set_xlabel("group size G")
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
    panels[3].set_xlabel("interaction (-1: any suffices, 1: all needed)")
    return figure


def vote_figure(results: Sequence[Found]) -> Figure:
    """Return efficiency in votes by the number of voters and their skill."""
    figure, panels = _figure(2)
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
    return figure


def check_figure(checks: Sequence[Check]) -> Figure:
    """Return the difference that training found against the efficiency, a number per point."""
    figure, (axes,) = _figure(1)
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=0.01)
    for check in checks:
        span = sorted((check.start, check.middle))
        found = check.difference
        middle = float(np.sqrt(span[0] * span[1]))
        axes.plot(span, [found.value] * 2, color=COLOURS[0], linewidth=2.0)
        axes.errorbar(
            middle,
            found.value,
            [[found.value - found.low], [found.high - found.value]],
            fmt="o",
            color=COLOURS[0],
            ms=4.0,
            capsize=2.5,
        )
        axes.annotate(
            str(check.key.point + 1), (span[1], found.value), (4, 2), textcoords="offset points"
        )
    _grid(axes)
    axes.axvline(1.0, color="#000000", linewidth=0.9)
    axes.axhline(0.0, color="#000000", linewidth=0.9)
    axes.set_xticks([0.5, 1.0, 2.0, 5.0, 10.0, 20.0], ["0.5", "1", "2", "5", "10", "20"])
    axes.minorticks_off()
    axes.set_yticks([-0.1, -0.01, 0.0, 0.01, 0.1], ["-0.1", "-0.01", "0", "0.01", "0.1"])
    axes.set_xlabel("efficiency, start to middle of training")
    axes.set_ylabel("difference of the area, training")
    axes.set_title(f"{len(checks)} of {len(POINTS)} points, 95 % intervals")
    return figure


def _figure(num_panels: int) -> tuple[Figure, list[Axes]]:
    from matplotlib import rc_context

    with rc_context(FONT):
        figure = Figure(figsize=(WIDTH, num_panels * PANEL_HEIGHT), layout="constrained", dpi=200)
        panels = figure.subplots(num_panels, 1, squeeze=False)
    return figure, list(panels[:, 0])


def _is_estimate(found: Found) -> bool:
    return found.credit.allocator not in ("oracle", "counterfactual", "regression")


def _baseline(optimizer: str) -> str:
    return "group mean" if optimizer == "grpo" else "mean of the step"


def _heatmap(
    axes: Axes, results: Sequence[Found], region: str, *, is_shown: Callable[[Found], bool]
) -> None:
    """Draw the largest efficiency of a cell, with its number: above 1 orange, below 1 blue."""
    shown = [one for one in results if one.region == region and is_shown(one)]
    if not shown:
        return
    columns = sorted({float(one.x) for one in shown})
    rows = sorted({float(one.y or 0.0) for one in shown})
    values = np.full((len(rows), len(columns)), np.nan)
    for one in shown:
        place = rows.index(float(one.y or 0.0)), columns.index(float(one.x))
        values[place] = np.nanmax([values[place], one.efficiency])
    axes.imshow(values, cmap="PuOr_r", norm=LogNorm(1.0 / MOST, MOST, clip=True), aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        is_dark = abs(np.log(value)) > 0.75 * np.log(MOST)
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
    for place, (name, points) in enumerate(lines.items()):
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
    axes.set_yscale("log")
    _grid(axes)
    axes.axhline(1.0, color="#000000", linewidth=0.9)
    _label_decades(axes, np.array([one.efficiency for one in results]))
    axes.set_ylabel("efficiency")
    if lines:
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=2)


def _label_decades(axes: Axes, values: FloatArray) -> None:
    ticks = (0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
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
