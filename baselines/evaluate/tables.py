"""Tables of an evaluation, with confidence intervals, for the terminal and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from baselines.common.stats import Estimate, PairedDifference, p_text
from baselines.common.wording import plural
from baselines.evaluate.paths import JOINT
from baselines.evaluate.rows import Row
from baselines.evaluate.summary import Summary

TERMINAL_WIDTH = 80
"""Widest table in a terminal, in characters."""
NOT_MEASURED = "not measured"
RATE_COLUMNS = ("quantity", "mean", "95 % interval", "count", "verdict")
"""The last column is left out where nothing is tested."""
GUESS_COLUMNS = ("random guess", "most frequent letter")
MAX_WORD = 20
"""Longest word in a table in a terminal that is never broken."""
_WORD = re.compile(r"\[[^][]*\]|\S+")
_NUMBER = re.compile(r"[-+<[]*\d|\N{EN DASH}$|$")
_BREAK = re.compile(r" (?=\[)|, (?=p [=<])")
"""Where a cell continues on its next line: before its interval, and before its p-value."""
_GAP = 2
"""Characters between two columns."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text.

    Args:
        title: Title above the table.
        columns: Column headers; the first column names the rows.
        rows: Cells, one per column.
        note: Note below the table; may be empty.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def for_terminal(self) -> Group:
        """Return rich tables of at most TERMINAL_WIDTH columns of text, in which markup is text.

        Intervals stand below their values where a table is too wide, and columns for which there is
        no room in further tables.
        """
        texts = [[column, *cells] for column, *cells in zip(self.columns, *self.rows, strict=True)]
        if _width([max(map(len, column)) for column in texts]) > TERMINAL_WIDTH:
            texts = [[_BREAK.sub("\n", text) for text in column] for column in texts]
        shown = [Text(self.title, style="bold")]
        parts = _fitting([_least_width(column) for column in texts])
        tables = [_terminal_table([texts[place] for place in part]) for part in parts]
        notes = [Text(self.note, style="dim")] if self.note else []
        return Group(*shown, *tables, *notes)

    def as_markdown(self) -> str:
        """Return a Markdown section with a table."""
        lines = [
            f"## {_plain(self.title)}",
            "",
            _pipes([_plain(name) for name in self.columns]),
            _pipes(["---", *["---:"] * (len(self.columns) - 1)]),
            *(_pipes([_plain(name), *numbers]) for name, *numbers in self.rows),
        ]
        if self.note:
            lines += ["", f"{_plain(self.note)}."]
        return "\n".join(lines) + "\n"


def grids(summaries: Sequence[Summary]) -> list[Grid]:
    """Return one table per benchmark, and one per tag with a row for each value."""
    tables = [_whole(summary) for summary in summaries if summary.tag is None]
    names = dict.fromkeys((s.benchmark, s.tag[0]) for s in summaries if s.tag is not None)
    for benchmark, name in names:
        own = [s for s in summaries if s.benchmark == benchmark and s.tag and s.tag[0] == name]
        tables.append(_by_tag(benchmark, name, own))
    return tables


def markdown_page(title: str, tables: Sequence[Grid], notes: Sequence[str]) -> str:
    """Return a page with a title, notes and all tables."""
    head = [f"# {_plain(title)}", "", *notes, ""]
    return "\n".join([*head, *(table.as_markdown() for table in tables)])


def _whole(summary: Summary) -> Grid:
    samples = f", {summary.num_samples} samples each" if summary.num_samples > 1 else ""
    num_columns = len(RATE_COLUMNS) - all(row.verdict is None for row in summary.rows)
    notes = [f"{plural(summary.num_unmeasured, 'episode')} not measured"]
    if num_columns == len(RATE_COLUMNS):
        notes.append(
            "verdicts: paired tests, p adjusted by Holm's method; intervals are not adjusted for "
            "the number of tests"
        )
    return Grid(
        f"{summary.benchmark}: {plural(summary.num_tasks, 'task')}{samples}",
        RATE_COLUMNS[:num_columns],
        tuple(cells[:num_columns] for cells in _rows(summary)),
        "; ".join(notes),
    )


def _rows(summary: Summary) -> list[tuple[str, ...]]:
    """Return the rows of a summary; what guessing scores stands below the team's accuracy."""
    guesses = [(own.text, f"{own.value:.3f}", "exact", own.count, "") for own in summary.guesses]
    rows: list[tuple[str, ...]] = []
    for row in summary.rows:
        rows.append(_cells(row))
        if row.quantity == "accuracy" and row.path == JOINT:
            rows += guesses
    return rows


def verdict_text(row: Row) -> str:
    """Return the verdict on a net gain with its p-value; empty if it is not tested."""
    if row.verdict is None or row.adjusted is None:
        return ""
    return f"{row.verdict}, {p_text(row.adjusted)}"


def _cells(row: Row) -> tuple[str, ...]:
    if row.estimate is None:
        return row.text, NOT_MEASURED, "", "0 of 0", ""
    sign = "+" if row.quantity == "net_gain" else ""
    low, high = (format(end, f"{sign}.3f") for end in (row.estimate.low, row.estimate.high))
    is_count = row.successes is not None and row.quantity != "net_gain"
    count = f"{row.successes} of {row.total}" if is_count else ""
    mean = f"{row.estimate.value:{sign}.3f}"
    return row.text, mean, f"[{low}, {high}]", count, verdict_text(row)


def _by_tag(benchmark: str, name: str, summaries: Sequence[Summary]) -> Grid:
    """Return a table with one row per value of a tag: team accuracy, and effect of each removal."""
    chosen = [
        row
        for row in summaries[0].rows
        if (row.quantity == "accuracy" and row.path.kind in ("joint", "without"))
        or (row.quantity == "net_gain" and row.path.kind == "without")
    ]
    guessed = any(summary.guesses for summary in summaries)
    rows = []
    for summary in summaries:
        assert summary.tag is not None
        found = [summary.find(row.quantity, row.path) for row in chosen]
        cells = [_short(row.estimate if row is not None else None) for row in found]
        guesses = _guess_cells(summary) if guessed else ()
        rows.append((summary.tag[1], str(summary.num_tasks), cells[0], *guesses, *cells[1:]))
    team, *others = [row.text for row in chosen]
    headers = (name, "tasks", team, *(GUESS_COLUMNS if guessed else ()), *others)
    return Grid(f"{benchmark} by {name}", headers, tuple(rows), _tag_note(len(summaries)))


def _guess_cells(summary: Summary) -> tuple[str, ...]:
    """Return what guessing scores on the tasks of a tag, a dash where it is not multiple choice."""
    if not summary.guesses:
        return ("\N{EN DASH}",) * len(GUESS_COLUMNS)
    values = {guess.name: guess for guess in summary.guesses}
    majority = values["majority_letter"]
    return f"{values['random_guess'].value:.3f}", f"{majority.value:.3f} ({majority.letter})"


def _tag_note(num_rows: int) -> str:
    return (
        f"intervals of {num_rows} groups, not adjusted for their number: with 20 of them, about "
        f"one is expected to miss"
    )


def _short(estimate: Estimate | None) -> str:
    if estimate is None:
        return NOT_MEASURED
    return estimate.text("+.3f" if isinstance(estimate, PairedDifference) else ".3f")


def _terminal_table(columns: Sequence[Sequence[str]]) -> Table:
    """Return a rich table of columns of text, whose numbers are aligned on the right."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for (header, *cells), width in zip(columns, _widths(columns), strict=True):
        is_numeric = all(_NUMBER.match(cell) for cell in cells)
        justify: Literal["left", "right"] = "right" if is_numeric else "left"
        table.add_column(Text(header), justify=justify, width=width, overflow="fold")
    for row in zip(*(own[1:] for own in columns), strict=True):
        table.add_row(*map(Text, row))
    return table


def _natural_widths(columns: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(line) for text in own for line in text.split("\n")) for own in columns]


def _widths(columns: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column; the widest that can be broken are, until all fit."""
    widths, least = _natural_widths(columns), [_least_width(own) for own in columns]
    while _width(widths) > TERMINAL_WIDTH:
        wide = [place for place in range(len(widths)) if widths[place] > least[place]]
        if not wide:
            break
        widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def _fitting(widths: Sequence[int]) -> list[list[int]]:
    """Return the places of the columns of each table, the first one in all of them."""
    parts: list[list[int]] = [[0]]
    for place, width in enumerate(widths[1:], start=1):
        if len(parts[-1]) > 1 and _width([*(widths[i] for i in parts[-1]), width]) > TERMINAL_WIDTH:
            parts.append([0])
        parts[-1].append(place)
    return parts


def _least_width(column: Sequence[str]) -> int:
    """Return the length of the longest word or interval, or MAX_WORD, where words are broken."""
    return min(max(len(word) for text in column for word in _WORD.findall(text) or [""]), MAX_WORD)


def _width(widths: Sequence[int]) -> int:
    """Return the width of a table from those of its columns."""
    return sum(widths) + _GAP * (len(widths) - 1)


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Return text on one line, escaped for Markdown."""
    line = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!~" else c for c in line)
