"""The tests of a row with a programming problem, as one program."""

from __future__ import annotations

from collections.abc import Mapping

from ccpo_env.tasks.values import NotATaskError

PROGRAM_COLUMNS = ("tests", "test_list", "test")
"""Columns that may hold the tests; `test` only beside ENTRY_COLUMN."""
ENTRY_COLUMN = "entry_point"
"""Column with the name of the function that the tests call."""
SETUP_COLUMNS = ("test_setup_code", "test_imports")
"""Columns with what the tests need: a program, or a list of imports."""
SOLUTION_COLUMNS = ("answer", "canonical_solution", "code", "solution")
"""Columns that may hold a program that passes the tests."""


def test_program(row: Mapping[str, object], columns: tuple[str, ...]) -> str:
    """Return the program that tests an answer; empty for a row without tests.

    A program that defines `check(candidate)`, as HumanEval's do, is called with the entry point.

    Args:
        row: The row. Tests are a program, or a list of statements.
        columns: Those of PROGRAM_COLUMNS that it has.

    Raises:
        NotATaskError: If the tests have another form, or the entry point is no name.
    """
    entry = row.get(ENTRY_COLUMN)
    for column in columns:
        if row[column] is None or (column == "test" and entry is None):
            continue
        body = _program(row[column], column)
        if not body.strip():
            return ""
        setup = "".join(f"{_program(row[c], c)}\n" for c in SETUP_COLUMNS if row.get(c))
        if entry is None or "def check(" not in body:
            return f"{setup}{body}"
        if not (isinstance(entry, str) and entry.isidentifier()):
            raise NotATaskError(f"have the name of a function as {ENTRY_COLUMN!r}", entry)
        call = f"check({entry})"
        return f"{setup}{body}" if call in body else f"{setup}{body.rstrip()}\n\n{call}\n"
    return ""


def _program(value: object, column: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    raise NotATaskError(f"have a program or a list of statements as {column!r}", value)
