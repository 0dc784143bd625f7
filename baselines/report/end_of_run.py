"""The last screen of a run: before, after and difference in a table, a verdict, what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from baselines.common.rollout_file import ROLLOUTS_FILE
from baselines.common.stats import Estimate, p_number
from baselines.common.wording import next_lines
from baselines.report.held_out import BeforeAfter, RunRecord, comparisons, read_run
from baselines.report.narrative import answers, remarks
from baselines.report.outcomes import Kind
from baselines.report.run_audit import run_audit
from baselines.report.run_page import audited_agents

SHOWN: Sequence[Kind] = ("joint", "without", "adds")
MAX_ROWS = 15
"""Rows of the table; the page lists those of larger teams."""


@dataclass(frozen=True, slots=True)
class EndOfRun:
    """What the terminal shows of a run.

    Args:
        rows: The quantities of the table; none if nothing was evaluated.
        has_only_counts: Whether p-values are upper bounds.
        verdict: Whether the team learned, who helps and whether the credit differs, with one
            sentence per line.
        commands: Commands to type next, each with what it does.
    """

    rows: Sequence[BeforeAfter]
    has_only_counts: bool
    verdict: str
    commands: Mapping[str, str]

    def show(self, console: Console, *, report: Path) -> None:
        """Print the table, the verdict, the page of the run and the next commands."""

        def say(text: str, *, is_wrapped: bool = False) -> None:
            console.print(text, highlight=False, markup=False, soft_wrap=not is_wrapped)

        if self.rows:
            console.print(self.table())
            say("")
        say(self.verdict, is_wrapped=True)
        say(f"\nreport {report}")
        for line in next_lines(self.commands):
            say(line)

    def table(self) -> Table:
        """Return the table of quantities, at most 80 columns wide."""
        table = Table(
            title="Held-out tasks, in percent, with 95 % intervals",
            title_justify="left",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        table.add_column("", overflow="fold")
        for name in ("before", "after", "difference", "p"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in self.rows[:MAX_ROWS]:
            table.add_row(escape(row.label), *map(escape, self._cells(row)))
        notes = []
        if len(self.rows) > MAX_ROWS:
            notes.append(f"{len(self.rows) - MAX_ROWS} more rows are on the page.")
        if any(row.num_effects > 1 for row in self.rows):
            notes.append("Intervals are not adjusted for the number of agents.")
        table.caption = " ".join(notes) or None
        return table

    def _cells(self, row: BeforeAfter) -> tuple[str, ...]:
        spec = "+.1f" if row.kind == "adds" else ".1f"
        before, after = (
            "-" if end is None else _percent(end.value, spec) for end in (row.before, row.after)
        )
        return before, after, _difference(row.change), self._p(row)

    def _p(self, row: BeforeAfter) -> str:
        """Return the p-value of what training changed; only the whole team is tested for it."""
        if row.kind != "joint" or row.change is None:
            return ""
        number = p_number(row.change.p_value)
        return f"<= {number}" if self.has_only_counts and number[0] != "<" else number


def end_of_run(run_dir: Path) -> EndOfRun:
    """Return the last screen of a run from its files, which may be those of an unfinished run.

    Raises:
        FileNotFoundError: If there is no config.json.
        ValueError: If a file is damaged.
    """
    run = read_run(run_dir)
    audits = run_audit(run.rows, audited_agents(run.rows))
    said = [text for answer in answers(run, audits) for text in answer.sentences]
    return EndOfRun(
        rows=comparisons(run, SHOWN),
        has_only_counts=run.has_only_counts,
        verdict="\n".join([*said, *remarks(run)]),
        commands=_next_commands(run, run_dir),
    )


def _next_commands(run: RunRecord, run_dir: Path) -> dict[str, str]:
    """Return the commands that can read, or go on with, what the run has so far."""
    path = shlex.quote(str(run_dir))
    found = {}
    if run.status == "interrupted":
        found[f"ccpo train --resume --out-dir {path}"] = "go on"
    rollouts = run_dir / ROLLOUTS_FILE
    if rollouts.is_file() and rollouts.stat().st_size > 0:
        found[f"ccpo explore {path}"] = "read messages and credit"
    if run.outcomes and not run.has_only_counts:
        found[f"ccpo compare {path} OTHER"] = "test it against another run"
    return found


def _difference(found: Estimate | None) -> str:
    """Return a difference with its interval, in percentage points."""
    if found is None:
        return "-"
    value, low, high = (_percent(end, "+.1f") for end in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def _percent(share: float, spec: str) -> str:
    return format(round(100.0 * share, 1) + 0.0, spec)  # + 0.0: no minus sign before a 0
