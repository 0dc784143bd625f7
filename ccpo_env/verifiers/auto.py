"""The verifier "auto": which verifier the tasks need."""

from __future__ import annotations

from collections.abc import Iterable

from ccpo_env.types import Task

AUTO = "auto"
"""Name that stands for the verifier that the tasks need."""
CHOSEN = frozenset({"math", "choice", "qa"})
"""The verifiers that it stands for."""


def verifier_name(tasks: Iterable[Task]) -> str:
    """Return the name of the verifier for some tasks: "choice", "qa" or "math".

    Tasks with options need "choice", those with passages or further gold answers "qa", and all
    others "math".

    Raises:
        ValueError: If a task has a program as its tests, or the tasks are of several kinds.
    """
    first_of: dict[str, Task] = {}
    for task in tasks:
        first_of.setdefault(kind_of(task), task)
    if "code" in first_of:
        raise ValueError(
            f"tasks with programs need verifier='code', which runs code that a model wrote, got "
            f"verifier='auto' with task {first_of['code'].id!r}; name it"
        )
    if len(first_of) > 1:
        kinds = ", ".join(f"{own!r} for {task.id!r}" for own, task in first_of.items())
        raise ValueError(
            f"tasks of one environment must need one verifier, got {kinds}; name one as verifier=, "
            f"or load the kinds apart"
        )
    return next(iter(first_of), "math")


def kind_of(task: Task) -> str:
    """Return the kind of a task: "code", "choice", "qa" or "math"."""
    if task.tests:
        return "code"
    if task.choices:
        return "choice"
    return "qa" if task.context or task.answers else "math"
