"""Read a command line into a dataclass with argparse: one function for every command."""

from __future__ import annotations

import argparse
import difflib
import inspect
import shutil
import sys
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING
from functools import partial
from typing import Any, Protocol, TypeVar

from baselines.common.errors import exit_on_bad_input
from baselines.common.flags import Flag, build, flags_of

INDENT, MAX_WIDTH = 26, 100
"""Column where the texts of the help begin, and its widest line."""
HELP_ALL = "--help-all"


class Checked(Protocol):
    """Settings of a command."""

    def check(self) -> None:
        """Raise ValueError if a value cannot be used."""
        ...


Config = TypeVar("Config", bound=Checked)
Given = Mapping[str, Any]
"""Values of the flags that a command line holds, by key; those of nested settings have a dot."""


def parse(
    kind: type[Config],
    arguments: Sequence[str] | None,
    prog: str,
    *,
    description: str | None = None,
    first: Collection[str] = (),
    settle: Callable[[Given], Config] | None = None,
) -> Config:
    """Return the checked settings of a command.

    Prints one line and exits with code 2 if they cannot be used, and with 0 after --help.

    Args:
        kind: A dataclass; see `baselines.common.flags`.
        arguments: The command line. None: that of the program.
        prog: The command, such as "ccpo train".
        description: What the help says first. None: the class's docstring.
        first: Keys of the flags that --help shows; --help-all shows the others as well. None
            given: both show all.
        settle: Makes the settings of the flags that were given. None: the others have their
            defaults.
    """
    words = sys.argv[1:] if arguments is None else arguments
    text = description or inspect.cleandoc(kind.__doc__ or "")
    with exit_on_bad_input():
        given = read_words(words, flags_of(kind), prog, description=text, first=first)
        return checked((settle or partial(build, kind))(given))


def checked(config: Config) -> Config:
    """Return the settings if their check finds nothing.

    Raises:
        ValueError: What the check finds.
    """
    config.check()
    return config


def read_words(
    words: Sequence[str],
    flags: Sequence[Flag],
    prog: str,
    *,
    description: str = "",
    first: Collection[str] = (),
) -> dict[str, Any]:
    """Return the values of the flags that a command line holds, by key; print the help if asked.

    A word that begins with two hyphens is a flag; a value that does so follows an equals sign, as
    in --policy=--name. Of a flag that is given twice, the last one counts.

    Raises:
        ValueError: If a flag is unknown, or has words that it cannot read.
    """
    width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
    parser = _Parser(
        prog=prog,
        usage=" ".join([prog, *(f"{f.metavar} ..." for f in flags if f.is_positional), "[flags]"]),
        description=description,
        formatter_class=partial(_Formatter, max_help_position=INDENT, width=width),
        argument_default=argparse.SUPPRESS,
        add_help=False,
        allow_abbrev=False,
        exit_on_error=False,
    )
    _add_flags(parser, flags, {*first} if HELP_ALL not in words else set())
    _add_help(parser, len(flags), has_short=bool(first))
    try:
        given, loose = parser.parse_known_intermixed_args(words)
    except argparse.ArgumentError as error:
        flag = next(flag for flag in flags if flag.name == error.argument_name)
        raise ValueError(f"{flag.name} must have a value, got none; {flag.example}") from None
    if loose:
        raise ValueError(
            f"a word of {prog} must follow the flag that it belongs to, got {loose[0]!r}; see "
            f"{prog} --help"
        )
    return {flag.key: flag.read(vars(given)[flag.key]) for flag in flags if flag.key in given}


class _Parser(argparse.ArgumentParser):
    """Takes words with two hyphens for flags, spelled with hyphens or underscores."""

    def _parse_optional(self, arg_string: str) -> Any:
        """Find the flag of a word, or None for a value.

        Own code, for argparse takes -1e-5 for a flag, and unknown flags with a space for values.
        """
        if not arg_string.startswith("--"):
            return super()._parse_optional(arg_string) if arg_string == "-h" else None
        name, equals, value = arg_string.partition("=")
        name = name.replace("_", "-")
        known = self._option_string_actions
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"see {self.prog} {HELP_ALL}"
            raise ValueError(f"a flag of {self.prog} must be one that it has, got {name}; {remedy}")
        if equals and known[name].nargs == 0:
            remedy = f"pass {' or '.join(known[name].option_strings)}"
            raise ValueError(f"{name} must stand alone, got {value!r}; {remedy}")
        return super()._parse_optional(name + equals + value)


class _Formatter(argparse.HelpFormatter):
    """Breaks no name at its hyphens."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)


def _add_flags(parser: _Parser, flags: Sequence[Flag], first: Collection[str]) -> None:
    """Add each flag to its section; the help shows the first ones, or all if there are none."""
    groups = {f.section: parser.add_argument_group(f.section) for f in flags}
    for flag in flags:
        is_shown = not first or flag.key in first
        settings: dict[str, Any] = {"help": _help(flag) if is_shown else argparse.SUPPRESS}
        if flag.is_switch:
            settings |= {"action": argparse.BooleanOptionalAction}
        else:
            is_optional = flag.alone or flag.is_positional  # `build` tells which one is missing
            nargs = "*" if flag.holder else "?" if is_optional else None
            settings |= {"nargs": nargs, "const": flag.alone, "metavar": flag.metavar}
        if not flag.is_positional:
            settings |= {"dest": flag.key}
        groups[flag.section].add_argument(flag.key if flag.is_positional else flag.name, **settings)


def _add_help(parser: _Parser, num_flags: int, *, has_short: bool) -> None:
    short, full = "Show this help.", argparse.SUPPRESS
    if has_short:
        short, full = "Show the flags that most runs need.", f"Show all {num_flags} flags."
    group = parser.add_argument_group("help")
    group.add_argument("-h", "--help", action="help", help=short)
    group.add_argument(HELP_ALL, action="help", help=full)


def _help(flag: Flag) -> str:
    notes = [f"choices: {', '.join(flag.choices)}"] if flag.choices else []
    if flag.default is MISSING:
        notes.append("required")
    elif flag.default is not False and flag.default not in (None, (), {}):
        default = flag.default if isinstance(flag.default, tuple) else [flag.default]
        notes.append(f"default: {' '.join(map(str, default))}")
    return (flag.text + (f" ({'; '.join(notes)})" if notes else "")).replace("%", "%%")
