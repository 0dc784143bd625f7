"""Write the files of a finished evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.common.files import write_json, write_text
from baselines.evaluate.evaluation import Evaluation
from baselines.evaluate.headline import notes_of, sentences
from baselines.evaluate.headline_figures import figures
from baselines.evaluate.tables import grids, markdown_page
from baselines.evaluate.transcripts import write_transcripts
from baselines.evaluate.transcripts_page import evaluation_page
from ccpo_env.types import Topology

EVALUATION_FILE = "evaluation.json"
NOTE = (
    "95 % confidence intervals, not adjusted for the number of tests; tasks are independent "
    "observations, samples of one task are not."
)


def write_outputs(
    out_dir: Path,
    config: Mapping[str, Any],
    evaluation: Evaluation,
    *,
    topology: Topology,
    endpoint_costs: Sequence[Mapping[str, float]] = (),
) -> None:
    """Write evaluation.json, evaluation.md, evaluation.html and transcripts.jsonl.

    Raises:
        StorageError: If a file cannot be written.
    """
    costs = {"endpoints": list(endpoint_costs)} if endpoint_costs else {}
    counts = {"config": dict(config), **evaluation.to_json(), **costs}
    write_json(out_dir / EVALUATION_FILE, counts)
    write_transcripts(out_dir, evaluation.episodes)
    title = f"{config['policy']} on {', '.join(evaluation.benchmarks)}"
    tables = grids(evaluation.summaries)
    conclusions = sentences(evaluation.overall)
    notes = [NOTE, *notes_of(topology, evaluation.removals)]
    write_text(out_dir / "evaluation.md", markdown_page(title, tables, [*conclusions, *notes]))
    page = evaluation_page(
        title,
        evaluation.episodes,
        topology=topology,
        conclusions=conclusions,
        figures=figures(evaluation.overall),
        grids=tables,
        notes=notes,
    )
    write_text(out_dir / "evaluation.html", page)
