"""Values of a row: texts, numbers that are written as text, and the errors about them."""

from __future__ import annotations

import math

from ccpo_env.verifiers.extract import extract_boxed

WORKED_MARK = "#### "
"""Mark before the gold answer at the end of a worked solution, as in GSM8K."""
MAX_SHOWN_CHARS = 80
"""Characters of a value that an error shows."""


class NotATaskError(ValueError):
    """A row that is not a task.

    Args:
        rule: What the row must do, such as "have a finite number as 'answer'".
        value: The value that breaks the rule.
    """

    def __init__(self, rule: str, value: object) -> None:
        super().__init__(rule)
        self.rule = rule
        self.value = value


def as_text(value: object, column: str) -> str:
    """Return a text or number as text; tables often hold whole numbers as floats: 27.0 is "27".

    Raises:
        NotATaskError: If the value is neither a text nor a finite number.
    """
    if type(value) is str:
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise NotATaskError(f"have a text or number as {column!r}", value)
    if isinstance(value, float) and not math.isfinite(value):
        raise NotATaskError(f"have a finite number as {column!r}", value)
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if is_whole else value)


def gold_answer(text: str, *, is_worked: bool = False) -> str:
    """Return the final answer of a worked solution; other text is the answer itself.

    Args:
        text: The column's content; the answer follows the last WORKED_MARK.
        is_worked: Whether the text is a solution whose last box holds the answer.
    """
    if WORKED_MARK in text:
        return text.rpartition(WORKED_MARK)[2].strip().replace(",", "")
    return (extract_boxed(text) or "") if is_worked else text


def shown(value: object) -> str:
    """Return the repr of a value, shortened to MAX_SHOWN_CHARS."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[: MAX_SHOWN_CHARS - 3]}..."
