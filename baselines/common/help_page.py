"""The help of a command: its flags in titled sections, in plain text."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import MISSING
from typing import Any

from baselines.common.flags import OWN_SECTION, Flag

INDENT, MAX_WIDTH = 26, 100
"""Column where texts begin, and the widest line."""
HELP, HELP_ALL = "--help", "--help-all"


def help_page(
    prog: str, description: str, flags: Sequence[Flag], *, first: Collection[str], is_all: bool
) -> str:
    """Return the help.

    Args:
        prog: The command, such as "ccpo train".
        description: What it does.
        flags: All flags.
        first: Keys of the flags that the short help shows; none: it shows all.
        is_all: Whether all are to be shown.
    """
    is_short = bool(first) and not is_all
    shown = [flag for flag in flags if flag.key in first] if is_short else flags
    words = [f"{flag.key.upper()} ..." for flag in flags if flag.is_positional]
    lines = [f"usage: {' '.join([prog, *words, '[flags]'])}", "", *_wrapped(description, "")]
    for section in dict.fromkeys(flag.section for flag in shown):
        lines += ["", f"{section}:"]
        lines += [line for f in shown if f.section == section for line in _entry(f)]
    rest = f"Show all {len(flags)} flags." if is_short else "Show this help."
    if not any(flag.section == OWN_SECTION for flag in shown) or is_short:
        lines += ["", "help:"]
    lines += _column(f"-h, {HELP}", "Show the flags that most runs need." if first else rest)
    if first:
        lines += _column(HELP_ALL, f"Show all {len(flags)} flags.")
    return "\n".join(lines)


def _entry(flag: Flag) -> list[str]:
    name = flag.key if flag.is_positional else flag.name
    return _column(f"{name} {flag.metavar}".rstrip(), flag.text + _notes(flag))


def _notes(flag: Flag) -> str:
    notes = []
    if flag.choices:
        notes.append(f"choices: {', '.join(flag.choices)}")
    if flag.default is MISSING:
        notes.append("required")
    elif flag.default is not False and flag.default not in (None, (), {}):
        notes.append(f"default: {_shown(flag.default)}")
    return f" ({'; '.join(notes)})" if notes else ""


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return " ".join(map(str, default))
    if isinstance(default, dict):
        return " ".join(f"{name} {value}" for name, value in default.items())
    return "on" if default is True else str(default)


def _column(left: str, text: str) -> list[str]:
    lines = _wrapped(text, " " * INDENT)
    left = f"  {left}"
    if len(left) + 2 > INDENT:
        return [left, *lines]
    return [left.ljust(INDENT) + lines[0].lstrip(), *lines[1:]]


def _wrapped(text: str, indent: str) -> list[str]:
    width = max(min(shutil.get_terminal_size().columns, MAX_WIDTH), INDENT + 30)
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [indent]
