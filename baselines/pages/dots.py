"""Figures of estimates: a dot with an interval for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from baselines.common.stats import Estimate
from baselines.pages.svg import (
    COLOURS,
    INK,
    MARKS,
    MAX_LABEL_CHARS,
    Plot,
    cycled,
    finished,
    left_out,
    panels_of,
    short,
)

MAX_ROWS = 24
"""Most rows in a figure; the table of its numbers has all."""
OFFSET = 0.17
"""Distance of the dots of one row, in rows."""


@dataclass(frozen=True, slots=True)
class Dot:
    """An estimate in the figure.

    Args:
        row: Label of its row; dots with the same label share one.
        estimate: The estimate.
        series: Name in the legend; the dots of a series share colour and mark.
        note: What the table of the numbers adds, such as a verdict.
        is_filled: Whether the mark is filled; hollow marks are told apart in the caption.
        has_value: Whether the value was measured; if not, only the interval is drawn and listed.
    """

    row: str
    estimate: Estimate
    series: str = ""
    note: str = ""
    is_filled: bool = True
    has_value: bool = True

    def text(self, spec: str) -> str:
        """Return the value with its interval, or the interval alone."""
        text = self.estimate.text(spec)
        return text if self.has_value else text[text.index("[") :]


def dots(
    title: str,
    meaning: str,
    shown: Sequence[Dot],
    *,
    xlabel: str,
    spec: str = ".3f",
    has_zero: bool = False,
    is_ratio: bool = False,
    reference: float | None = None,
) -> Plot:
    """Return a figure with one row per label, and a legend if there are several series.

    Args:
        title: Title of the figure.
        meaning: What the caption says.
        shown: The estimates, at least one.
        xlabel: Label of the axis.
        spec: Format of the numbers in the table, such as "+.3f".
        has_zero: Whether 0 is marked by a line, as for differences.
        is_ratio: Whether the axis is logarithmic to base 2, with a line at 1; all ends must be
            positive.
        reference: Where a dashed line is drawn, which the caption explains. None: nowhere.
    """
    all_rows = list(dict.fromkeys(dot.row for dot in shown))
    rows = all_rows[:MAX_ROWS]
    meaning += left_out(all_rows, MAX_ROWS)
    series = list(dict.fromkeys(dot.series for dot in shown))
    figure, (axes,) = panels_of(1, height=0.8 + (0.35 + OFFSET * (len(series) - 1)) * len(rows))
    if has_zero:
        axes.axvline(0.0, color=INK, linewidth=0.9)
    if reference is not None:
        axes.axvline(reference, color=INK, linewidth=0.9, linestyle="--")
    for index, name in enumerate(series):
        own = [dot for dot in shown if dot.series == name and dot.row in rows]
        colour = cycled(COLOURS, index)
        for place, dot in enumerate(own):
            found = dot.estimate
            axes.errorbar(
                [found.value],
                [rows.index(dot.row) + OFFSET * (index - (len(series) - 1) / 2.0)],
                xerr=[[found.value - found.low], [found.high - found.value]],
                color=colour,
                fmt=cycled(MARKS, index) if dot.has_value else "none",
                markersize=6,
                markerfacecolor=colour if dot.is_filled else "none",
                elinewidth=1.5 if dot.is_filled else 1.0,
                label=short(name, MAX_LABEL_CHARS) if name and not place else None,
            )
    axes.set_yticks(range(len(rows)), labels=rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.1)
    if is_ratio:
        _show_ratios(axes, [dot.estimate for dot in shown if dot.row in rows])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel(xlabel)
    if len(series) > 1:
        figure.legend(loc="outside upper left", ncols=2)
    cells = [(dot.row.replace("\n", ", "), dot.series, dot.text(spec), dot.note) for dot in shown]
    return finished(
        title,
        meaning,
        figure,
        "; ".join(", ".join(filter(None, row)) for row in cells),
        *_without_empty(("", "of", "value", "note"), cells),
    )


def ratio_label(value: float) -> str:
    """Return a power of two as a tick of an axis of ratios, such as ¼, ½, 1 and 2."""
    if value >= 1.0:
        return f"{value:g}"
    return {2: "½", 4: "¼", 8: "⅛"}.get(round(1.0 / value), f"1/{1.0 / value:.0f}")


def _show_ratios(axes: Axes, shown: Sequence[Estimate]) -> None:
    """Make the axis logarithmic to base 2, wide enough for a tick on either side of 1."""
    axes.set_xscale("log", base=2)
    axes.axvline(1.0, color=INK, linewidth=0.9)
    axes.set_xlim(
        min(0.48, *[own.low / 1.1 for own in shown]), max(2.08, *[own.high * 1.1 for own in shown])
    )
    axes.xaxis.set_major_locator(LogLocator(base=2.0, numticks=9))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: ratio_label(value)))


def _without_empty(
    header: tuple[str, ...], rows: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Leave out the columns that are empty in all rows."""
    used = [i for i in range(len(header)) if any(row[i] for row in rows)]
    return tuple(header[i] for i in used), [tuple(row[i] for i in used) for row in rows]
