"""What a run measured on held-out tasks, read from its files, and its paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, TypeVar

from baselines.common.evaluation_file import EVALUATIONS_FILE, read_evaluations
from baselines.common.files import CONFIG_FILE, SUMMARY_FILE, expect_run, read_json, read_object
from baselines.common.jsonl import is_torn, read_rows
from baselines.common.metrics import METRICS_FILE, MetricRow
from baselines.common.run_settings import check_run_settings
from baselines.common.stats import Estimate
from baselines.common.stats.paired import PairedDifference
from baselines.report.outcomes import (
    CountedOutcomes,
    EvaluationJson,
    Kind,
    Outcomes,
    TaskOutcomes,
    change,
    each_adds,
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
"""What happened to the whole team in training, by the verdict of the paired test."""
EFFECTS = {"higher": "helps", "lower": "hurts", "inconclusive": "inconclusive"}
"""What an agent does, by the verdict on the team with it against the team without it."""


class RunSummary(TypedDict):
    """The contents of summary.json that the page reads."""

    status: str
    steps_done: int
    initial: EvaluationJson | None
    final: EvaluationJson | None
    warnings: list[str]
    unused_settings: list[str]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """The files of a run, which may still be going.

    Args:
        config: Contents of config.json.
        rows: The metrics of each step.
        summary: Contents of summary.json, or what is known without it.
        outcomes: Held-out evaluations in the order of their steps.
        torn: Names of the files whose last line is incomplete, and therefore left out.
    """

    config: dict[str, object]
    rows: Sequence[MetricRow]
    summary: RunSummary
    outcomes: Sequence[Outcomes]
    torn: tuple[str, ...] = ()

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
    def latest(self) -> Outcomes | None:
        """The latest evaluation; None if there was none."""
        return self.outcomes[-1] if self.outcomes else None

    @property
    def has_only_counts(self) -> bool:
        """Whether it is unknown which tasks were solved: p-values over training are bounds."""
        return isinstance(self.after, CountedOutcomes)

    @property
    def removals(self) -> tuple[str, ...]:
        """The removals that were evaluated."""
        return tuple(dict.fromkeys(name for own in self.outcomes for name in own.removals))


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """A quantity on held-out tasks before and after training; None where it was not measured.

    Args:
        kind: The quantity.
        removed: The removed agents; empty for the whole team.
        before: Its value before training, for "adds" a paired difference in rate.
        after: Its latest value.
        change: The paired difference, after minus before.
        effect: Of "adds", what the agents add in the latest evaluation, with the p-value adjusted
            by Holm's method over all removals.
        num_effects: Removals that it is adjusted for.
    """

    kind: Kind
    removed: str
    before: Estimate | None
    after: Estimate | None
    change: PairedDifference | None
    effect: PairedDifference | None = None
    num_effects: int = 0

    @property
    def label(self) -> str:
        """Label of the quantity."""
        return LABELS[self.kind].format(names_of(self.removed))

    @property
    def verdict(self) -> str | None:
        """Whether the whole team "rose" or "fell", and whether agents "helps" or "hurts" the team.

        Or the test is "inconclusive". None of the other quantities, which only describe the two,
        and of what was not measured.
        """
        if self.effect is not None:
            return EFFECTS[self.effect.verdict]
        if self.kind == "joint" and self.change is not None:
            return VERDICTS[self.change.verdict]
        return None


def read_run(run_dir: Path) -> RunRecord:
    """Read the files of a run: those of config.json, metrics, evaluations and summary that exist.

    Raises:
        FileNotFoundError: If there is no config.json.
        ValueError: If a file is damaged.
    """
    expect_run(run_dir)
    config: dict[str, object] = read_object(run_dir / CONFIG_FILE)
    check_run_settings(config, run_dir / CONFIG_FILE)
    rows = read_rows(run_dir / METRICS_FILE)
    summary = _read_summary(run_dir / SUMMARY_FILE)
    outcomes: Sequence[Outcomes] = [TaskOutcomes(own) for own in read_evaluations(run_dir)]
    if not outcomes:
        ends = ((0, summary["initial"]), (summary["steps_done"], summary["final"]))
        outcomes = [CountedOutcomes(step, counts) for step, counts in ends if counts]
    torn = tuple(name for name in (METRICS_FILE, EVALUATIONS_FILE) if is_torn(run_dir / name))
    return RunRecord(config, rows, summary, outcomes, torn)


def comparisons(run: RunRecord, kinds: Sequence[Kind] = tuple(LABELS)) -> list[BeforeAfter]:
    """Return the quantities that were measured before or after training, kind by kind."""
    effects = each_adds(run.latest) if "adds" in kinds else {}
    found = [
        _row(run, kind, removed, effects)
        for kind in kinds
        for removed in ([""] if kind == "joint" else run.removals)
    ]
    return [one for one in found if one.before or one.after]


def comparison(run: RunRecord, kind: Kind, removed: str = "") -> BeforeAfter:
    """Return a quantity before and after training."""
    return _row(run, kind, removed, each_adds(run.latest) if kind == "adds" else {})


def _row(
    run: RunRecord, kind: Kind, removed: str, effects: Mapping[str, PairedDifference]
) -> BeforeAfter:
    before, after = (
        own.estimate(kind, removed) if own else None for own in (run.before, run.after)
    )
    found = change(run.before, run.after, kind, removed)
    if kind != "adds":
        return BeforeAfter(kind, removed, before, after, found)
    return BeforeAfter(kind, removed, before, after, found, effects.get(removed), len(effects))


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
        "unused_settings": [],
        "versions": {},
    }
    found = read_object(path) if path.exists() else {}
    return {**unknown, **{key: found[key] for key in unknown if key in found}}  # type: ignore[typeddict-item]


def _stopped(summary: RunSummary) -> Status:
    return "interrupted" if summary["status"] == "interrupted" else "unfinished"
