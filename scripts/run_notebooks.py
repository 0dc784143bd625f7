"""Run the notebooks and store what they show, in them and in the page that one of them frames.

python -m scripts.run_notebooks 03      # those whose names start with 03; without names, all
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from scripts import record_smollm2

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
MAX_BYTES = 300_000
"""Of a notebook with what it shows."""
TIMEOUT_S = 600
LIVE_ONLY = "application/vnd.jupyter.widget-view+json"
"""What only a running kernel shows: a menu or a slider."""


def main(names: Sequence[str] = ()) -> int:
    """Run the notebooks whose names start with one of names, or all, and store their outputs."""
    chosen = [path for path in notebooks() if not names or path.name.startswith(tuple(names))]
    if not chosen:
        known = ", ".join(path.stem for path in notebooks())
        print(f"a notebook must be one of {known}, got {' '.join(names)}", file=sys.stderr)
        return 2
    record_smollm2.write_page(record_smollm2.PAGE)
    for path in chosen:
        notebook = nbformat.read(path, as_version=4)
        with tempfile.TemporaryDirectory() as folder:
            link_data(Path(folder))
            NotebookClient(
                notebook,
                timeout=TIMEOUT_S,
                kernel_name="python3",
                resources={"metadata": {"path": folder}},
                record_timing=False,
            ).execute()
        text = nbformat.writes(cleaned(notebook)) + "\n"
        path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {len(text) / 1000:.0f} kB")
    return 0


def notebooks() -> list[Path]:
    """Return the paths of all notebooks, in order."""
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def link_data(folder: Path) -> None:
    """Link the folders beside the notebooks, which hold files that they read, into a folder."""
    for path in NOTEBOOKS.iterdir():
        if path.is_dir() and not path.name.startswith("."):
            (folder / path.name).symlink_to(path, target_is_directory=True)


def cleaned(notebook: NotebookNode) -> NotebookNode:
    """Return a notebook that ran as it is stored: the same outputs give the same file.

    Counters, what only a running kernel shows and messages on stderr are left out. The metadata
    gets the digest of the sources that the outputs belong to.
    """
    notebook = nbformat.from_dict(notebook)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "sources": digest(notebook),
    }
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [output for output in cell.outputs if _is_kept(output)]
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = None
    return notebook


def _is_kept(output: NotebookNode) -> bool:
    return LIVE_ONLY not in output.get("data", {}) and output.get("name") != "stderr"


def digest(notebook: NotebookNode) -> str:
    """Return a digest of the sources of a notebook's code."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()[:16]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main(sys.argv[1:]))
