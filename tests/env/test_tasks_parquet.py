"""Tasks from .parquet files: broken ones are named, and a missing package says what to install."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from ccpo_env import load_tasks
from ccpo_env.errors import TaskFileError
from tests.env.test_tasks import NEEDS_PYARROW, sums, write

pa = pytest.importorskip("pyarrow", reason=NEEDS_PYARROW)
pq = pytest.importorskip("pyarrow.parquet", reason=NEEDS_PYARROW)


@pytest.mark.parametrize("package", ["pyarrow", "pyarrow.parquet"])
@pytest.mark.parametrize("name", ["tasks.parquet", "math500.parquet"])
def test_parquet_file_without_pyarrow_says_what_to_install(
    package: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / name, sums(range(20)))
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv("CCPO_DATA_DIR", str(tmp_path))
    message = (
        f"tasks in a .parquet file must be read with the package pyarrow, got none for {path}; "
        f"run pip install 'ccpo-env[parquet]', or convert the file to .jsonl"
    )
    with pytest.raises(ImportError, match=f"^{re.escape(message)}$"):
        load_tasks(path if name == "tasks.parquet" else "math500")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"question": ["q"]}, "line 1 must have a text or number as 'answer', 'final_answer'"),
        ({"other": [1, 2]}, "columns, got ['other'] in {path}"),
        (
            {"question": ["q", "r"], "answer": ["a", None]},
            "line 2 must have a text or number as 'answer', got None",
        ),
        (
            {"question": ["q", "r"], "answer": [1.0, float("nan")]},
            "line 2 must have a finite number",
        ),
        ({"question": ["q"], "answer": [b"a"]}, "line 1 must have a text or number as 'answer'"),
        ({"question": ["q"], "answer": [["a"]]}, "line 1 must have a text or number as 'answer'"),
        (
            {"question": ["q", "r"], "answer": ["a", "b"], "id": [5, 5]},
            "task ids must be unique, got 'tasks/5' twice in {path}, the second time in line 2",
        ),
        (
            {"question": pa.array([], pa.string()), "answer": pa.array([], pa.string())},
            "a task file must hold at least one task, got an empty file in {path}; add rows",
        ),
        (
            {"question": pa.array([b"\xff"]).view(pa.string()), "answer": ["a"]},
            "a .parquet file must be readable as Parquet, got \"'utf-8' codec",
        ),
    ],
    ids=range(9),
)
def test_broken_parquet_file_is_named_with_its_line(
    columns: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "tasks.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(TaskFileError, match=re.escape(message.replace("{path}", str(path)))):
        load_tasks(path)


@pytest.mark.parametrize("damage", ["cut short", "without its middle", "another format"])
def test_damaged_parquet_file_is_named(damage: str, tmp_path: Path) -> None:
    path = write(tmp_path / "tasks.parquet", sums(range(2000)))
    content = path.read_bytes()
    third = len(content) // 3
    damaged = {
        "cut short": content[: 2 * third],
        "without its middle": content[:third] + bytes(third) + content[2 * third :],
        "another format": b'{"question": "q", "answer": "a"}\n',
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(
        TaskFileError, match=r"a \.parquet file must be readable as Parquet, got "
    ) as caught:
        load_tasks(path)
    assert str(path) in str(caught.value)


def test_parquet_file_of_no_bytes_is_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "tasks.parquet"
    path.touch()
    with pytest.raises(TaskFileError, match="must hold at least one task, got an empty file in"):
        load_tasks(path)
