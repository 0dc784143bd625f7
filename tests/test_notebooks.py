"""Every notebook runs from top to bottom, and is stored with what it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import matplotlib as mpl
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from scripts import record_smollm2, run_notebooks

pytestmark = pytest.mark.first
NOTEBOOKS = run_notebooks.notebooks()
STEPS = re.compile(r"(?<=steps[= ])\d+")
FEW_STEPS = "3"
"""Of training."""
REMEDY = "run make notebooks"
NOISE = re.compile(r"0x[0-9a-f]{6,}|/tmp/|/home/|\d tokens/s|\x1b\[")
"""What differs between two runs of the same notebook, or is only readable in a terminal."""

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def outputs_of(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@pytest.fixture(scope="module")
def kernel() -> Iterator[NotebookClient]:
    """Owner of the kernel that runs one notebook after the other."""
    owner = NotebookClient(nbformat.v4.new_notebook(), kernel_name="python3")
    with owner.setup_kernel():
        yield owner


@every_notebook
def test_notebook_runs(path, tmp_path, kernel):
    notebook = read(path)
    for cell in notebook.cells:
        cell.source = STEPS.sub(FEW_STEPS, cell.source)
    run_notebooks.link_data(tmp_path)
    fresh = f"%reset -f\n%cd -q {tmp_path}"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(fresh))
    client = NotebookClient(notebook, timeout=120, km=kernel.km)
    client.execute()
    client.kc.stop_channels()


@every_notebook
def test_notebook_is_stored_with_what_its_code_shows(path):
    notebook = read(path)
    assert outputs_of(notebook), REMEDY
    assert notebook.metadata["sources"] == run_notebooks.digest(notebook), REMEDY
    assert notebook == run_notebooks.cleaned(notebook), REMEDY
    assert path.stat().st_size < run_notebooks.MAX_BYTES


@every_notebook
def test_stored_outputs_are_the_same_when_they_are_made_again(path):
    for output in outputs_of(read(path)):
        text = "".join([output.get("text", ""), *map(str, output.get("data", {}).values())])
        assert not NOISE.search(text)


@every_notebook
def test_figures_of_notebooks_have_a_description(path):
    for output in outputs_of(read(path)):
        if "image/png" in output.get("data", {}):
            assert output.metadata["image/png"]["alt"]


def test_a_notebook_is_stored_without_what_only_a_kernel_shows():
    widget = nbformat.v4.new_output("display_data", {run_notebooks.LIVE_ONLY: {"model_id": "1"}})
    noise = nbformat.v4.new_output("stream", name="stderr", text="slow\n")
    shown = nbformat.v4.new_output("execute_result", {"text/plain": "2"}, execution_count=7)
    cell = nbformat.v4.new_code_cell("1 + 1", outputs=[widget, noise, shown], execution_count=7)
    cell.metadata["execution"] = {"shell.execute_reply": "2020-01-01"}
    notebook = nbformat.v4.new_notebook(cells=[cell])
    (stored,) = run_notebooks.cleaned(notebook).cells
    assert [output.data for output in stored.outputs] == [{"text/plain": "2"}]
    assert (stored.execution_count, stored.outputs[0].execution_count) == (None, None)
    assert stored.metadata == {}
    again = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 2")])
    assert run_notebooks.digest(again) != run_notebooks.digest(notebook)


def test_the_page_that_a_notebook_frames_is_that_of_todays_explorer(tmp_path):
    record_smollm2.write_page(tmp_path / "explore.html")
    pages = [
        path.read_text(encoding="utf-8")
        for path in (record_smollm2.PAGE, tmp_path / "explore.html")
    ]
    data = re.compile(r'<script type="application/json" id="data">.*?</script>')  # compressed
    assert data.sub("", pages[0]) == data.sub("", pages[1]), REMEDY


def test_an_unknown_notebook_is_refused(capsys):
    assert run_notebooks.main(["99"]) == 2
    assert "03_train_a_team" in capsys.readouterr().err


@pytest.fixture
def dynamics(monkeypatch):
    """Return the names that the plotting cell of the notebook on credit dynamics defines."""
    mpl.use("agg")
    path = next(path for path in NOTEBOOKS if path.stem == "04_credit_dynamics")
    (source,) = [cell.source for cell in read(path).cells if "def show(" in cell.source]
    names = {"rows": [], "agents": []}
    exec(source.partition("\nshow(")[0], names)  # our own notebook
    monkeypatch.setattr(names["plt"], "close", lambda _: None)
    yield names
    monkeypatch.undo()
    names["plt"].close("all")


def test_moving_average_has_gaps_where_nothing_was_measured(dynamics):
    values = np.array([1.0, np.nan, 3.0, np.nan, np.nan, 0.0])
    expected = [1.0, 1.0, 3.0, 3.0, np.nan, 0.0]  # of the two last steps, those measured
    np.testing.assert_array_equal(dynamics["moving_average"](values, 2), expected)
    np.testing.assert_array_equal(dynamics["moving_average"](values, 1), values)


def test_figure_draws_no_missing_value_and_names_only_lines_that_are_drawn(dynamics):
    dynamics["agents"] += ["a", "b"]
    measured = [0.5, None, 0.25]
    dynamics["rows"] += [
        {"step": step, "credit/a/std": value, "credit/b/std": None}
        for step, value in enumerate(measured, start=1)
    ]
    dynamics["show"]("std")
    (axis,) = dynamics["plt"].gcf().axes
    (line,) = axis.lines
    np.testing.assert_array_equal(line.get_ydata(), [0.5, np.nan, 0.25])
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["a"]


def test_there_are_notebooks():
    assert NOTEBOOKS
