"""Tasks as rows of another trainer's data, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ccpo_env import Task

TEXTS = ("id", "question", "answer", "source", "tests")
LISTS = ("choices", "context", "answers")


def columns_of(task: Task) -> dict[str, Any]:
    """Return all fields of a task as texts and lists, from which `task_of` makes it again."""
    lists = {name: list(getattr(task, name)) for name in LISTS}
    return {**asdict(task), **lists, "tags": [list(tag) for tag in task.tags]}


def task_of(row: Mapping[str, Any]) -> Task:
    """Return the task of a row.

    Args:
        row: question and answer, and the other fields of `Task` that the task has. Without id,
            index is its id.

    Raises:
        ValueError: If question or answer is missing.
    """
    given = {name: value for name, value in row.items() if value is not None}
    missing = {"question", "answer"} - set(given)
    if missing:
        raise ValueError(
            f"a row must hold question and answer, got {sorted(given)}; make it with columns_of(), "
            f"for verl with python -m baselines.integrations.verl_data"
        )
    known: dict[str, Any] = {"id": str(given.get("index", "-"))}
    known |= {name: str(given[name]) for name in TEXTS if name in given}
    known |= {name: tuple(map(str, given[name])) for name in LISTS if name in given}
    tags = tuple((str(name), str(value)) for name, value in given.get("tags", ()))
    return Task(**known, tags=tags)
