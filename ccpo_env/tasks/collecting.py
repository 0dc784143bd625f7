"""Rows to tasks: unique ids, a split, a limit, and warnings about gold answers."""

from __future__ import annotations

import gc
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

from ccpo_env.errors import TaskFileError
from ccpo_env.tasks.fields import task_of
from ccpo_env.tasks.lettered import with_options_of_questions
from ccpo_env.tasks.origin import Origin, Row
from ccpo_env.tasks.splits import in_split
from ccpo_env.tasks.values import NotATaskError
from ccpo_env.types import Task
from ccpo_env.verifiers.auto import kind_of
from ccpo_env.verifiers.math.golds import unreadable_golds

LOGGER = logging.getLogger(__name__)
MAX_SHOWN = 10
"""Tasks with an unreadable gold answer that a warning names."""
MAX_GOLDS = 10_000
"""Tasks whose gold answers are parsed for that warning, since parsing takes time."""


def tasks_from_rows(
    rows: Iterable[Row], origin: Origin, *, split: str | None, limit: int | None
) -> list[Task]:
    """Return the tasks of numbered rows, and warn about gold answers that measure nothing.

    Args:
        rows: Rows; none is read after the last task that is needed.
        origin: Where they come from.
        split: "train", "test" or None for both; see `load_tasks`.
        limit: At most this many tasks.

    Raises:
        TaskFileError: If a row is not a task, two have the same id, or there is no task.
    """
    entries = ((number, as_task(row, number, origin)) for number, row in rows)
    tasks, without_gold = collect(entries, origin, split=split, limit=limit)
    tasks = with_options_of_questions(tasks)
    report_golds(tasks, without_gold, origin)
    return tasks


def as_task(row: object, number: int, origin: Origin) -> Task:
    """Return the task of a row.

    Raises:
        TaskFileError: If it is not a task.
    """
    try:
        if type(row) is not dict and not isinstance(row, Mapping):
            raise NotATaskError("be a JSON object", row)
        return task_of(row, number - 1, origin.prefix, origin.source)
    except NotATaskError as error:
        raise origin.malformed(number, error.rule, error.value) from None


def collect(
    entries: Iterable[tuple[int, Task]], origin: Origin, *, split: str | None, limit: int | None
) -> tuple[list[Task], list[int]]:
    """Return the tasks of a split, and the numbers of those without a gold answer.

    Raises:
        TaskFileError: If two tasks have the same id, or there is no task.
    """
    tasks: list[Task] = []
    without_gold: list[int] = []
    seen: set[str] = set()
    num_seen = 0
    with _no_collections():
        for number, task in entries:
            seen.add(task.id)
            if len(seen) == num_seen:
                raise origin.duplicate(number, task.id)
            num_seen += 1
            if split is None or in_split(task.question, split):
                tasks.append(task)
                if not (task.answer or task.tests) or task.answer.isspace():
                    without_gold.append(number)
                if len(tasks) == limit:
                    break
    if not seen:
        raise origin.empty()
    if not tasks:
        raise TaskFileError(
            f"split {split!r} must hold at least one task, got none of {len(seen)} in "
            f"{origin.name}; add tasks, or pass another file or split=None"
        )
    return tasks, without_gold


def report_golds(tasks: Collection[Task], without_gold: Collection[int], origin: Origin) -> None:
    """Warn about tasks without a gold answer, and about gold answers that cannot be compared."""
    if without_gold:
        LOGGER.warning(
            "%s holds %d tasks without a gold answer, in lines %s; their episodes measure nothing",
            origin.name,
            len(without_gold),
            ", ".join(map(str, islice(without_gold, 20))),
        )
    is_math = [task for task in islice(tasks, MAX_GOLDS) if kind_of(task) == "math"]
    golds = set(unreadable_golds(task.answer for task in is_math))
    if not golds:
        return
    found = [task for task in is_math if task.answer in golds]
    LOGGER.warning(
        "%s holds %d tasks whose gold answer is neither words nor parsed as mathematics: %s; the "
        'verifier "math" does not measure answers that are written differently; correct or remove '
        "these tasks",
        origin.name,
        len(found),
        ", ".join(f"{task.id} ({task.answer[:40]!r})" for task in found[:MAX_SHOWN]),
    )


@contextmanager
def _no_collections() -> Iterator[None]:
    """Collect no garbage meanwhile: tasks hold no cycles, and there may be a million of them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
