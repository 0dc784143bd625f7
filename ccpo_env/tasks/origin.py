"""Where rows come from: what their tasks are named after, and what errors call a row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ccpo_env.errors import TaskFileError
from ccpo_env.tasks.values import shown

Row = tuple[int, object]
"""Line or row number, counted from 1, and its content."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of rows.

    Args:
        prefix: What the ids of their tasks begin with.
        source: Source of the tasks.
        place: The file or data set, as errors name it; None for rows of the caller.
    """

    prefix: str
    source: str
    place: str | None = None

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """Return the origin of the rows of a file, or of a data set that is named like one."""
        return cls(path.stem, path.name, str(path))

    @property
    def name(self) -> str:
        """What a warning calls it."""
        return self.place or "tasks"

    def malformed(self, number: int, rule: str, value: object) -> TaskFileError:
        """Return the error about a row that breaks a rule, given its number from 1."""
        got = f"must {rule}, got {shown(value)}"
        if self.place is None:
            return TaskFileError(f"tasks[{number - 1}] {got}; correct or remove that row")
        return TaskFileError(f"line {number} {got} in {self.place}; correct or remove that line")

    def duplicate(self, number: int, task_id: str) -> TaskFileError:
        """Return the error about a row whose id another row has."""
        if self.place is None:
            return TaskFileError(
                f"task ids must be unique, got {task_id!r} twice; rename one of them"
            )
        return TaskFileError(
            f"task ids must be unique, got {task_id!r} twice in {self.place}, the second time in "
            f"line {number}; rename it"
        )

    def empty(self) -> TaskFileError:
        """Return the error about no rows at all."""
        if self.place is None:
            return TaskFileError(
                "tasks must hold at least one task, got none; pass e.g. [('1+1', '2')]"
            )
        if self.place.endswith(".parquet"):
            return TaskFileError(
                f"a task file must hold at least one task, got an empty file in {self.place}; "
                f"add rows with the columns question and answer"
            )
        return TaskFileError(
            f"a task file must hold at least one task, got an empty file in {self.place}; "
            f'add lines such as {{"question": "1+1", "answer": "2"}}'
        )


CALLER = Origin("custom", "custom")
"""Origin of tasks and rows that the caller passes."""
