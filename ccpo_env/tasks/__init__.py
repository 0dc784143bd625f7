"""Tasks by name or from a file, in disjoint train and test splits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ccpo_env.errors import unknown_name
from ccpo_env.tasks.reasoning_gym import PREFIX, reasoning_gym
from ccpo_env.tasks.registry import TASK_SOURCES
from ccpo_env.tasks.splits import check_split
from ccpo_env.tasks.task_files import READERS, read_tasks
from ccpo_env.types import Task, TaskInput

__all__ = ["TASK_SOURCES", "load_tasks", "resolve_tasks"]


def load_tasks(
    name_or_path: str | Path, *, split: str | None = None, limit: int | None = None
) -> list[Task]:
    """Load tasks from a registered source or a .jsonl or .parquet file.

    Args:
        name_or_path: A name from TASK_SOURCES, ``reasoning_gym/<name>``, or a file with the
            columns ``question`` (or ``problem``), ``answer`` (or ``final_answer``, or a
            ``solution`` with a box), and ``id`` or ``unique_id`` if it has one.
        split: "train" or "test": two disjoint sets, chosen by a hash of the question text, so that
            they stay disjoint across files and sizes. None: all rows of a file, "train" of a
            procedural source.
        limit: At most this many tasks, the first ones. None: all, or the default of the source.

    Returns:
        At least one task; ids are unique.

    Raises:
        ValueError: If the name, the split or the limit is not valid.
        FileNotFoundError: If the file does not exist.
        ImportError: If a .parquet file is read without pyarrow, or a source without its package.
        TaskFileError: If the file is empty or a line of it is not a task.
    """
    check_split(split)
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be >= 1, got {limit}; leave it out to load all tasks")
    name = str(name_or_path)
    if name in TASK_SOURCES:
        return TASK_SOURCES[name](split=split, limit=limit)
    if name.startswith(PREFIX):
        return reasoning_gym(name.removeprefix(PREFIX), split=split, limit=limit)
    if Path(name).suffix in READERS:
        return read_tasks(Path(name), split=split, limit=limit)
    if isinstance(name_or_path, Path) or Path(name).suffix or "/" in name:
        raise ValueError(
            f"tasks must be a file that ends in {' or '.join(READERS)}, got {name!r}; "
            f"convert the file or pass one of {', '.join(sorted(TASK_SOURCES))}"
        )
    raise unknown_name("tasks", name, TASK_SOURCES)


def resolve_tasks(tasks: TaskInput) -> tuple[Task, ...]:
    """Return tasks from a name, a path, or a sequence of Task or (question, answer).

    Raises:
        ValueError: If the sequence is empty or two tasks have the same id.
        TypeError: If an entry is neither a Task nor a pair of texts.
    """
    if isinstance(tasks, str | Path):
        return tuple(load_tasks(tasks))
    if not isinstance(tasks, Iterable):
        raise TypeError(
            f"tasks must be a name, a path or a sequence of tasks, got {tasks!r}; "
            f"wrap a single task in a list"
        )
    resolved = tuple(_as_task(entry, index) for index, entry in enumerate(tasks))
    if not resolved:
        raise ValueError("tasks must hold at least one task, got none; pass e.g. [('1+1', '2')]")
    seen: set[str] = set()
    for task in resolved:
        if task.id in seen:
            raise ValueError(f"task ids must be unique, got {task.id!r} twice; rename one of them")
        seen.add(task.id)
    return resolved


def _as_task(entry: Task | Sequence[str], index: int) -> Task:
    if isinstance(entry, Task):
        return entry
    is_pair = isinstance(entry, tuple | list) and len(entry) == 2
    if is_pair and all(isinstance(part, str) for part in entry):
        return Task(id=f"custom/{index}", question=entry[0], answer=entry[1])
    raise TypeError(
        f"tasks[{index}] must be a Task or a (question, answer) pair of texts, got {entry!r}; "
        f"wrap it as Task(id=..., question=..., answer=...)"
    )
