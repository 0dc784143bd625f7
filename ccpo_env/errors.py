"""Error types and messages: the rule, the value that broke it, and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TaskFileError(ValueError):
    """A task file that cannot be read as tasks; the message names the file and the line."""


def unknown_name(thing: str, name: object, known: Iterable[str]) -> ValueError:
    """Return a ValueError that offers the nearest known name, or lists all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    remedy = f"did you mean {close[0]!r}?" if close else "choose one of them"
    return ValueError(f"{thing} must be one of {', '.join(names)}, got {name!r}; {remedy}")
