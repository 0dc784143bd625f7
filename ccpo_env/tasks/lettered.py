"""Options that are lines of the question, as in the MedQA files of the reference implementation."""

from __future__ import annotations

import re
from dataclasses import replace

from ccpo_env.prompts import LETTERS
from ccpo_env.types import Task

_OPTION_LINE = re.compile(r"\s*([(\[]?)([A-Z])([).:\]])\s*(.*)", re.DOTALL)


def with_options_of_questions(tasks: list[Task]) -> list[Task]:
    """Return tasks whose options are taken out of the questions, if all have such options.

    Args:
        tasks: Those of one file. They stay as they are unless each of them has a question that
            ends with lettered options, and the letter of one of them as the gold answer.
    """
    found = []
    for task in tasks:
        own = _with_options(task)
        if own is None:
            return tasks
        found.append(own)
    return found


def _with_options(task: Task) -> Task | None:
    if len(task.answer) != 1 or task.choices or task.tests:
        return None
    parts = options_in_question(task.question)
    if parts is None or task.answer not in LETTERS[: len(parts[1])]:
        return None
    return replace(task, question=parts[0], choices=parts[1])


def options_in_question(question: str) -> tuple[str, tuple[str, ...]] | None:
    r"""Return a question without the lettered lines at its end, and their texts; None without any.

    The options are the last run of lines that begin with A, B, C, ... and the same mark, as in
    "A. yes" or "(A) yes". A line without the next letter continues the option before it; lines of
    nothing but quotation marks are left out.

    Args:
        question: A question with its options, such as "Is it?\nA. yes\nB. no".
    """
    lines = [line for line in question.split("\n") if line.strip().strip("\"'”") or not line]
    marks = [_OPTION_LINE.fullmatch(line.strip()) for line in lines]
    for first in reversed(range(len(lines))):
        start = marks[first]
        if start and start[2] == LETTERS[0]:
            texts = _texts(lines[first:], marks[first:], start)
            stem = "\n".join(lines[:first]).strip()
            if stem and len(texts) > 1 and all(texts):
                return stem, texts
    return None


def _texts(
    lines: list[str], marks: list[re.Match[str] | None], start: re.Match[str]
) -> tuple[str, ...]:
    """Return the texts of the options on some lines, the first of which is A."""
    options: list[list[str]] = []
    for line, mark in zip(lines, marks, strict=True):
        expected = LETTERS[len(options) : len(options) + 1]
        if mark and (mark[1], mark[2], mark[3]) == (start[1], expected, start[3]):
            options.append([mark[4]])
        else:
            options[-1].append(line.strip())
    return tuple("\n".join(own).strip() for own in options)
