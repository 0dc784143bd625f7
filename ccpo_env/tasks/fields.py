"""From a row to a task: the columns of each field, and what they may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ccpo_env.prompts import LETTERS
from ccpo_env.tasks.options import LETTER_COLUMNS, OPTION_COLUMNS, Options
from ccpo_env.tasks.passages import CONTEXT_COLUMNS, further_answers, passages
from ccpo_env.tasks.programs import (
    ENTRY_COLUMN,
    PROGRAM_COLUMNS,
    SETUP_COLUMNS,
    SOLUTION_COLUMNS,
    test_program,
)
from ccpo_env.tasks.tags import TAG_COLUMNS, tags_of
from ccpo_env.tasks.unchecked import unchecked_task
from ccpo_env.tasks.values import WORKED_MARK, NotATaskError, as_text, gold_answer
from ccpo_env.types import Task

ID_COLUMNS = ("id", "unique_id")
"""Columns that may hold the id of a row; without one, its number is its id."""
QUESTION_COLUMNS = ("question", "problem", "query")
ANSWER_COLUMNS = ("answer", "final_answer", "solution")
"""Columns that may hold the question and the gold answer; the first one that is not null counts."""
FURTHER_COLUMNS = ("answers", "answer_aliases", "aliases")
"""Columns that may hold several gold answers."""
OWN_COLUMNS = tuple(LETTERS)
"""Columns that hold one option each, in rows without a column for all of them."""
ALL_COLUMNS = frozenset(
    (
        *(*ID_COLUMNS, *QUESTION_COLUMNS, *ANSWER_COLUMNS, *FURTHER_COLUMNS, *OWN_COLUMNS),
        *(*OPTION_COLUMNS, *LETTER_COLUMNS, *CONTEXT_COLUMNS, *PROGRAM_COLUMNS, *SOLUTION_COLUMNS),
        *(*TAG_COLUMNS, *SETUP_COLUMNS, ENTRY_COLUMN),
    )
)
"""Every column that is read; others are ignored."""
GOLD_COLUMNS = frozenset((*ANSWER_COLUMNS, *FURTHER_COLUMNS, *LETTER_COLUMNS, *PROGRAM_COLUMNS))
"""Columns one of which a row must have, beside one of QUESTION_COLUMNS."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of a row that may hold each field, in the order in which they count."""

    id: tuple[str, ...]
    question: tuple[str, ...]
    answer: tuple[str, ...]
    further: tuple[str, ...]
    options: tuple[str, ...]
    own: tuple[str, ...]
    letter: tuple[str, ...]
    context: tuple[str, ...]
    program: tuple[str, ...]
    tags: tuple[str, ...]
    first_question: str
    first_answer: str
    are_plain: bool


@lru_cache(maxsize=1024)
def _columns_of(names: tuple[str, ...]) -> _Columns:
    """Return the columns of rows with these names.

    Rows are plain if they have no columns but those of a question, a gold answer, an id and tags.
    """

    def present(columns: Sequence[str]) -> tuple[str, ...]:
        return tuple(column for column in columns if column in names)

    own = present(OWN_COLUMNS)
    own = own if own[:2] == OWN_COLUMNS[:2] else ()
    others = (*FURTHER_COLUMNS, *OPTION_COLUMNS, *CONTEXT_COLUMNS, *PROGRAM_COLUMNS)
    return _Columns(
        id=present(ID_COLUMNS),
        question=present(QUESTION_COLUMNS),
        answer=present(ANSWER_COLUMNS),
        further=present(FURTHER_COLUMNS),
        options=present(OPTION_COLUMNS),
        own=own,
        letter=present(LETTER_COLUMNS),
        context=present(CONTEXT_COLUMNS),
        program=present(PROGRAM_COLUMNS),
        tags=present(TAG_COLUMNS),
        first_question=next(iter(present(QUESTION_COLUMNS)), ""),
        first_answer=next(iter(present(ANSWER_COLUMNS)), ""),
        are_plain=not own and not present(others),
    )


def task_of(row: Mapping[str, object], number: int, prefix: str, source: str) -> Task:
    """Return the task of one row.

    Args:
        row: Column names and values; see docs/tasks.md. Null is the same as no column.
        number: Its number, from 0: its id if it has none.
        prefix: What its id begins with, before a slash.
        source: Origin of the task.

    Raises:
        NotATaskError: If a column that is needed is missing or holds something else.
    """
    columns = _columns_of(tuple(row))
    question = row.get(columns.first_question)
    if type(question) is not str:
        _, question = _text(row, columns.question, QUESTION_COLUMNS)
    if not question or question.isspace():
        raise NotATaskError("have a question that is not empty", question)
    own_id: object = number
    for column in columns.id:
        if (value := row[column]) is not None and value != "":
            own_id = value
            break
    task_id = f"{prefix}/{own_id}"
    tags = tags_of(row, columns.tags) if columns.tags else ()
    if columns.are_plain:
        answer = row.get(columns.first_answer)
        if type(answer) is not str or columns.first_answer == "solution" or WORKED_MARK in answer:
            answer = _answer(row, columns)
        return unchecked_task(task_id, question, answer, source, tags)
    tests = test_program(row, columns.program)
    choices: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    if tests:
        answer = _solution(row)
    elif options := _options(row, columns):
        choices = options.texts
        answer, answers = _letters(row, columns, options)
    else:
        golds = further_answers(row, columns.further)
        is_single = any(row[column] is not None for column in columns.answer) or not golds
        answer = _answer(row, columns) if is_single else golds[0]
        answers = tuple(gold for gold in golds if gold != answer)
    context = passages(row, columns.context)
    return unchecked_task(task_id, question, answer, source, tags, choices, context, answers, tests)


def _text(
    row: Mapping[str, object], columns: tuple[str, ...], names: tuple[str, ...]
) -> tuple[str, str]:
    """Return the first of the columns that is not null, and its text.

    Args:
        row: The row.
        columns: Those of the names that it has.
        names: Names of the columns that may hold the text.

    Raises:
        NotATaskError: If none does, or the first that is not null holds something else.
    """
    for column in columns:
        if (value := row[column]) is not None:
            return column, value if type(value) is str else as_text(value, column)
    if columns:
        raise NotATaskError(f"have a text or number as {columns[0]!r}", None)
    *others, last = map(repr, names)
    raise NotATaskError(
        f"have a text or number as {', '.join(others)} or {last} among its columns", list(row)
    )


def _answer(row: Mapping[str, object], columns: _Columns) -> str:
    column, text = _text(row, columns.answer, ANSWER_COLUMNS)
    return gold_answer(text, is_worked=column == "solution")


def _solution(row: Mapping[str, object]) -> str:
    """Return a program that passes the tests, as it is written; empty if the row has none."""
    for column in SOLUTION_COLUMNS:
        if isinstance(text := row.get(column), str):
            return text
    return ""


def _options(row: Mapping[str, object], columns: _Columns) -> Options | None:
    for column in columns.options:
        if (value := row[column]) is not None:
            return Options(value, column)
    values = [row[column] for column in columns.own]
    return Options(values, "A, B, ...") if any(value is not None for value in values) else None


def _letters(
    row: Mapping[str, object], columns: _Columns, options: Options
) -> tuple[str, tuple[str, ...]]:
    """Return the letter of the gold answer and those of further ones.

    Raises:
        NotATaskError: If no column names one option, or two columns name different ones.
    """
    if not columns.further and len(columns.letter) + len(columns.answer) == 1:
        [column] = columns.letter or columns.answer
        if row[column] is not None:
            return options.letter_of(row[column], column), ()
    letters: dict[str, str] = {}
    error: NotATaskError | None = None
    for column in (*columns.letter, *columns.answer):
        if row[column] is not None:
            try:
                letters[column] = options.letter_of(row[column], column)
            except NotATaskError as found:
                error = error or found
    further = tuple(
        options.letter_of(gold, "answers") for gold in further_answers(row, columns.further)
    )
    if not letters and error is None and further:
        return further[0], further[1:]
    if not letters:
        raise error or _without_letter(row, (*columns.answer, *columns.letter))
    if len({letter for letter in letters.values() if letter}) > 1:
        raise NotATaskError("name the same option in all columns of the gold answer", letters)
    answer = next(iter(letters.values()))
    return answer, tuple(letter for letter in further if letter != answer)


def _without_letter(row: Mapping[str, object], columns: tuple[str, ...]) -> NotATaskError:
    """Return the error about a row whose columns of a gold answer are null, or that has none."""
    if columns:
        return NotATaskError(f"have a letter, index or option as {columns[0]!r}", None)
    rule = "have a letter, index or option as 'answer' or 'answer_idx' among its columns"
    return NotATaskError(rule, list(row))
