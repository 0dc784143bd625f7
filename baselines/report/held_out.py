"""What a run measured on held-out tasks, read from its files, and its paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar

from baselines.common.evaluation_file import read_evaluations
from baselines.common.files import CONFIG_FILE, SUMMARY_FILE, read_json
from baselines.common.jsonl import read_rows
from baselines.common.metrics import METRICS_FILE, MetricRow
from baselines.common.stats import Estimate
from baselines.common.stats.paired import PairedDifference
from baselines.report.outcomes import (
    CountedOutcomes,
    EvaluationJson,
    Kind,
    Outcomes,
    TaskOutcomes,
    change,
)
from baselines.report.wording import names_of

T = TypeVar("T")
Status = Literal["finished", "interrupted", "unfinished"]

LABELS: dict[Kind, str] = {
    "joint": "whole team",
    "without": "without {}",
    "adds": "{} adds",
    "help": "right only with {}",
    "hurt": "right only without {}",
}
"""Label of each held-out quantity, with the names of the removed agents."""
VERDICTS = {"higher": "rose", "lower": "fell", "inconclusive": "inconclusive"}
"""What happened in training, by the verdict of the paired test."""


class RunSummary(TypedDict):
    """The contents of summary.json that the page reads."""

    status: str
    steps_done: int
    initial: EvaluationJson | None
    final: EvaluationJson | None
    warnings: list[str]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """The files of a run, which may still be going.

    Args:
        config: Contents of config.json.
        rows: The metrics of each step.
        summary: Contents of summary.json, or what is known without it.
        outcomes: Held-out evaluations in the order of their steps.
    """

    config: dict[str, object]
    rows: Sequence[MetricRow]
    summary: RunSummary
    outcomes: Sequence[Outcomes]

    @property
    def steps_done(self) -> int:
        """Training steps so far."""
        return max(self.summary["steps_done"], *(int(row["step"] or 0) for row in self.rows), 0)

    @property
    def status(self) -> Status:
        """How it ended; "unfinished" if summary.json does not tell: it runs, or was killed."""
        if self.summary["steps_done"] < self.steps_done:
            return "unfinished"  # the summary is that of an earlier, interrupted part of the run
        return "finished" if self.summary["status"] == "finished" else _stopped(self.summary)

    @property
    def before(self) -> Outcomes | None:
        """The evaluation before training; None if there was none."""
        first = self.outcomes[0] if self.outcomes else None
        return first if first and first.step == 0 else None

    @property
    def after(self) -> Outcomes | None:
        """The latest evaluation after at least one step; None if there was none."""
        last = self.outcomes[-1] if self.outcomes else None
        return last if last and last.step > 0 else None

    @property
    def has_only_counts(self) -> bool:
        """Whether it is unknown which tasks were solved: p-values over training are bounds."""
        return isinstance(self.after, CountedOutcomes)

    @property
    def removals(self) -> tuple[str, ...]:
        """The removals that were evaluated."""
        return tuple(dict.fromkeys(name for own in self.outcomes for name in own.removals))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A quantity on held-out tasks before and after training; None where it was not measured.

    Args:
        kind: The quantity.
        removed: The removed agents; empty for the whole team.
        before: Its value before training, for "adds" a paired difference in rate.
        after: Its latest value.
        change: The paired difference, after minus before.
    """

    kind: Kind
    removed: str
    before: Estimate | None
    after: Estimate | None
    change: PairedDifference | None

    @property
    def label(self) -> str:
        """Label of the quantity."""
        return LABELS[self.kind].format(names_of(self.removed))

    @property
    def verdict(self) -> str:
        """Whether it "rose" or "fell" in training, or the test is "inconclusive"."""
        return "not measured" if self.change is None else VERDICTS[self.change.verdict]


def read_run(run_dir: Path) -> RunRecord:
    """Read the files of a run: those of config.json, metrics, evaluations and summary that exist.

    Raises:
        FileNotFoundError: If there is no config.json.
        ValueError: If a file is damaged.
    """
    if not (run_dir / CONFIG_FILE).is_file():
        raise FileNotFoundError(
            f"run_dir must hold config.json, got none in {run_dir}; pass the folder of a run"
        )
    config: dict[str, object] = read_json(run_dir / CONFIG_FILE)
    rows = read_rows(run_dir / METRICS_FILE)
    summary = _read_summary(run_dir / SUMMARY_FILE)
    outcomes: Sequence[Outcomes] = [TaskOutcomes(own) for own in read_evaluations(run_dir)]
    if not outcomes:
        ends = ((0, summary["initial"]), (summary["steps_done"], summary["final"]))
        outcomes = [CountedOutcomes(step, counts) for step, counts in ends if counts]
    return RunRecord(config, rows, summary, outcomes)


def comparisons(run: RunRecord, kinds: Sequence[Kind] = tuple(LABELS)) -> list[Comparison]:
    """Return the quantities that were measured before or after training, kind by kind."""
    found = [
        comparison(run, kind, removed)
        for kind in kinds
        for removed in ([""] if kind == "joint" else run.removals)
    ]
    return [one for one in found if one.before or one.after]


def comparison(run: RunRecord, kind: Kind, removed: str = "") -> Comparison:
    """Return a quantity before and after training."""
    before, after = (
        own.estimate(kind, removed) if own else None for own in (run.before, run.after)
    )
    return Comparison(kind, removed, before, after, change(run.before, run.after, kind, removed))


def read_if_present(path: Path, default: T) -> T:
    """Return the contents of a JSON file, or the default if it does not exist."""
    value: T = read_json(path) if path.exists() else default
    return value


def _read_summary(path: Path) -> RunSummary:
    unknown: RunSummary = {
        "status": "unfinished",
        "steps_done": 0,
        "initial": None,
        "final": None,
        "warnings": [],
        "versions": {},
    }
    found: dict[str, Any] = read_if_present(path, {})
    return {**unknown, **{key: found[key] for key in unknown if key in found}}  # type: ignore[typeddict-item]


def _stopped(summary: RunSummary) -> Status:
    return "interrupted" if summary["status"] == "interrupted" else "unfinished"
