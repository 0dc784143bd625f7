"""The flags of a command line, read off the fields of a dataclass.

A field's name is the flag, its annotation says what words it takes, its default is the default,
and the docstring below it is the help. The class that declares a field is its section of the help.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from baselines.common.checks import flag_of
from ccpo_env.errors import unknown_name

NUMBERS: Mapping[type, tuple[str, str]] = {int: ("a whole number", "1"), float: ("a number", "0.1")}
"""What a flag of each type takes, and an example."""

Config = TypeVar("Config")


@dataclass(frozen=True, slots=True)
class Choices:
    """Annotates a text, or texts, with the names that the help lists."""

    names: Iterable[str]


@dataclass(frozen=True, slots=True)
class Alone:
    """Annotates a field whose flag may be given without a word; what it then means."""

    value: str | None


@dataclass(frozen=True, slots=True)
class Positional:
    """Annotates a field whose words stand on the command line without a flag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One flag.

    Args:
        key: Name of the field; of a field of a nested dataclass, both names with a dot.
        section: Title of its part of the help.
        kind: Type of one value, without None.
        holder: Tuple or dict if it takes any number of words, else None.
        is_optional: Whether the value may be None.
        default: The default, or MISSING if the flag must be given.
        text: What the help says.
        choices: The names that it takes, or () for anything.
        alone: What it means without a word; None if it must have one.
        is_positional: Whether its words stand without a flag.
    """

    key: str
    section: str
    kind: Any
    holder: type | None
    is_optional: bool
    default: Any
    text: str
    choices: tuple[str, ...]
    alone: str | None
    is_positional: bool

    @property
    def name(self) -> str:
        """As on the command line, such as --group-size."""
        return flag_of(self.key)

    @property
    def is_switch(self) -> bool:
        """Whether it takes no word: --bf16 turns it on, --no-bf16 off."""
        return self.kind is bool

    @property
    def metavar(self) -> str:
        """What stands for its words in the help."""
        if self.is_positional:
            return self.key.upper()
        if self.holder is dict:
            return "NAME VALUE"
        word = {int: "INT", float: "FLOAT", Path: "PATH"}.get(self.kind, "TEXT")
        return "NAME" if self.choices else word

    @property
    def example(self) -> str:
        """What an error says to do."""
        if self.choices:
            return f"choose one of {', '.join(self.choices)}"
        word = NUMBERS[self.kind][1] if self.kind in NUMBERS else self.metavar.split()[-1]
        if self.holder is dict:
            return f"pass {self.name} NAME {word}"
        is_shown = isinstance(self.default, int | float)
        return f"pass e.g. {self.name} {self.default if is_shown else word}"

    def read(self, words: Any) -> Any:
        """Return the value of a switch, of a word or of a list of words.

        Raises:
            ValueError: If they are not of the flag's type, or a name has no value.
        """
        if self.holder is tuple:
            return tuple(map(self._value, words))
        if self.holder is None:
            return None if self.is_optional and words == "None" else self._value(words)
        if len(words) % 2:
            raise ValueError(
                f"{self.name} must have a value after each name, got {' '.join(words)!r}; "
                f"{self.example}"
            )
        names = words[::2]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} of {self.name} must be given once; drop one of its values")
        return dict(zip(names, map(self._value, words[1::2]), strict=True))

    def _value(self, word: Any) -> Any:
        if get_origin(self.kind) is Literal:
            if word not in self.choices:
                raise unknown_name(self.name, word, self.choices)
            return word
        try:
            return self.kind(word)
        except ValueError:
            what = NUMBERS[self.kind][0]
            raise ValueError(f"{self.name} must be {what}, got {word!r}; {self.example}") from None


def flags_of(kind: type[Any]) -> list[Flag]:
    """Return the flags of a dataclass and of the dataclasses among its fields, in their order."""
    return _flags(kind, prefix="", defaults=None)


def build(kind: type[Config], given: Mapping[str, Any]) -> Config:
    """Return the dataclass with the values of flags that were given, by key; the rest by default.

    Raises:
        ValueError: If a flag that has no default was not given.
    """
    own = {key: value for key, value in given.items() if "." not in key}
    for field in fields(kind):  # type: ignore[arg-type]  # a dataclass, which no bound can say
        nested = {
            key.partition(".")[2]: value
            for key, value in given.items()
            if key.startswith(f"{field.name}.")
        }
        if nested:
            own[field.name] = replace(_default(field), **nested)
    for flag in flags_of(kind):
        if flag.default is MISSING and flag.key not in own:
            name, remedy = (
                (flag.key, f"pass {_first_sentence(flag.text)}")
                if flag.is_positional
                else (flag.name, flag.example)
            )
            raise ValueError(f"{name} must be given, got nothing; {remedy}")
    return kind(**own)


def _first_sentence(text: str) -> str:
    """Return the first sentence of a help text as a part of another one."""
    first = text.split(". ")[0].removesuffix(".")
    return first[:1].lower() + first[1:]


def _flags(kind: type[Any], *, prefix: str, defaults: object) -> list[Flag]:
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for field in fields(kind):
        owner = next(c for c in kind.__mro__ if field.name in inspect.get_annotations(c))
        default = _default(field) if defaults is None else getattr(defaults, field.name)
        hint, *annotated = _parts(hints[field.name], Annotated)
        if isinstance(hint, type) and is_dataclass(hint):
            found += _flags(hint, prefix=f"{prefix}{field.name}.", defaults=default)
            continue
        plain, *none = _parts(hint, Union, UnionType)
        holder = get_origin(plain) if get_origin(plain) in (tuple, dict) else None
        notes = {type(note): note for note in annotated}
        literals = Choices(get_args(plain) if get_origin(plain) is Literal else ())
        flag = Flag(
            key=prefix + field.name,
            section=prefix.replace(".", ": ") + ("flags" if owner is kind else _title(owner)),
            kind=get_args(plain)[holder is dict] if holder else plain,
            holder=holder,
            is_optional=bool(none),
            default=default,
            text=_docstrings(owner)[field.name],
            choices=tuple(notes.get(Choices, literals).names),
            alone=notes.get(Alone, Alone(None)).value,
            is_positional=Positional in notes,
        )
        found.append(flag)
    return found


def _parts(hint: Any, *origins: Any) -> tuple[Any, ...]:
    """Return what an annotation of one of the origins is made of; else the annotation."""
    return get_args(hint) if get_origin(hint) in origins else (hint,)


def _default(field: Any) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _title(kind: type[Any]) -> str:
    text = inspect.cleandoc(kind.__doc__ or "").partition("\n")[0].rstrip(".")
    return text[:1].lower() + text[1:]


@cache
def _docstrings(kind: type[Any]) -> Mapping[str, str]:
    """Return the text below each field of a class, in one line."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    return {
        ast.unparse(node.target): " ".join(ast.literal_eval(below.value).split())
        for node, below in pairwise(ast.iter_child_nodes(tree))
        if isinstance(node, ast.AnnAssign) and isinstance(below, ast.Expr)
    }
