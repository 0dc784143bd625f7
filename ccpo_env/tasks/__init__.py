"""Tasks by name, from a file or from rows, in disjoint train and test splits."""

from __future__ import annotations

from ccpo_env.tasks.loading import load_tasks, resolve_tasks
from ccpo_env.tasks.registry import TASK_SOURCES
from ccpo_env.tasks.shuffling import shuffle_choices

__all__ = ["TASK_SOURCES", "load_tasks", "resolve_tasks", "shuffle_choices"]
