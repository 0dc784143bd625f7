"""Tables of an evaluation, with confidence intervals, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.markup import escape
from rich.table import Table

from baselines.common.stats import Estimate
from baselines.evaluate.summary import Row, Summary

NOT_MEASURED = "not measured"
RATE_COLUMNS = ("quantity", "mean", "95 % interval", "count")


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

    def for_terminal(self) -> Table:
        """Return a rich table, with markup in texts escaped."""
        table = Table(title=escape(self.title), title_justify="left", box=box.ROUNDED)
        for place, name in enumerate(self.columns):
            table.add_column(escape(name), justify="left" if place == 0 else "right")
        for cells in self.rows:
            table.add_row(*map(escape, cells))
        table.caption = escape(self.note)
        return table

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
    return Grid(
        f"{summary.benchmark}: {summary.num_tasks} tasks{samples}",
        RATE_COLUMNS,
        tuple(_cells(row) for row in summary.rows),
        f"{summary.num_unmeasured} episodes not measured",
    )


def _cells(row: Row) -> tuple[str, ...]:
    if row.estimate is None:
        return row.text, NOT_MEASURED, "", "0 of 0"
    sign = "+" if row.quantity == "net_gain" else ""
    low, high = (format(end, f"{sign}.3f") for end in (row.estimate.low, row.estimate.high))
    count = f"{row.successes:{sign}d} of {row.total}"
    return row.text, f"{row.estimate.value:{sign}.3f}", f"[{low}, {high}]", count


def _by_tag(benchmark: str, name: str, summaries: Sequence[Summary]) -> Grid:
    """Return a table with one row per value of a tag: team accuracy, and effect of each removal."""
    chosen = [
        row
        for row in summaries[0].rows
        if (row.quantity == "accuracy" and row.path.kind in ("joint", "without"))
        or (row.quantity == "net_gain" and row.path.kind == "without")
    ]
    rows = []
    for summary in summaries:
        assert summary.tag is not None
        found = [summary.find(row.quantity, row.path) for row in chosen]
        cells = [_short(row.estimate if row is not None else None) for row in found]
        rows.append((summary.tag[1], str(summary.num_tasks), *cells))
    return Grid(f"{benchmark} by {name}", (name, "tasks", *(r.text for r in chosen)), tuple(rows))


def _short(estimate: Estimate | None) -> str:
    return NOT_MEASURED if estimate is None else str(estimate)


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Return text on one line, escaped for Markdown."""
    line = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!~" else c for c in line)
