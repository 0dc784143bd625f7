"""Load tasks from a name, a file or rows."""

from __future__ import annotations

from pathlib import Path

from ccpo_env.errors import unknown_name
from ccpo_env.tasks.benchmarks import BENCHMARKS
from ccpo_env.tasks.collecting import tasks_from_rows
from ccpo_env.tasks.files import READERS, file_rows
from ccpo_env.tasks.given import given_tasks
from ccpo_env.tasks.origin import Origin
from ccpo_env.tasks.reasoning_gym import PREFIX, reasoning_gym
from ccpo_env.tasks.registry import TASK_SOURCES
from ccpo_env.tasks.shuffling import shuffle_choices as shuffled
from ccpo_env.tasks.splits import check_split
from ccpo_env.types import Task, TaskInput


def load_tasks(
    tasks: TaskInput,
    *,
    split: str | None = None,
    limit: int | None = None,
    shuffle_choices: int | None = None,
) -> list[Task]:
    """Load tasks from a registered source, a .jsonl or .parquet file, or rows.

    Args:
        tasks: A name from TASK_SOURCES, ``reasoning_gym/<name>``, a file, a table (pandas, polars,
            pyarrow or datasets), or an iterable of Task, (question, answer) and rows. The columns
            of rows and files are those of docs/tasks.md, such as ``question`` and ``answer``.
        split: "train" or "test": two disjoint sets, chosen by a hash of the question text, so that
            they stay disjoint across files and sizes; benchmarks have splits of their own. None:
            all rows, "train" of a procedural source, the first split of a benchmark.
        limit: At most this many tasks, the first ones; no further row is read. None: all, or the
            default of the source.
        shuffle_choices: Seed with which the options of multiple-choice tasks are put into another
            order, see `shuffle_choices`. None: they keep theirs.

    Returns:
        At least one task; ids are unique.

    Raises:
        ValueError: If the name, the split, the limit or the seed is not valid.
        TypeError: If the tasks are of another type.
        FileNotFoundError: If the file does not exist.
        ImportError: If a .parquet file is read without pyarrow, or a source without its package.
        TaskFileError: If there are no rows, one is not a task, or two have the same id.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be >= 1, got {limit}; leave it out to load all tasks")
    loaded = _loaded(tasks, split, limit)
    if shuffle_choices is None:
        return loaded
    if not any(task.choices for task in loaded):
        raise ValueError(
            f"shuffle_choices must be given for tasks with options, got {shuffle_choices} for "
            f"tasks without any, such as {loaded[0].id!r}; leave it out"
        )
    return shuffled(loaded, shuffle_choices)


def resolve_tasks(tasks: TaskInput) -> tuple[Task, ...]:
    """Return all tasks of what `load_tasks` accepts.

    Raises:
        ValueError: See `load_tasks`.
        TypeError: If the tasks are of another type.
        FileNotFoundError: If the file does not exist.
        ImportError: If a package is missing.
        TaskFileError: If there are no rows, one is not a task, or two have the same id.
    """
    return tuple(load_tasks(tasks))


def _loaded(tasks: TaskInput, split: str | None, limit: int | None) -> list[Task]:
    if not (isinstance(tasks, str) and tasks in BENCHMARKS):  # those have splits of their own
        check_split(split)
    if isinstance(tasks, str) and tasks in TASK_SOURCES:
        return TASK_SOURCES[tasks](split=split, limit=limit)
    if not isinstance(tasks, str | Path):
        return given_tasks(tasks, split=split, limit=limit)
    name, path = str(tasks), Path(tasks)
    if name.startswith(PREFIX):
        return reasoning_gym(name.removeprefix(PREFIX), split=split, limit=limit)
    if path.suffix in READERS:
        return tasks_from_rows(file_rows(path), Origin.of_file(path), split=split, limit=limit)
    if isinstance(tasks, Path) or path.suffix or "/" in name:
        raise ValueError(
            f"tasks must be a file that ends in {' or '.join(READERS)}, got {name!r}; "
            f"convert the file or pass one of {', '.join(sorted(TASK_SOURCES))}"
        )
    raise unknown_name("tasks", name, TASK_SOURCES)
