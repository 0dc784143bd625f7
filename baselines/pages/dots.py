"""Figures of estimates: a dot with an interval for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

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
) -> Plot:
    """Return a figure with one row per label, and a legend if there are several series.

    Args:
        title: Title of the figure.
        meaning: What the caption says.
        shown: The estimates, at least one.
        xlabel: Label of the axis.
        spec: Format of the numbers in the table, such as "+.3f".
        has_zero: Whether 0 is marked by a line, as for differences.
    """
    all_rows = list(dict.fromkeys(dot.row for dot in shown))
    rows = all_rows[:MAX_ROWS]
    meaning += left_out(all_rows, MAX_ROWS)
    series = list(dict.fromkeys(dot.series for dot in shown))
    figure, (axes,) = panels_of(1, height=0.8 + (0.35 + OFFSET * (len(series) - 1)) * len(rows))
    if has_zero:
        axes.axvline(0.0, color=INK, linewidth=0.9)
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
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.margins(x=0.1)
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


def _without_empty(
    header: tuple[str, ...], rows: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Leave out the columns that are empty in all rows."""
    used = [i for i in range(len(header)) if any(row[i] for row in rows)]
    return tuple(header[i] for i in used), [tuple(row[i] for i in used) for row in rows]
