"""The files of a finished evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.common.files import write_json, write_text
from baselines.evaluate.episodes import Episode
from baselines.evaluate.paths import JOINT
from baselines.evaluate.summary import Quantity, Summary
from baselines.evaluate.tables import grids, markdown_page
from baselines.evaluate.transcripts_page import evaluation_page
from ccpo_env.types import Topology

EVALUATION_FILE = "evaluation.json"
TRANSCRIPTS_FILE = "transcripts.jsonl"
NOTE = (
    "Intervals hold the true mean in 95 of 100 evaluations; tasks count as independent, samples "
    "of one task do not."
)


def write_outputs(
    out_dir: Path,
    config: Mapping[str, Any],
    episodes: Sequence[Episode],
    summaries: Sequence[Summary],
    *,
    topology: Topology,
    endpoint_costs: Sequence[Mapping[str, float]] = (),
) -> None:
    """Write evaluation.json, evaluation.md, evaluation.html and transcripts.jsonl.

    Raises:
        StorageError: If that cannot be done.
    """
    costs = {"endpoints": list(endpoint_costs)} if endpoint_costs else {}
    counts = {"config": dict(config), **evaluation_json(summaries), **costs}
    write_json(out_dir / EVALUATION_FILE, counts)
    lines = [json.dumps(e.transcript(), ensure_ascii=False) + "\n" for e in episodes]
    write_text(out_dir / TRANSCRIPTS_FILE, "".join(lines))
    names = dict.fromkeys(episode.benchmark for episode in episodes)
    title = f"{config['policy']} on {', '.join(names)}"
    tables = grids(summaries)
    write_text(out_dir / "evaluation.md", markdown_page(title, tables, [NOTE]))
    page = evaluation_page(title, episodes, topology=topology, grids=tables, notes=[NOTE])
    write_text(out_dir / "evaluation.html", page)


def evaluation_json(summaries: Sequence[Summary]) -> dict[str, Any]:
    """Return the counts over all tasks, and every summary with its intervals."""
    whole = [summary for summary in summaries if summary.tag is None][-1]
    removals = {row.path: None for row in whole.rows if row.path.kind == "without"}

    def counts(quantity: Quantity) -> dict[str, Any]:
        found = {path: whole.find(quantity, path) for path in removals}
        return {
            "+".join(path.agents): {"successes": row.successes, "total": row.total}
            for path, row in found.items()
            if row is not None
        }

    joint = whole.find("accuracy", JOINT)
    assert joint is not None
    return {
        "num_tasks": whole.num_tasks,
        "num_samples": whole.num_samples,
        "joint": {"successes": joint.successes, "total": joint.total},
        "without": counts("accuracy"),
        "help": counts("help"),
        "hurt": counts("hurt"),
        "unmeasured": whole.num_unmeasured,
        "summaries": [summary.to_json() for summary in summaries],
    }
