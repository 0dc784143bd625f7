"""The output files of an experiment: tables, learning curves and the page of its comparisons."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from baselines.common.files import write_json, write_text
from baselines.compare.page import write_comparison
from baselines.experiment.aggregate import aggregate
from baselines.experiment.figure import learning_curves
from baselines.experiment.page import comparisons_of, methods_of
from baselines.experiment.runs import RunKey, RunResult
from baselines.experiment.tables import gains_grids, markdown, quartile_markdown, verdicts


def write_outputs(
    out_dir: Path,
    results: Sequence[RunResult],
    console: Console,
    *,
    expected: Collection[RunKey] = (),
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Write the results of the runs, and print tables and comparisons.

    Args:
        out_dir: Folder of the experiment.
        results: Results of its finished runs.
        console: Console to print on.
        expected: Keys of all runs; those without a result are named.
        settings: Training settings of all runs, as JSON values.
    """
    found = aggregate(results, expected)
    write_text(out_dir / "table.md", markdown(found.rows))
    write_text(out_dir / "quartile_means.md", quartile_markdown(found.rows))
    rows = [row.to_json() for row in found.rows]
    content = {"tokens": found.tokens, "rows": rows, "notes": found.notes}
    write_json(out_dir / "table.json", content)
    (out_dir / "curves.png").write_bytes(learning_curves(results))
    accuracy, area = (gains_grids(found, quantity) for quantity in ("joint", "area"))
    for grid in (*accuracy, *area):
        console.print(grid.for_terminal())
    for sentence in verdicts(found):
        console.print(sentence, markup=False, highlight=False)
    compared = comparisons_of(found)
    files = ["table.md", "curves.png"]
    if compared:
        methods = methods_of(results, found, settings or {})
        page = write_comparison(out_dir, methods, compared, tables=area)
        files.append(page.name)
    for name in files:
        console.print(f"wrote {out_dir / name}", markup=False, highlight=False, soft_wrap=True)
