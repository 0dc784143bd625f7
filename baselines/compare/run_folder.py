"""Read a training run, which may still be going, from the files in its folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from baselines.common.evaluation_file import EVALUATIONS_FILE, RecordedEvaluation, read_evaluations
from baselines.common.files import CONFIG_FILE, SUMMARY_FILE, read_object
from baselines.common.jsonl import is_torn, read_rows
from baselines.common.metrics import METRICS_FILE, MetricRow
from baselines.compare.methods import PURPOSES, AgentCredit, Cost, HeldOut, Run
from baselines.evaluate.transcripts import read_transcripts
from baselines.pages.series import column

NO_EFFECT = (
    *("seed", "out_dir", "resume", "preset", "config", "tracker", "push_to_hub"),
    *("keep_checkpoints", "checkpoint_every", "checkpoint_minutes", "completions_every"),
)
"""Settings that do not change what a run learns, or that tell the seeds of a method apart."""
_PARTS = ("cost/tokens_removed", "cost/tokens_branch", "cost/tokens_rating")


def is_run(folder: Path) -> bool:
    """Return whether a folder holds a training run."""
    return (folder / CONFIG_FILE).is_file()


def read_run(folder: Path, path: str) -> tuple[Run, dict[str, Any]]:
    """Return a run, and its settings without those of NO_EFFECT.

    Args:
        folder: Folder of the run.
        path: Path whose accuracy is compared, such as "joint".

    Raises:
        ValueError: If the run has no evaluation, or none of the path.
    """
    config: dict[str, Any] = read_object(folder / CONFIG_FILE)
    evaluations = read_evaluations(folder)
    points = tuple(
        HeldOut(
            accuracy=float(rates.array().mean()),
            tokens=own.tokens,
            step=own.step,
            rates=rates,
            num_samples=own.num_samples(path),
        )
        for own in evaluations
        if len(rates := own.rates(path))
    )
    if not points:
        raise ValueError(_why_empty(folder, path, evaluations))
    rows = read_rows(folder / METRICS_FILE)
    last = evaluations[-1]
    questions = {e.key: e.question for e in read_transcripts(folder)}
    run = Run(
        points=points,
        seed=int(config["seed"]),
        team=last.rates(),
        without={p: last.rates(p) for p in last.paths if p.startswith("without ")},
        num_samples={p: last.num_samples(p) for p in last.paths},
        credit=credit_of(rows),
        cost=cost_of(rows),
        status=_status(folder, config, rows),
        questions=questions,
        folder=folder,
        is_torn=is_torn(folder / EVALUATIONS_FILE),
    )
    return run, {name: value for name, value in config.items() if name not in NO_EFFECT}


def _why_empty(folder: Path, path: str, evaluations: Sequence[RecordedEvaluation]) -> str:
    if evaluations:
        known = sorted({name for own in evaluations for name in own.paths})
        if path in known:
            return (
                f"a run must have measured a held-out task, got none on path {path!r} in {folder}; "
                f"choose tasks and a verifier that fit"
            )
        return (
            f"path must be a path of the evaluations, got {path!r} in {folder}; choose from {known}"
        )
    return (
        f"a run must hold {EVALUATIONS_FILE} with an evaluation, got none in {folder}; wait until "
        f"it has evaluated its team on held-out tasks, or train it with this version"
    )


def _status(folder: Path, config: Mapping[str, Any], rows: Sequence[MetricRow]) -> str:
    """Return "finished", or how far the run has come."""
    file, steps = folder / SUMMARY_FILE, config["steps"]
    summary = read_object(file) if file.is_file() else {}
    if summary.get("status") == "finished" and summary.get("steps_done") == steps:
        return "finished"
    return f"unfinished, {len(rows)} of {steps} steps"


def cost_of(rows: Iterable[MetricRow]) -> Cost:
    """Return the cost of the steps with these metrics."""
    known = list(rows)
    total = _sum(known, "cost/tokens_generated")
    parts = [_sum(known, name) for name in _PARTS]
    return Cost(
        steps=len(known),
        tokens=dict(zip(PURPOSES, (total - sum(parts), *parts), strict=True)),
        verifier_calls=_sum(known, "cost/verifier_calls"),
        seconds=_sum(known, "time/step_s"),
    )


def credit_of(rows: Sequence[MetricRow]) -> dict[str, AgentCredit]:
    """Return the credit of each agent over the steps with these metrics; see `run_audit`."""
    from baselines.report.run_audit import run_audit  # loads matplotlib

    matches = (re.fullmatch(r"credit/(.+)/mean", name) for row in rows for name in row)
    agents = list(dict.fromkeys(match[1] for match in matches if match))
    audits = run_audit(rows, agents)
    variances = {agent: _sum(rows, f"credit/{agent}/advantage_variance") for agent in agents}
    total = sum(variances.values())
    found = {}
    for agent in agents:
        means = column(rows, f"credit/{agent}/mean")
        measured = means[np.isfinite(means)]
        audit = audits.get(agent)
        correlation = None if audit is None else audit.correlation
        found[agent] = AgentCredit(
            mean=float(measured.mean()) if len(measured) else None,
            share=variances[agent] / total if total else None,
            correlation=None if correlation is None else correlation.value,
            critic_weight=None if audit is None else audit.critic_weight,
        )
    return found


def _sum(rows: Sequence[MetricRow], name: str) -> float:
    return float(sum(row.get(name) or 0 for row in rows))
