"""Write explore.html: a page to look at the credit of a run, message by message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from baselines.common.files import write_text
from baselines.explore.packing import Packed, pack
from baselines.explore.run_data import Run, audit_columns, read_run
from baselines.pages.page import render

PAGE_FILE = "explore.html"
"""File name, in the folder of the run."""
MAX_BYTES = 14_000_000
"""Default size of the page, at most: it opens in a second or two."""
FOLDER = Path(__file__).parent
SCRIPTS = ("store.js", "scale.js", "charts.js", "list.js", "transcript.js", "explore.js")
FRAME_BYTES = 80_000
"""Size of the page without rollouts and metrics, generously."""
QUANTILE = 0.98
"""Values beyond this quantile of all magnitudes have the strongest colour."""


def write_explorer(
    run_dir: Path | str, *, path: Path | str | None = None, max_bytes: int = MAX_BYTES
) -> Path:
    """Write the credit explorer of a run: one self-contained page.

    Args:
        run_dir: Folder of a training run, finished or not; call it again to refresh the page.
        path: Where to write the page. None: explore.html in the folder of the run.
        max_bytes: Largest size of the page. Long texts are shortened, then steps are left out.

    Returns:
        Path of the page, which loads no resources. The same files give the same bytes.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If it has recorded no rollouts, or a file is not of this version.
        StorageError: If the page cannot be written.
    """
    run = read_run(Path(run_dir))
    audit = audit_columns(run)
    overhead = FRAME_BYTES + 10 * len(run.metrics) * (2 + 5 * len(run.agents))
    packed = pack(run.steps, run.speakers, max_bytes=max_bytes - overhead)
    page = render(
        FOLDER / "explore.html.jinja",
        scripts=[FOLDER / name for name in SCRIPTS],
        data={
            "agents": run.agents,
            "turns": run.turns,
            "speakers": [run.agents.index(agent) for agent in run.speakers],
            "steps": packed.steps,
            "scale": colour_scale(run),
            "audit": audit,
            "index": packed.index,
            "firsts": packed.firsts,
            "chunks": packed.chunks,
        },
        run=run,
        facts=_facts(run),
        notes=_notes(run, packed),
    )
    written = Path(run_dir) / PAGE_FILE if path is None else Path(path)
    write_text(written, page)
    return written


def colour_scale(run: Run) -> dict[str, float]:
    """Return the magnitude of credit and of advantages that has the strongest colour."""
    return {name: _magnitude(run, name) for name in ("credit", "advantage")}


def _magnitude(run: Run, name: str) -> float:
    groups = [group for groups in run.steps.values() for group in groups]
    values = np.concatenate([np.abs(group[name]).ravel() for group in groups])  # type: ignore[literal-required]
    return round(float(np.quantile(values, QUANTILE)), 3) or 1.0


def _facts(run: Run) -> str:
    config: Any = run.config
    names = {name: config.get(name) for name in ("allocator", "optimizer", "policy", "tasks")}
    return " · ".join(f"{name} {value}" for name, value in names.items() if value is not None)


def _notes(run: Run, packed: Packed) -> list[str]:
    notes = []
    if not run.is_finished:
        planned = run.config.get("steps")
        done = max([max(run.steps), *(int(row["step"] or 0) for row in run.metrics)])
        notes.append(
            f"This run has not finished: {done} of {planned} steps when the page was written. Run "
            f"ccpo explore again to refresh it."
        )
    elif run.torn:
        notes.append(
            f"The last line of {' and '.join(run.torn)} is incomplete and left out, although the "
            f"run has finished; restore the file."
        )
    num_groups = sum(map(len, run.steps.values()))
    if packed.num_groups < num_groups:
        notes.append(
            f"To keep the page small it shows {packed.num_groups:,} of the {num_groups:,} recorded "
            f"groups of rollouts, in {len(packed.steps)} of {len(run.steps)} steps."
        )
    if packed.max_chars is not None:
        notes.append(
            f"To keep the page small, texts of more than {packed.max_chars:,} characters are "
            f"shortened in the middle; rollouts.jsonl has more of them."
        )
    return notes
