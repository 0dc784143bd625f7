"""The passages of a row, and its further gold answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccpo_env.tasks.values import NotATaskError, as_text

CONTEXT_COLUMNS = ("context", "contexts", "passage", "passages", "paragraphs")
"""Columns that may hold the passages."""
_TITLE = "title"
_TEXT_KEYS = ("text", "paragraph_text", "sentences", "contexts", "passage", "content")


def passages(row: Mapping[str, object], columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the passages of a row; those without text are left out.

    Args:
        row: The row. A passage is a text, a list of a title and sentences, or a mapping with a
            title and a text or sentences; a column holds one or a list of them, or a mapping of
            lists of titles and texts, as in HotpotQA.
        columns: Those of CONTEXT_COLUMNS that it has.

    Raises:
        NotATaskError: If the first column that is not null holds something else.
    """
    for column in columns:
        value = row[column]
        if value is None:
            continue
        found = _all(value)
        if found is None:
            raise NotATaskError(
                f"have a text, a list of texts or titled passages as {column!r}", value
            )
        return tuple(text for text in found if text)
    return ()


def further_answers(row: Mapping[str, object], columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the different gold answers in columns that may hold several.

    Args:
        row: The row. A column holds a list of texts or numbers, a single one, or a mapping with
            the list "text", as in SQuAD.
        columns: The columns, all of which count.

    Raises:
        NotATaskError: If one holds something else.
    """
    golds: dict[str, None] = {}
    for column in columns:
        value: Any = row[column]
        if isinstance(value, Mapping):
            value = value.get("text")
        if value is None:
            continue
        for gold in value if isinstance(value, list | tuple) else [value]:
            text = as_text(gold, column)
            if text.strip():
                golds[text] = None
    return tuple(golds)


def _all(value: object) -> list[str] | None:
    if isinstance(value, str):
        return [value.strip()]
    if isinstance(value, Mapping):
        titles, texts = value.get(_TITLE), _text_of(value)
        if isinstance(titles, list | tuple) and isinstance(texts, list | tuple):
            if len(titles) != len(texts):
                return None
            return _each([list(pair) for pair in zip(titles, texts, strict=True)])
        if titles is None and isinstance(texts, list | tuple):
            return _each(texts)
        return _each([value])
    return _each(value) if isinstance(value, list | tuple) else None


def _each(values: list[Any] | tuple[Any, ...]) -> list[str] | None:
    found = [_passage(value) for value in values]
    return None if None in found else [text for text in found if text is not None]


def _passage(value: object) -> str | None:
    title: object = None
    if isinstance(value, Mapping):
        title, value = value.get(_TITLE), _text_of(value)
    elif isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], str):
        title, value = value
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        value = " ".join(part.strip() for part in value)
    if not isinstance(value, str):
        return None
    return f"{title}\n{value}".strip() if isinstance(title, str) else value.strip()


def _text_of(value: Mapping[str, object]) -> object:
    return next((value[key] for key in _TEXT_KEYS if key in value), None)
