"""Every notebook runs from top to bottom, and is stored without outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
STEPS = re.compile(r"(?<=steps[= ])\d+")
FEW_STEPS = "8"
"""Of training; a notebook averages over as many."""


@pytest.fixture(scope="module")
def kernel() -> Iterator[NotebookClient]:
    """Owner of the kernel that runs one notebook after the other."""
    owner = NotebookClient(nbformat.v4.new_notebook(), kernel_name="python3")
    with owner.setup_kernel():
        yield owner


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path, kernel):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = STEPS.sub(FEW_STEPS, cell.source)
    fresh = f"%reset -f\n%cd -q {tmp_path}"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(fresh))
    client = NotebookClient(notebook, timeout=120, km=kernel.km)
    client.execute()
    client.kc.stop_channels()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_there_are_notebooks():
    assert NOTEBOOKS
