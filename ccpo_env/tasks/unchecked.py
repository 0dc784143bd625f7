"""Tasks whose fields are known to be of the right types, made in a third of the time."""

from __future__ import annotations

from typing import Any

from ccpo_env.tasks.tags import Tags
from ccpo_env.types import Task

_SLOTS: Any = Task  # a slot sets a field of a frozen task, which `Task()` does field by field
_set_id, _set_question = _SLOTS.id.__set__, _SLOTS.question.__set__
_set_answer, _set_source = _SLOTS.answer.__set__, _SLOTS.source.__set__
_set_tags, _set_choices = _SLOTS.tags.__set__, _SLOTS.choices.__set__
_set_context, _set_answers = _SLOTS.context.__set__, _SLOTS.answers.__set__
_set_tests = _SLOTS.tests.__set__


def unchecked_task(
    task_id: str,
    question: str,
    answer: str,
    source: str,
    tags: Tags,
    choices: tuple[str, ...] = (),
    context: tuple[str, ...] = (),
    answers: tuple[str, ...] = (),
    tests: str = "",
) -> Task:
    """Return a task without checking the types of its fields; otherwise the same as `Task()`."""
    task = object.__new__(Task)
    _set_id(task, task_id)
    _set_question(task, question)
    _set_answer(task, answer)
    _set_source(task, source)
    _set_tags(task, tags)
    _set_choices(task, choices)
    _set_context(task, context)
    _set_answers(task, answers)
    _set_tests(task, tests)
    return task
