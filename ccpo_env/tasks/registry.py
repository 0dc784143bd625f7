"""Task sources by name: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ccpo_env.tasks.arithmetic import arithmetic
from ccpo_env.tasks.arithmetic_choice import arithmetic_choice
from ccpo_env.tasks.arithmetic_one_kind import arithmetic_one_kind
from ccpo_env.tasks.arithmetic_rare import arithmetic_rare
from ccpo_env.tasks.benchmarks import BENCHMARKS
from ccpo_env.tasks.linear import linear_equations
from ccpo_env.tasks.lookup import lookup
from ccpo_env.types import Task


class TaskSource(Protocol):
    """Loads the tasks of one source."""

    def __call__(self, *, split: str | None, limit: int | None) -> list[Task]:
        """Return at most limit tasks of a split."""
        ...


TASK_SOURCES: Mapping[str, TaskSource] = {
    "arithmetic": arithmetic,
    "arithmetic_choice": arithmetic_choice,
    "arithmetic_one_kind": arithmetic_one_kind,
    "arithmetic_rare": arithmetic_rare,
    "linear_equations": linear_equations,
    "lookup": lookup,
    **BENCHMARKS,
}
