"""Live progress of a run: completed steps, remaining time, accuracy, and what credit there is."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from baselines.common.metrics import MetricRow
from baselines.report.narrative import credit_sentences
from baselines.report.run_audit import run_audit

_SHOWN = {
    "joint": "accuracy/joint",
    "solo": "accuracy/solo",
    "help": "credit/help_rate",
    "hurt": "credit/hurt_rate",
}
LINE_EVERY = 10
"""Steps between two lines of output without a terminal."""
CREDIT_AFTER = 10
"""Steps after which the correlation of credit with the shared reward is stated, if not fewer."""


class LiveProgress:
    """Shows each completed step; a context manager.

    Args:
        console: Console to draw on.
        num_steps: Total number of steps of the run.
        num_done: Number of steps completed before resuming.
        agents: Agents whose credit is described.
    """

    def __init__(
        self, console: Console, *, num_steps: int, num_done: int, agents: Sequence[str] = ()
    ) -> None:
        self._console = console
        self._agents = agents
        self._first_rows: list[MetricRow] = []
        self._num_described = min(CREDIT_AFTER, num_steps - num_done)
        self._num_steps = num_steps
        self._bar = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[numbers]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("train", total=num_steps, completed=num_done, numbers="")

    def __enter__(self) -> LiveProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, row: MetricRow) -> None:
        """Show the metrics of a completed step."""
        numbers = describe(row)
        self._bar.update(self._task, advance=1, numbers=numbers)
        step = int(row["step"] or 0)
        if not self._console.is_terminal and (
            step % LINE_EVERY == 0 or step in (1, self._num_steps)
        ):
            self._console.print(f"step {step}/{self._num_steps}  {numbers}", highlight=False)
        self._describe_credit(row)

    def _describe_credit(self, row: MetricRow) -> None:
        """Say once how the credit of the first steps relates to the shared reward."""
        if self._agents and len(self._first_rows) < self._num_described:
            self._first_rows.append(row)
            if len(self._first_rows) == self._num_described:
                said = credit_sentences(run_audit(self._first_rows, self._agents))
                text = f"Credit so far. {' '.join(said) or 'No group had a signal.'}"
                self._console.print(text, highlight=False, markup=False)


def describe(row: MetricRow) -> str:
    """Return the most important metrics of a step as text."""
    parts = []
    for name, metric in _SHOWN.items():
        value = row.get(metric)
        parts.append(f"{name} {'-' if value is None else format(value, '.2f')}")
    tokens_per_s = row.get("time/tokens_per_s")
    parts.append(f"{tokens_per_s or 0:,.0f} tokens/s")
    return "  ".join(parts)
