"""Read JSON and UTF-8 strictly: another encoding, or a key that an object has twice, is named."""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
"""First bytes of files in other encodings; that of UTF-32 begins with that of UTF-16."""
_NUM_SEEN = 64
"""Number of bytes in which every second one is zero in UTF-16 without a mark."""


class RepeatedKeyError(ValueError):
    """An object has a key twice; the message names it.

    Args:
        key: The key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"a key must be there once, got {key!r} twice; remove one of them")
        self.key = key

    def within(self, place: str) -> str:
        """Return the message with the place of the object."""
        return f"a key must be there once, got {self.key!r} twice in {place}; remove one of them"


def other_encoding(data: bytes) -> str | None:
    """Return the name of the encoding of a file by its first bytes; None if it may be UTF-8."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    start = data[:_NUM_SEEN]
    halves = start[::2], start[1::2]
    is_wide = len(start) > 2 and any(half and not any(half) for half in halves) and any(start)
    return "UTF-16" if is_wide else None


def decoded(data: bytes) -> str:
    """Return the text of a file in UTF-8, with or without a byte order mark.

    Raises:
        ValueError: If it is in another encoding; the message names it.
    """
    name = other_encoding(data)
    if name is not None:
        raise ValueError(f"text must be UTF-8, got {name}; save the file as UTF-8")
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"text must be UTF-8, got byte 0x{data[error.start]:02x} in line {line}; save the file "
            f"as UTF-8"
        ) from None


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object from its keys and values, for the argument object_pairs_hook of `json`.

    Raises:
        RepeatedKeyError: If a key is there twice: which of the values counts is then not defined.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RepeatedKeyError(_twice([name for name, _ in pairs]))
    return found


def parse(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: If it is not JSON, nested too deep, or an object has a key twice.
    """
    try:
        return json.loads(text, object_pairs_hook=unique_keys)
    except RecursionError:
        raise ValueError("JSON must not be nested without end; correct the file") from None


def expect_unique(columns: Sequence[str], where: object) -> None:
    """Raise ValueError if a table has two columns of one name."""
    if len(set(columns)) < len(columns):
        raise ValueError(
            f"columns must have different names, got {_twice(columns)!r} twice in {where}; rename "
            f"or drop one of them"
        )


def _twice(names: Sequence[str]) -> str:
    """Return the first of the names that is there twice, as one must be."""
    counts = Counter(names)
    return next(name for name in names if counts[name] > 1)
