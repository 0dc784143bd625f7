"""Read a command line into a dataclass: one function for every command."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from baselines.common.errors import exit_on_bad_input
from baselines.common.flags import Flag, build, flags_of
from baselines.common.help_page import HELP, HELP_ALL, help_page


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
    flags = flags_of(kind)
    if {"-h", HELP, HELP_ALL} & {*words}:
        text = description or inspect.cleandoc(kind.__doc__ or "")
        print(help_page(prog, text, flags, first=first, is_all=HELP_ALL in words))
        sys.exit(0)
    with exit_on_bad_input():
        return checked((settle or partial(build, kind))(read_words(words, flags, prog)))


def checked(config: Config) -> Config:
    """Return the settings if their check finds nothing.

    Raises:
        ValueError: What the check finds.
    """
    config.check()
    return config


def read_words(words: Sequence[str], flags: Sequence[Flag], prog: str) -> dict[str, Any]:
    """Return the values of the flags that a command line holds, by key.

    A word that begins with two hyphens is a flag; a value that does so follows an equals sign, as
    in --policy=--name. Of a flag that is given twice, the last one counts.

    Raises:
        ValueError: If a flag is unknown, or has words that it cannot read.
    """
    given: dict[str, Any] = {}
    loose: list[str] = []
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if not word.startswith("--"):
            loose.append(word)
            continue
        name, has_value, value = word.partition("=")
        flag, is_on = _find(name, flags, prog)
        if flag.is_switch:
            _expect_alone(flag, value, has_value)
            given[flag.key] = is_on
        elif has_value:
            given[flag.key] = flag.read([value])
        else:
            taken = _taken(flag, words[place:])
            given[flag.key] = flag.read(taken)
            place += len(taken)
    return given | _positional(loose, flags, prog)


def _taken(flag: Flag, following: Sequence[str]) -> list[str]:
    """Return the words that belong to a flag, of those that follow it."""
    end = next((i for i, w in enumerate(following) if w.startswith("--")), len(following))
    if flag.is_list:
        return list(following[:end])
    if flag.alone is not None and following[:1] and following[0] not in flag.choices:
        return []
    return list(following[: min(end, 1)])


def _find(name: str, flags: Sequence[Flag], prog: str) -> tuple[Flag, bool]:
    """Return the flag of a name, and whether it is turned on."""
    name = name.replace("_", "-")
    on = {flag.name: flag for flag in flags if not flag.is_positional}
    off = {f"--no-{flag.name[2:]}": flag for flag in flags if flag.is_switch}
    if name not in on and name not in off:
        close = difflib.get_close_matches(name, [*on, *off], n=1)
        remedy = f"did you mean {close[0]}?" if close else f"see {prog} {HELP_ALL}"
        raise ValueError(f"a flag of {prog} must be one that it has, got {name}; {remedy}")
    return (on[name], True) if name in on else (off[name], False)


def _expect_alone(flag: Flag, value: str, has_value: str) -> None:
    if has_value:
        raise ValueError(
            f"{flag.name} must stand alone, got {value!r}; pass {flag.name} or --no-{flag.name[2:]}"
        )


def _positional(loose: Sequence[str], flags: Sequence[Flag], prog: str) -> dict[str, Any]:
    if not loose:
        return {}
    place = next((flag for flag in flags if flag.is_positional), None)
    if place is None:
        raise ValueError(
            f"a word of {prog} must follow the flag that it belongs to, got {loose[0]!r}; see "
            f"{prog} {HELP}"
        )
    return {place.key: place.read(loose)}
