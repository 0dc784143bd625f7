"""Write tasks as parquet files for verl."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from baselines.common.checks import require_at_least
from baselines.common.command import command
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import make_folder, storing
from baselines.common.flags import Choices
from baselines.integrations.task_rows import LISTS, TEXTS, columns_of
from ccpo_env import Task, load_tasks
from ccpo_env.tasks import TASK_SOURCES

FILES = {"train": "train.parquet", "test": "val.parquet"}
"""File name of each split."""


def row_of(task: Task, index: int) -> dict[str, Any]:
    """Return the row of a task in verl's data.

    Args:
        task: The task.
        index: Number of the row, by which verl knows it.

    Returns:
        The columns of verl. ``extra_info`` holds all fields of the task, from which `task_of`
        makes it again; ``prompt`` is its question, which verl measures and no agent reads.
    """
    return {
        "data_source": task.source,
        "prompt": [{"role": "user", "content": task.question}],
        "reward_model": {"style": "rule", "ground_truth": task.answer},
        "extra_info": {"index": index, **columns_of(task)},
    }


def write_rows(path: Path, tasks: Iterable[Task]) -> None:
    """Write a parquet file of tasks for verl, atomically.

    Raises:
        ValueError: If a text cannot be written as UTF-8.
        ImportError: If pyarrow is not installed.
        StorageError: If the file cannot be written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError(
            f"data of verl must be written with pyarrow, got {error}; run: pip install pyarrow"
        ) from error

    text, texts = pa.string(), pa.list_(pa.string())
    types = {"tags": pa.list_(texts), **dict.fromkeys(TEXTS, text), **dict.fromkeys(LISTS, texts)}
    task_fields = [(field.name, types[field.name]) for field in fields(Task)]
    # Spelt out: in a file without a single option, the type of options cannot be inferred.
    schema = pa.schema(
        [
            ("data_source", text),
            ("prompt", pa.list_(pa.struct([("role", text), ("content", text)]))),
            ("reward_model", pa.struct([("style", text), ("ground_truth", text)])),
            ("extra_info", pa.struct([("index", pa.int64()), *task_fields])),
        ]
    )
    rows = [row_of(task, index) for index, task in enumerate(tasks)]
    try:
        table = pa.Table.from_pylist(rows, schema=schema)
    except UnicodeEncodeError as error:
        raise ValueError(
            f"tasks must be texts of valid Unicode, got {error.object[error.start]!r}; remove it"
        ) from None
    part = path.with_name(f"{path.name}.part")
    with storing("data of verl", path):
        pq.write_table(table, part)
        part.replace(path)


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Write the training and the held-out tasks as parquet files for verl."""

    tasks: Annotated[str, Choices((*TASK_SOURCES, "a .jsonl or .parquet file"))] = "arithmetic"
    """Tasks, from the splits "train" and "test"."""
    shuffle_choices: int | None = None
    """Random seed of another order of the options of multiple-choice tasks. None: their own."""
    limit: int | None = None
    """Largest number of tasks of each split. None: all."""
    out: Path
    """Folder for train.parquet and val.parquet."""

    def check(self) -> None:
        """Raise ValueError if a number is out of range."""
        if self.limit is not None:
            require_at_least("limit", self.limit, 1)


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tasks of a source as parquet files for verl."""
    settings = parse(DataSettings, arguments, "python -m baselines.integrations.verl_data")
    with exit_on_bad_input():
        make_folder(settings.out)
        for split, name in FILES.items():
            tasks = load_tasks(
                settings.tasks,
                split=split,
                limit=settings.limit,
                shuffle_choices=settings.shuffle_choices,
            )
            write_rows(settings.out / name, tasks)
            print(f"{settings.out / name}: {len(tasks)} tasks")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
