"""Error types and messages: the rule, the value that broke it, and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TaskFileError(ValueError):
    """A task file that cannot be read as tasks; the message names the file and the line."""


def unknown_name(thing: str, name: object, known: Iterable[str], *, of: str = "") -> ValueError:
    """Return a ValueError for an unknown name, with the available names and the nearest one.

    Args:
        thing: What is named, such as "optimizer".
        name: The unknown name.
        known: The available names.
        of: Where it was given, or what it belongs to, such as "branch_rewards"; empty: nothing.
    """
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    owner = f" of {of}" if of else ""
    hint = f"; did you mean {close[0]!r}?" if close else ""
    available = ", ".join(names) or "none"
    return ValueError(f"unknown {thing} {name!r}{owner}; available: {available}{hint}")
