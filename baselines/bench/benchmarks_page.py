"""docs/benchmarks.md: one section per bench, each written by the bench that measured it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

HEAD = """# Benchmarks

Each section is written by the command that it names, on the machine that it names. Two things that
are compared take turns in one process, in random order; a ratio is one of medians, and its interval
is the 95 % bootstrap interval over the repeats, each drawn as a whole.
"""
CPU_INFO = Path("/proc/cpuinfo")
MIN_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Finding:
    """A table of what was measured.

    Args:
        title: Its heading.
        meaning: What was done, in Markdown.
        columns: Headings; the first column is text.
        rows: Cells.
    """

    title: str
    meaning: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def show(self) -> None:
        """Print it, no narrower than its numbers need."""
        Console(width=max(MIN_WIDTH, Console().width)).print(self._table())

    def _table(self) -> Table:
        table = Table(title=self.title, title_justify="left")
        for place, column in enumerate(self.columns):
            table.add_column(column, justify="right" if place else "left")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """Return it for the page."""
        rule = ("---", *["---:"] * (len(self.columns) - 1))
        lines = [f"| {' | '.join(row)} |" for row in (self.columns, rule, *self.rows)]
        return "\n".join([f"### {self.title}", "", self.meaning, "", *lines, ""])


def write_section(page: Path, name: str, findings: Sequence[Finding], *, threads: int) -> None:
    """Put the findings of a bench in the place of what stood there.

    Args:
        page: A Markdown file, which need not exist.
        name: Of the bench.
        findings: What it found.
        threads: That torch used.
    """
    begin, end = f"<!-- bench {name} -->", f"<!-- end of bench {name} -->"
    machine = f"{cpu_model()}, {os.cpu_count()} cores, torch on {threads} thread(s)"
    title = f"## {name.capitalize()}\n\n`python -m baselines.bench {name}` on: {machine}.\n"
    body = "\n".join([begin, title, *(finding.markdown() for finding in findings), end])
    text = page.read_text(encoding="utf-8") if page.exists() else HEAD
    place = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    is_there = place.search(text) is not None
    written = place.sub(lambda _: body, text) if is_there else f"{text.rstrip()}\n\n{body}\n"
    page.write_text(written, encoding="utf-8")


def cpu_model() -> str:
    """Return what the processor calls itself."""
    if CPU_INFO.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", CPU_INFO.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()
