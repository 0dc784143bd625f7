"""The output files of an experiment: tables, learning curves and the page of its comparisons."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from baselines.common.files import write_json, write_text
from baselines.common.wording import next_lines
from baselines.compare.page import write_comparison
from baselines.experiment.aggregate import aggregate
from baselines.experiment.figure import learning_curves
from baselines.experiment.page import comparisons_of, methods_of
from baselines.experiment.runs import RunKey, RunResult
from baselines.experiment.tables import gains_grids, markdown, quartile_markdown
from baselines.experiment.terminal import next_commands, printed, with_one_note


def write_outputs(
    out_dir: Path,
    results: Sequence[RunResult],
    console: Console,
    *,
    expected: Collection[RunKey] = (),
    settings: Mapping[str, Any] | None = None,
    words: Sequence[str] = (),
) -> None:
    """Write the results of the runs, and print tables and comparisons.

    Args:
        out_dir: Folder of the experiment.
        results: Results of its finished runs.
        console: Console to print on.
        expected: Keys of all runs; those without a result are named.
        settings: Training settings of all runs, as JSON values.
        words: The command line of the experiment, which the last lines suggest to extend.
    """
    found = aggregate(results, expected)
    write_text(out_dir / "table.md", markdown(found.rows))
    write_text(out_dir / "quartile_means.md", quartile_markdown(found.rows))
    rows = [row.to_json() for row in found.rows]
    content = {"tokens": found.tokens, "rows": rows, "notes": found.notes}
    write_json(out_dir / "table.json", content)
    (out_dir / "curves.png").write_bytes(learning_curves(results))
    for part in printed(found):
        console.print(part, markup=False, highlight=False)
    compared = comparisons_of(found)
    files = ["table.md", "curves.png"]
    if compared:
        methods = methods_of(results, found, settings or {})
        area = with_one_note(gains_grids(found, "area"))
        page = write_comparison(out_dir, methods, compared, tables=area)
        files.append(page.name)
    lines = [f"wrote {out_dir / name}" for name in files]
    for line in (*lines, *next_lines(next_commands(found, out_dir, words))):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
