"""The tags of a row: what groups tasks in reports."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

TAGS: Mapping[str, tuple[str, ...]] = {
    "level": ("level", "difficulty"),
    "subject": ("subject", "type", "category"),
    "split": ("split",),
}
"""Columns that may hold each tag; a row without any of them lacks the tag."""
OTHER_TAGS = "tags"
"""Column that may hold further tags: a mapping of names to values."""
TAG_COLUMNS = (*chain.from_iterable(TAGS.values()), OTHER_TAGS)
MAX_KEPT = 4096
"""Different combinations of tags that are held once for all tasks."""

Tags = tuple[tuple[str, str], ...]
_kept: dict[tuple[object, ...], Tags] = {}


def tags_of(row: Mapping[str, object], columns: tuple[str, ...]) -> Tags:
    """Return the tags of a row; a value that is neither text nor a whole number is ignored.

    MATH writes a level as "Level 5" or as 5: both are "5".

    Args:
        row: The row.
        columns: Those of TAG_COLUMNS that it has.
    """
    values = tuple(map(row.__getitem__, columns))
    key = (columns, values, *map(type, values))
    try:
        found = _kept.get(key)
    except TypeError:  # a list or a mapping
        return _tags(row)
    if found is None:
        found = _tags(row)
        if len(_kept) < MAX_KEPT:
            _kept[key] = found
    return found


def _tags(row: Mapping[str, object]) -> Tags:
    tags = {}
    for name, columns in TAGS.items():
        value = next((row[c] for c in columns if row.get(c) is not None), None)
        tags[name] = _tag(name, value)
    others = row.get(OTHER_TAGS)
    if isinstance(others, Mapping):
        for name, value in others.items():
            if isinstance(name, str):
                tags[name] = tags.get(name) or _tag(name, value)
    return tuple((name, text) for name, text in tags.items() if text)


def _tag(name: str, value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip().removeprefix(f"{name.capitalize()} ")
