"""The flags of a command line, read off the fields of a dataclass.

A field's name is the flag, its annotation says what words it takes, its default is the default,
and the docstring below it is the help. The class that declares a field is its section of the help.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ccpo_env.errors import unknown_name

OWN_SECTION = "flags"
"""Title of the fields that the class of a command declares itself."""
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

    value: str


@dataclass(frozen=True, slots=True)
class Positional:
    """Annotates a field whose words stand on the command line without a flag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One flag.

    Args:
        key: Name of the field; of a field of a nested dataclass, both names with a dot.
        section: Title of its part of the help.
        kind: Type of the value, without None.
        is_optional: Whether the value may be None.
        default: The default, or MISSING if the flag must be given.
        text: What the help says.
        notes: What the annotation adds: Choices, Alone, Positional.
    """

    key: str
    section: str
    kind: Any
    is_optional: bool
    default: Any
    text: str
    notes: tuple[object, ...]

    @property
    def name(self) -> str:
        """As on the command line, such as --group-size."""
        return f"--{self.key.replace('_', '-')}"

    @property
    def is_switch(self) -> bool:
        """Whether it takes no word: --bf16 turns it on, --no-bf16 off."""
        return self.kind is bool

    @property
    def is_list(self) -> bool:
        """Whether it takes any number of words."""
        return get_origin(self.kind) in (tuple, dict)

    @property
    def is_positional(self) -> bool:
        """Whether its words stand without a flag."""
        return any(isinstance(note, Positional) for note in self.notes)

    @property
    def alone(self) -> str | None:
        """What it means without a word; None if it must have one."""
        return next((note.value for note in self.notes if isinstance(note, Alone)), None)

    @property
    def choices(self) -> tuple[str, ...]:
        """The names that it takes, or () for anything."""
        if get_origin(self.kind) is Literal:
            return get_args(self.kind)
        return next((tuple(n.names) for n in self.notes if isinstance(n, Choices)), ())

    @property
    def metavar(self) -> str:
        """What stands for its words in the help."""
        if self.is_switch:
            return ""
        if get_origin(self.kind) is dict:
            return "NAME VALUE ..."
        element = get_args(self.kind)[0] if self.is_list else self.kind
        word = {int: "INT", float: "FLOAT", Path: "PATH"}.get(element, "TEXT")
        word = "NAME" if self.choices else word
        word = f"[{word}]" if self.alone is not None else word
        return f"{word} ..." if self.is_list else word

    def read(self, words: Sequence[str]) -> Any:
        """Return the value that words on the command line stand for.

        Raises:
            ValueError: If they are not of the flag's type, or there are too few of them.
        """
        origin = get_origin(self.kind)
        if origin is tuple:
            return tuple(self._value(get_args(self.kind)[0], word) for word in words)
        if origin is dict:
            return self._pairs(words)
        if not words and self.alone is not None:
            return self.alone
        if not words:
            raise ValueError(f"{self.name} must have a value, got none; {self._example()}")
        if self.is_optional and words[0] == "None":
            return None
        return self._value(self.kind, words[0])

    def _pairs(self, words: Sequence[str]) -> dict[str, Any]:
        if len(words) % 2:
            raise ValueError(
                f"{self.name} must have a value after each name, got {' '.join(words)!r}; "
                f"{self._example()}"
            )
        kind = get_args(self.kind)[1]
        pairs = zip(words[::2], words[1::2], strict=True)
        return {name: self._value(kind, word) for name, word in pairs}

    def _value(self, kind: Any, word: str) -> Any:
        if get_origin(kind) is Literal:
            if word not in get_args(kind):
                raise unknown_name(self.name, word, get_args(kind))
            return word
        try:
            return kind(word)
        except ValueError:
            what, _ = NUMBERS[kind]
            raise ValueError(
                f"{self.name} must be {what}, got {word!r}; {self._example()}"
            ) from None

    def _example(self) -> str:
        if get_origin(self.kind) is dict:
            number = NUMBERS.get(get_args(self.kind)[1], ("", "VALUE"))[1]
            return f"pass {self.name} NAME {number}"
        if self.choices:
            return f"choose one of {', '.join(self.choices)}"
        element = get_args(self.kind)[0] if self.is_list else self.kind
        word = NUMBERS[element][1] if element in NUMBERS else self.metavar
        is_shown = isinstance(self.default, int | float)
        return f"pass e.g. {self.name} {self.default if is_shown else word}"


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
            name = flag.key if flag.is_positional else flag.name
            raise ValueError(f"{name} must be given, got nothing; {flag.text.partition('.')[0]}")
    return kind(**own)


def _flags(kind: type[Any], *, prefix: str, defaults: object) -> list[Flag]:
    hints = get_type_hints(kind, include_extras=True)
    texts: dict[str, str] = {}
    for base in filter(is_dataclass, reversed(kind.__mro__)):
        texts |= _docstrings(base)
    found = []
    for field in fields(kind):
        owner = _owner(kind, field.name)
        default = _default(field) if defaults is None else getattr(defaults, field.name)
        own, *notes = _annotation(hints[field.name])
        if isinstance(own, type) and is_dataclass(own):
            found += _flags(own, prefix=f"{prefix}{field.name}.", defaults=default)
            continue
        plain, is_optional = _without_none(own)
        flag = Flag(
            key=prefix + field.name,
            section=prefix.replace(".", ": ") + (OWN_SECTION if owner is kind else _title(owner)),
            kind=plain,
            is_optional=is_optional,
            default=default,
            text=texts.get(field.name, ""),
            notes=tuple(notes),
        )
        found.append(flag)
    return found


def _annotation(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) is Annotated else (hint,)


def _without_none(kind: Any) -> tuple[Any, bool]:
    if get_origin(kind) not in (Union, UnionType):
        return kind, False
    (plain,) = (part for part in get_args(kind) if part is not NoneType)
    return plain, True


def _default(field: Any) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _owner(kind: type[Any], name: str) -> type[Any]:
    return next(base for base in kind.__mro__ if name in inspect.get_annotations(base))


def _title(kind: type[Any]) -> str:
    text = inspect.cleandoc(kind.__doc__ or "").partition("\n")[0].rstrip(".")
    return text[:1].lower() + text[1:]


def _docstrings(kind: type[Any]) -> Mapping[str, str]:
    """Return the text below each field of a class, in one line."""
    texts = {}
    for node, below in pairwise(_classes(kind.__module__)[kind.__name__].body):
        if isinstance(node, ast.AnnAssign) and isinstance(below, ast.Expr):
            text = ast.literal_eval(below.value)
            texts[ast.unparse(node.target)] = " ".join(text.split())
    return texts


@cache
def _classes(module: str) -> Mapping[str, ast.ClassDef]:
    """Return the classes of a module by name, parsed."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
