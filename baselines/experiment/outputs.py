"""The output files of an experiment: tables, learning curves and a summary of comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from baselines.common.files import write_json, write_text
from baselines.experiment.aggregate import aggregate
from baselines.experiment.results import learning_curves, markdown, quartile_markdown, verdicts
from baselines.experiment.runs import RunResult


def write_outputs(out_dir: Path, results: Sequence[RunResult], console: Console) -> None:
    """Write the results of all runs, and print tables and comparisons.

    Args:
        out_dir: Folder of the experiment.
        results: Results of all runs.
        console: Console to print on.
    """
    rows = aggregate(results)
    write_text(out_dir / "table.md", markdown(rows))
    write_text(out_dir / "quartile_means.md", quartile_markdown(rows))
    write_json(out_dir / "table.json", [asdict(row) for row in rows])
    (out_dir / "curves.png").write_bytes(learning_curves(results))
    for table in (markdown(rows), quartile_markdown(rows)):
        console.print(table, markup=False, highlight=False, soft_wrap=True)
    for sentence in verdicts(rows):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
