"""Held-out evaluations of a run, read from its files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, TypeVar

from baselines.common.metrics import MetricRow
from baselines.common.stats import Proportion, proportion
from baselines.pages.series import Point

T = TypeVar("T")
Kind = Literal["joint", "without", "help", "hurt"]

HELD_OUT: Mapping[Kind, tuple[str, str]] = {
    "joint": ("whole team", "eval/accuracy/joint"),
    "without": ("without {}", "eval/accuracy/solo"),
    "help": ("right only with {}", "eval/help_rate"),
    "hurt": ("right only without {}", "eval/hurt_rate"),
}
"""Label of each held-out rate on the page, and its metric during training."""


class Count(TypedDict):
    """Successes among held-out tasks; 0 of 0 if not measured."""

    successes: int
    total: int


class EvaluationJson(TypedDict):
    """Counts of an evaluation in summary.json; those of removals by the names of the agents."""

    num_tasks: int
    joint: Count
    without: dict[str, Count]
    help: dict[str, Count]
    hurt: dict[str, Count]
    unmeasured: int


class AuditJson(TypedDict):
    """A CreditAudit; None where there was no signal."""

    slope: float | None
    correlation: float | None
    degenerate: bool
    signal_rate: float


class RunSummary(TypedDict):
    """The contents of summary.json."""

    status: str
    steps_done: int
    initial: EvaluationJson | None
    final: EvaluationJson | None
    audit: dict[str, AuditJson]
    warnings: list[str]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A rate on held-out tasks before and after training; None where it was not measured."""

    label: str
    initial: Proportion | None
    final: Proportion | None

    @property
    def verdict(self) -> str:
        """Whether the two intervals are disjoint, and in which direction."""
        if self.initial is None or self.final is None:
            return "not measured"
        if self.final.is_above(self.initial):
            return "higher"
        return "lower" if self.final.is_below(self.initial) else "inconclusive"


def read_json(path: Path, default: T) -> T:
    """Return the contents of a JSON file, or the default if it does not exist."""
    if not path.exists():
        return default
    value: T = json.loads(path.read_text(encoding="utf-8"))
    return value


def read_summary(path: Path, rows: Sequence[MetricRow]) -> RunSummary:
    """Read summary.json, or recover it from the metrics if the run was interrupted before."""
    interrupted: RunSummary = {
        "status": "interrupted",
        "steps_done": int(rows[-1]["step"] or 0) if rows else 0,
        "initial": None,
        "final": None,
        "audit": {},
        "warnings": [],
        "versions": {},
    }
    return {**interrupted, **read_json(path, interrupted)}


def measurements(summary: RunSummary) -> list[Measurement]:
    """Return all rates measured before or after training."""
    names = removals(summary)
    rates = [
        measurement(summary, kind, name)
        for kind in HELD_OUT
        for name in ([""] if kind == "joint" else names)
    ]
    return [rate for rate in rates if rate.initial or rate.final]


def removals(summary: RunSummary) -> list[str]:
    """Return the removals that were evaluated: an agent, or several joined by a plus."""
    ends = (summary["initial"], summary["final"])
    return list(dict.fromkeys(name for end in ends if end for name in end["without"]))


def held_out(rows: Sequence[MetricRow], summary: RunSummary) -> dict[str, list[Point]]:
    """Return the held-out rates over the training steps.

    Args:
        rows: The metrics; the evaluation in a row precedes the update of its step.
        summary: The evaluations before and after training, with the number of tasks that the
            rates during training were measured on.

    Returns:
        Points by kind. Averages over several removals have no interval.
    """
    ends = ((0, summary["initial"]), (summary["steps_done"], summary["final"]))
    curves: dict[str, list[Point]] = {}
    for kind, (_, metric) in HELD_OUT.items():
        shares = {steps: _shares(end, kind) for steps, end in ends if end}
        rates = {int(row["step"] or 0) - 1: row.get(metric) for row in rows}
        rates |= {
            at: sum(s.value for s in found) / len(found) for at, found in shares.items() if found
        }
        totals = {at: found[0].num_units for at, found in shares.items() if len(found) == 1}
        usual = next(iter(totals.values()), None)
        curves[kind] = [
            _point(steps, rate, totals.get(steps, usual))
            for steps, rate in sorted(rates.items())
            if rate is not None
        ]
    return curves


def measurement(summary: RunSummary, kind: Kind, name: str = "") -> Measurement:
    """Return a rate before and after training, of the whole team or of a named removal."""
    label = HELD_OUT[kind][0].format(names_of(name))
    initial, final = (_share(summary[end], kind, name) for end in ("initial", "final"))
    return Measurement(label, initial, final)


def _shares(evaluation: EvaluationJson, kind: Kind) -> list[Proportion]:
    names = [""] if kind == "joint" else list(evaluation["without"])
    found = (_share(evaluation, kind, name) for name in names)
    return [share for share in found if share is not None]


def _share(evaluation: EvaluationJson | None, kind: Kind, name: str) -> Proportion | None:
    if evaluation is None:
        return None
    count = evaluation["joint"] if kind == "joint" else evaluation[kind].get(name)
    return proportion(count["successes"], count["total"]) if count and count["total"] else None


def _point(steps: int, rate: float, total: int | None) -> Point:
    if total is None:
        return Point(steps, rate)
    return Point(steps, rate, proportion(round(rate * total), total))


def names_of(removed: str) -> str:
    """Return the removed agents as a sentence names them."""
    return removed.replace("+", " and ")
