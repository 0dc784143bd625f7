"""Tasks from a local .jsonl or .parquet file."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from ccpo_env.errors import TaskFileError
from ccpo_env.tasks.splits import in_split
from ccpo_env.types import Task
from ccpo_env.verifiers.extract import extract_boxed
from ccpo_env.verifiers.math.golds import unreadable_golds

LOGGER = logging.getLogger(__name__)

ID_COLUMNS = ("id", "unique_id")
"""Columns that may hold the id of a row; without one, its number is its id."""
QUESTION_COLUMNS = ("question", "problem")
ANSWER_COLUMNS = ("answer", "final_answer", "solution")
"""Columns that may hold the question and the gold answer; the first one present counts."""
TAG_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "level": ("level", "difficulty"),
    "subject": ("subject", "type"),
}
"""Columns that may hold each tag; a row without any of them lacks the tag."""
MAX_SHOWN = 10
"""Tasks with an unreadable gold answer that a warning names."""
WORKED_MARK = "#### "
"""Mark before the gold answer at the end of a worked solution, as in GSM8K."""

Row = tuple[int, object]
"""Line or row number in the file, counted from 1, and its content."""


def read_tasks(path: Path, *, split: str | None, limit: int | None) -> list[Task]:
    """Return the tasks of one file; see `load_tasks`.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If it is a .parquet file and pyarrow is not installed.
        TaskFileError: If a row is not a task.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"tasks must be an existing file, got {str(path)!r}; check the path"
        )
    return tasks_from_rows(READERS[path.suffix](path), path, split=split, limit=limit)


def tasks_from_rows(
    rows: Iterable[Row], path: Path, *, split: str | None, limit: int | None
) -> list[Task]:
    """Return the tasks of numbered rows; path names them in ids and errors."""
    tasks: dict[str, Task] = {}
    seen: set[str] = set()
    num_rows = 0
    without_gold: list[int] = []
    for number, row in rows:
        num_rows += 1
        task = _as_task(row, number, path)
        if task.id in seen:
            raise TaskFileError(
                f"task ids must be unique, got {task.id!r} twice in {path}, the second time in "
                f"line {number}; rename it"
            )
        seen.add(task.id)
        if in_split(task.question, split):
            tasks[task.id] = task
            if not task.answer.strip():
                without_gold.append(number)
        if limit is not None and len(tasks) == limit:
            break
    if not num_rows:
        raise TaskFileError(
            f"a task file must hold at least one task, got an empty file in {path}; "
            f'add lines such as {{"question": "1+1", "answer": "2"}}'
        )
    if not tasks:
        raise TaskFileError(
            f"split {split!r} must hold at least one task, got none of {num_rows} in {path}; "
            f"add tasks, or pass another file or split=None"
        )
    if without_gold:
        LOGGER.warning(
            "%s holds %d tasks without a gold answer, in lines %s; their episodes measure nothing",
            path,
            len(without_gold),
            ", ".join(map(str, without_gold[:20])),
        )
    _report_unreadable(tasks.values(), path)
    return list(tasks.values())


def _report_unreadable(tasks: Collection[Task], path: Path) -> None:
    """Warn once about all gold answers with which no other answer can be compared."""
    golds = set(unreadable_golds(task.answer for task in tasks))
    if not golds:
        return
    found = [task for task in tasks if task.answer in golds]
    LOGGER.warning(
        "%s holds %d tasks whose gold answer is neither words nor parsed as mathematics: %s; the "
        'verifier "math" does not measure answers that are written differently; correct or remove '
        "these tasks",
        path,
        len(found),
        ", ".join(f"{task.id} ({task.answer[:40]!r})" for task in found[:MAX_SHOWN]),
    )


def _as_task(row: object, number: int, path: Path) -> Task:
    if not isinstance(row, Mapping):
        raise _malformed("be a JSON object", row, number, path)
    fields = {}
    for name, columns in (("question", QUESTION_COLUMNS), ("answer", ANSWER_COLUMNS)):
        column = next((c for c in columns if row.get(c) is not None), name)
        value = row.get(column)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise _malformed(f"have a text or number as {column!r}", row, number, path)
        if isinstance(value, float) and not math.isfinite(value):
            raise _malformed(f"have a finite number as {column!r}", row, number, path)
        # Tables often hold whole numbers as floats; 27.0 is written 27.
        is_whole = isinstance(value, float) and value.is_integer()
        fields[name] = str(int(value) if is_whole else value)
        if name == "answer":
            fields[name] = gold_answer(fields[name], is_worked=column == "solution")
    if not fields["question"].strip():
        raise _malformed("have a question that is not empty", row, number, path)
    own_id = next((row[c] for c in ID_COLUMNS if row.get(c) not in (None, "")), number - 1)
    return Task(
        id=f"{path.stem}/{own_id}",
        question=fields["question"],
        answer=fields["answer"],
        source=path.name,
        tags=tags_of(row),
    )


def tags_of(row: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return the tags of a row; a value that is neither text nor a whole number is ignored.

    MATH writes a level as "Level 5" or as 5: both are "5".
    """
    tags = []
    for name, columns in TAG_COLUMNS.items():
        value = next((row[c] for c in columns if row.get(c) is not None), None)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, str | int):
            continue
        text = str(value).strip().removeprefix(f"{name.capitalize()} ")
        if text:
            tags.append((name, text))
    return tuple(tags)


def gold_answer(text: str, *, is_worked: bool = False) -> str:
    """Return the final answer of a worked solution; other text is the answer itself.

    Args:
        text: The column's content; the answer follows the last WORKED_MARK.
        is_worked: Whether the text is a solution whose last box holds the answer.
    """
    if WORKED_MARK in text:
        return text.rpartition(WORKED_MARK)[2].strip().replace(",", "")
    return (extract_boxed(text) or "") if is_worked else text


def _malformed(rule: str, row: object, number: int, path: Path) -> TaskFileError:
    seen = repr(row)
    shown = seen if len(seen) <= 80 else f"{seen[:77]}..."
    return TaskFileError(
        f"line {number} must {rule}, got {shown} in {path}; correct or remove that line"
    )


def _jsonl_rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):  # malformed, not UTF-8, or nested without end
                text = line.decode(errors="replace").strip()
                raise _malformed("be a JSON object", text, number, path) from None


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ImportError(
            f"tasks in a .parquet file must be read with the package pyarrow, got none for {path}; "
            f"run pip install 'ccpo-env[parquet]', or convert the file to .jsonl"
        ) from None
    try:
        with pq.ParquetFile(path) as file:
            tags = chain.from_iterable(TAG_COLUMNS.values())
            columns = (*QUESTION_COLUMNS, *ANSWER_COLUMNS, *ID_COLUMNS, *tags)
            known = [column for column in columns if column in file.schema_arrow.names]
            rows = file.read(columns=known).to_pylist()
    except (pa.lib.ArrowException, OSError, UnicodeDecodeError) as error:
        if path.stat().st_size == 0:
            return
        reason = str(error).splitlines()[0]
        raise TaskFileError(
            f"a .parquet file must be readable as Parquet, got {reason!r} in {path}; "
            f"write the file again"
        ) from None
    yield from enumerate(rows, start=1)


READERS: Mapping[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": _jsonl_rows,
    ".parquet": _parquet_rows,
}
"""Reader of each supported file ending."""
