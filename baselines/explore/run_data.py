"""Read what the explorer shows from the files of a run, which may still be going on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from baselines.common.files import CONFIG_FILE, SUMMARY_FILE, expect_run, read_object
from baselines.common.jsonl import is_torn, read_rows
from baselines.common.metrics import METRICS_FILE, MetricRow
from baselines.common.rollout_file import ROLLOUTS_FILE, RecordedGroup, read_rollouts

AUDIT = ("slope_vs_shared", "correlation_vs_shared", "degenerate", "signal_rate", "mean")
"""Metrics of each agent's credit that the page shows for every step."""


@dataclass(frozen=True, slots=True)
class Run:
    """The files of a run.

    Args:
        name: Name of its folder.
        config: Its settings.
        steps: The groups of each recorded step, in order.
        turns: Names of the turns.
        metrics: The rows of metrics.jsonl.
        is_finished: Whether training has ended as planned.
        torn: Names of the files whose last line is incomplete, and therefore left out.
    """

    name: str
    config: Mapping[str, Any]
    steps: Mapping[int, Sequence[RecordedGroup]]
    turns: tuple[str, ...]
    metrics: Sequence[MetricRow]
    is_finished: bool
    torn: tuple[str, ...] = ()

    @property
    def speakers(self) -> tuple[str, ...]:
        """The agent of each turn."""
        return tuple(turn.partition("#")[0] for turn in self.turns)

    @property
    def agents(self) -> tuple[str, ...]:
        """All agents, in speaking order."""
        return tuple(dict.fromkeys(self.speakers))


def read_run(run_dir: Path) -> Run:
    """Read the files of a run without a lock; a line that is being written is left out.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If it has recorded no rollouts, or a file is not of this version.
    """
    expect_run(run_dir)
    groups = read_rollouts(run_dir / ROLLOUTS_FILE)
    if not groups:
        raise ValueError(
            f"run must have recorded rollouts, got none in {run_dir / ROLLOUTS_FILE}; wait for its "
            f"first step, or train without --record-every 0"
        )
    try:
        by_step = {step: list(own) for step, own in groupby(groups, lambda own: own["step"])}
        turns = tuple(groups[0]["turns"])
    except (KeyError, TypeError):
        raise ValueError(
            f"{ROLLOUTS_FILE} must be that of a run of this version, got another file in "
            f"{run_dir}; train again"
        ) from None
    summary = run_dir / SUMMARY_FILE
    status = read_object(summary) if summary.exists() else {}
    return Run(
        name=run_dir.resolve().name,
        config=read_object(run_dir / CONFIG_FILE),
        steps=by_step,
        turns=turns,
        metrics=read_rows(run_dir / METRICS_FILE),
        is_finished=status.get("status") == "finished",
        torn=tuple(name for name in (ROLLOUTS_FILE, METRICS_FILE) if is_torn(run_dir / name)),
    )


def audit_columns(run: Run) -> dict[str, Any]:
    """Return the accuracy and the audit of every step as columns, None where not measured.

    Returns:
        {"steps": [...], "accuracy": [...], "agents": {agent: {metric: [...]}}}
    """

    def column(key: str) -> list[float | None]:
        return [_rounded(row.get(key)) for row in run.metrics]

    return {
        "steps": [row["step"] for row in run.metrics],
        "accuracy": column("accuracy/joint"),
        "agents": {
            agent: {name: column(f"credit/{agent}/{name}") for name in AUDIT}
            for agent in run.agents
        },
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 4)
