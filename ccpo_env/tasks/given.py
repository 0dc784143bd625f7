"""Tasks of the caller: Task objects, pairs, rows and tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ccpo_env.tasks.collecting import as_task, collect, report_golds, tasks_from_rows
from ccpo_env.tasks.columnar import PLAIN_TYPES, plain_value, table_reader
from ccpo_env.tasks.origin import CALLER
from ccpo_env.types import Task


def given_tasks(tasks: object, *, split: str | None, limit: int | None) -> list[Task]:
    """Return the tasks of a table, or of an iterable of Task, pairs and rows.

    Args:
        tasks: See `TaskInput`. Nothing is read after the last task that is needed.
        split: "train", "test" or None for both.
        limit: At most this many tasks.

    Raises:
        TypeError: If it is neither a table nor an iterable, or an entry is of another type.
        TaskFileError: If a row is not a task, two tasks have the same id, or there is no task.
    """
    read = table_reader(tasks)
    if read is not None:
        rows = enumerate(read(tasks), start=1)
        return tasks_from_rows(rows, CALLER, split=split, limit=limit)
    if isinstance(tasks, Mapping):
        example = next(iter(tasks), None)
        if table_reader(tasks.get(example)):
            raise TypeError(
                f"tasks must be one table, got those of {', '.join(map(repr, tasks))}; pass one of "
                f"them, such as tasks[{example!r}]"
            )
        raise TypeError(
            f"tasks[0] must be a Task, a (question, answer) pair of texts or a row, got the key "
            f"{example!r} of a mapping; wrap a single row in a list"
        )
    if not isinstance(tasks, Iterable):
        raise TypeError(
            f"tasks must be a name, a path or a sequence of tasks, got {tasks!r}; "
            f"wrap a single task in a list"
        )
    of_rows: list[Task] = []
    entries = _entries(tasks, of_rows)
    found, _ = collect(entries, CALLER, split=split, limit=limit)
    report_golds(of_rows, [], CALLER)
    return found


def _entries(tasks: Iterable[object], of_rows: list[Task]) -> Iterator[tuple[int, Task]]:
    """Return numbered tasks, and keep those that were rows."""
    for number, entry in enumerate(tasks, start=1):
        if isinstance(entry, Task):
            yield number, entry
        elif isinstance(entry, Mapping):
            task = as_task(_plain_row(entry), number, CALLER)
            of_rows.append(task)
            yield number, task
        elif isinstance(entry, tuple | list) and [*map(type, entry)] == [str, str]:
            yield number, Task(f"custom/{number - 1}", entry[0], entry[1])
        else:
            raise TypeError(
                f"tasks[{number - 1}] must be a Task, a (question, answer) pair of texts or a row, "
                f"got {entry!r}; wrap it as Task(id=..., question=..., answer=...), or as a row "
                f"{{'question': ..., 'answer': ...}}"
            )


def _plain_row(row: Mapping[Any, object]) -> Mapping[Any, object]:
    """Return a row with Python values in place of NumPy's."""
    if PLAIN_TYPES.issuperset(map(type, row.values())):  # nearly always, of a million rows
        return row
    return {name: plain_value(value) for name, value in row.items()}
