"""Rows as people hold them: lists, generators and tables of pandas, pyarrow and datasets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ccpo_env import Task, load_tasks, think_solve_v0
from ccpo_env.errors import TaskFileError
from ccpo_env.tasks import collecting, resolve_tasks
from ccpo_env.tasks.collecting import MAX_GOLDS
from tests.env.test_tasks import every_ending, write

ROWS: list[dict[str, Any]] = [
    {
        "question": "q0",
        "answer": 1,
        "choices": ["x", "y"],
        "context": ["p"],
        "level": 2,
        "id": "a",
        "note": {"any": [1]},
    },
    {
        "question": "q1",
        "answer": 0,
        "choices": ["x", "z"],
        "context": [],
        "level": None,
        "id": "b",
        "note": None,
    },
]
TASKS = [
    Task("custom/a", "q0", "B", "custom", (("level", "2"),), ("x", "y"), ("p",)),
    Task("custom/b", "q1", "A", "custom", (), ("x", "z")),
]


def frame(rows: list[dict[str, Any]]) -> Any:
    return pytest.importorskip("pandas").DataFrame(rows)


def from_parquet(rows: list[dict[str, Any]]) -> Any:
    """A frame whose lists are arrays of NumPy, as files of pandas hold them."""
    numpy = pytest.importorskip("numpy")
    table = frame(rows)
    for column in ("choices", "context"):
        table[column] = [numpy.array(value, dtype=object) for value in table[column]]
    return table


def arrow(rows: list[dict[str, Any]]) -> Any:
    return pytest.importorskip("pyarrow").Table.from_pylist(rows)


def dataset(rows: list[dict[str, Any]]) -> Any:
    return pytest.importorskip("datasets").Dataset.from_list(rows)


def polars(rows: list[dict[str, Any]]) -> Any:
    """The part of a polars frame that is read."""

    def select(names: list[str]) -> Any:
        chosen = [{name: row[name] for name in names} for row in rows]
        return SimpleNamespace(iter_rows=lambda named: iter(chosen) if named else None)

    return SimpleNamespace(columns=[*rows[0]], iter_rows=None, select=select)


def generator(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield from rows


every_container = pytest.mark.parametrize(
    "held", [list, tuple, iter, generator, frame, from_parquet, arrow, dataset, polars]
)


@every_container
def test_rows_are_tasks_however_they_are_held(held: Callable[[Any], Any]) -> None:
    assert load_tasks(held(ROWS)) == TASKS
    assert resolve_tasks(held(ROWS)) == tuple(TASKS)
    assert load_tasks(held(ROWS), limit=1) == TASKS[:1]


@pytest.mark.parametrize("held", [frame, generator, dataset])
def test_an_environment_takes_rows_as_they_are_held(held: Callable[[Any], Any]) -> None:
    env = think_solve_v0(tasks=held([{"question": "1+1", "answer": 2}]))
    assert env.tasks == (Task("custom/0", "1+1", "2"),)


def test_an_environment_takes_a_path(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [{"question": "1+1", "answer": "2"}])
    assert think_solve_v0(tasks=path).tasks == (Task("t/0", "1+1", "2", "t.jsonl"),)


@every_container
def test_a_wrong_row_is_named_by_its_place(held: Callable[[Any], Any]) -> None:
    rows = [*ROWS, {**ROWS[1], "id": "c", "answer": 5}]
    message = (
        "tasks[2] must have one option as 'answer': a letter from A to B, an index from 0 to 1, or "
        "the text of one option, got 5; correct or remove that row"
    )
    with pytest.raises(TaskFileError, match=f"^{re.escape(message)}$"):
        load_tasks(held(rows))


def test_rows_pairs_and_tasks_may_be_mixed_and_split() -> None:
    own = Task("own", "q5", "a")
    entries: list[Any] = [("q0", "a"), {"question": "q1", "answer": 2.0}, own, ["q3", "b"]]
    tasks = load_tasks(entries)
    assert [task.id for task in tasks] == ["custom/0", "custom/1", "own", "custom/3"]
    assert tasks[1].answer == "2"
    many = [(f"q{n}", "a") for n in range(200)]
    train, test = load_tasks(many, split="train"), load_tasks(many, split="test")
    assert 5 < len(test) < 40
    assert sorted(task.id for task in [*train, *test]) == sorted(t.id for t in load_tasks(many))


def test_missing_values_of_a_frame_are_no_values() -> None:
    pandas = pytest.importorskip("pandas")
    columns = {"question": ["q", "r"], "answer": [1.0, float("nan")], "final_answer": [None, "x"]}
    table = pandas.DataFrame(columns).assign(level=pandas.array([3, None], dtype="Int64"))
    assert load_tasks(table) == [
        Task("custom/0", "q", "1", tags=(("level", "3"),)),
        Task("custom/1", "r", "x"),
    ]
    with pytest.raises(TaskFileError, match=r"tasks\[1\] must have a text or number as 'answer'"):
        load_tasks(table.drop(columns="final_answer"))


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({"question": "q", "answer": "a"}, "wrap a single row in a list"),
        ({"train": [1]}, "wrap a single row in a list"),
        (7, "tasks must be a name, a path or a sequence of tasks, got 7; wrap a single task in"),
        ([{"question": "q", "answer": "a"}, "q"], r"tasks[1] must be a Task, a (question, "),
    ],
)
def test_what_holds_no_rows_is_refused(tasks: Any, message: str) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        load_tasks(tasks)


def test_a_mapping_of_tables_names_them() -> None:
    tables = {"train": arrow(ROWS), "test": arrow(ROWS)}
    message = "tasks must be one table, got those of 'train', 'test'; pass one of them, such as"
    with pytest.raises(TypeError, match=message):
        load_tasks(tables)  # type: ignore[arg-type]


def test_an_empty_table_holds_no_task() -> None:
    for held in (frame, arrow, list, iter):
        with pytest.raises(
            TaskFileError, match="tasks must hold at least one task, got none; pass"
        ):
            load_tasks(held([]))


def endless(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    number = 0
    while True:
        yield {**row, "id": number}
        number += 1


def test_a_limit_reads_no_row_too_many(tmp_path: Path) -> None:
    rows = endless({"question": "q", "answer": "a"})
    assert len(load_tasks(rows, limit=5)) == 5
    assert next(rows)["id"] == 5
    path = tmp_path / "t.jsonl"
    path.write_text('{"question": "q", "answer": "a"}\nnot JSON', encoding="utf-8")
    assert len(load_tasks(path, limit=1)) == 1
    with pytest.raises(TaskFileError, match="line 2 must be a JSON object"):
        load_tasks(path, limit=2)


def test_a_limit_reads_one_batch_of_a_parquet_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    path = write(tmp_path / "t.parquet", [{"question": "q", "answer": "a"}] * 20_000)
    read: list[int] = []
    batches = pq.ParquetFile.iter_batches

    def counted(self: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
        for batch in batches(self, *arguments, **options):
            read.append(len(batch))
            yield batch

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    assert len(load_tasks(path, limit=3)) == 3
    assert sum(read) == 8192


@every_ending
def test_tags_of_a_file_are_held_once(ending: str, tmp_path: Path) -> None:
    rows = [{"question": "q", "answer": "a", "subject": "s", "level": n % 2} for n in range(50)]
    tasks = load_tasks(write(tmp_path / f"t{ending}", rows))
    assert len({id(task.tags) for task in tasks}) == 2


def test_gold_answers_of_a_large_file_are_looked_at_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []

    def unreadable_golds(golds: Iterable[str]) -> list[str]:
        looked_at.extend(golds)
        return []

    monkeypatch.setattr(collecting, "unreadable_golds", unreadable_golds)
    path = tmp_path / "t.jsonl"
    line = json.dumps({"question": "q", "answer": "a"})
    path.write_text(f"{line}\n" * (MAX_GOLDS + 5), encoding="utf-8")
    assert len(load_tasks(path)) == MAX_GOLDS + 5
    assert len(looked_at) == MAX_GOLDS


@every_ending
def test_equal_options_of_a_file_are_held_once(ending: str, tmp_path: Path) -> None:
    rows = [{"question": "q", "choices": ["one or", f"two {n % 2}"], "answer": 1} for n in range(9)]
    tasks = load_tasks(write(tmp_path / f"t{ending}", rows))
    assert len({id(task.choices) for task in tasks}) == 2
    assert len({id(task.choices[0]) for task in tasks}) == 1


def test_rows_may_hold_values_of_numpy():
    row = {"question": np.str_("q"), "choices": np.array(["x", "y"]), "answer": np.int64(1)}
    [task] = load_tasks([{**row, "level": np.int64(5)}])
    assert (task.answer, task.choices, task.tags) == ("B", ("x", "y"), (("level", "5"),))
    [task] = load_tasks([{"question": "q", "answer": np.float32(1.5), "id": np.uint8(7)}])
    assert (task.id, task.answer) == ("custom/7", "1.5")


def test_a_column_that_a_file_has_twice_is_an_error_of_the_file(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "twice.parquet"
    names = ["question", "question", "answer"]
    pq.write_table(pa.Table.from_arrays([pa.array(["q"])] * 3, names=names), path)
    with pytest.raises(TaskFileError, match=r"'question' twice in .*twice\.parquet; rename"):
        load_tasks(path)
