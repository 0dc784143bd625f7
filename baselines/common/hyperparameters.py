"""Hyperparameters, declared by keyword-only parameters, from which they are parsed and checked.

    def my_credit(outcomes, *, weight: Annotated[float, Range(0.0)] = 0.2) -> FloatArray:

declares the hyperparameter `weight`, a number >= 0 with the default 0.2, described by its entry in
the docstring. A hyperparameter is a number, a bool, a string or a choice (Literal), each also "or
None"; a keyword-only parameter of another type, such as an array, is an input. The fields of a
keyword-only dataclass declare hyperparameters in the same way.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    ParamSpec,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from ccpo_env.errors import unknown_name

Value: TypeAlias = float | bool | str | None
"""Value of a hyperparameter."""

P = ParamSpec("P")
T = TypeVar("T")

KINDS: Mapping[type, tuple[str, type]] = {
    bool: ("true or false", bool),
    int: ("a whole number", Integral),
    float: ("a number", Real),
    str: ("a text", str),
}
"""Declared types, each with its description and the abstract type of its values."""
SWITCHES = {"true": True, "false": False}
ARGUMENTS = re.compile(r"^Args:\n((?: .*\n|\n)*)", re.MULTILINE)
ARGUMENT = re.compile(r"^ {4}(\w+): ", re.MULTILINE)
END_OF_SENTENCE = re.compile(r"\.(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Range:
    """The range of a number, for its annotation. No range includes inf or NaN.

    Args:
        low: Smallest value.
        high: Largest value.
        open_low: Whether low itself is excluded.
        open_high: Whether high itself is excluded.
    """

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        """Return whether a number lies in the range."""
        is_excluded = (self.open_low and value == self.low) or (
            self.open_high and value == self.high
        )
        return self.low <= value <= self.high and math.isfinite(value) and not is_excluded

    def __str__(self) -> str:
        """Return the range in words, such as ">= 0" or "in [0, 1)"; "finite" if unbounded."""
        if self.high < math.inf:
            left, right = "[("[self.open_low], "])"[self.open_high]
            return f"in {left}{self.low:g}, {self.high:g}{right}"
        if self.low == -math.inf:
            return "finite"
        return f"{'>' if self.open_low else '>='} {self.low:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameter:
    """A declared hyperparameter.

    Args:
        name: Name of the parameter.
        default: Its default.
        kind: float, int, bool or str.
        range: Allowed range of a number.
        choices: Allowed strings; empty: any.
        optional: Whether None is allowed.
        meaning: First sentence of its entry in the docstring, without the full stop.
    """

    name: str
    default: Value
    kind: type
    range: Range = Range()
    choices: tuple[str, ...] = ()
    optional: bool = False
    meaning: str = ""

    @property
    def values(self) -> str:
        """Its allowed values, in words."""
        words = ", ".join(self.choices) or KINDS[self.kind][0]
        bounds = f" {self.range}" if self.range != Range() else ""
        return f"{words}{bounds}{' or none' if self.optional else ''}"

    @property
    def default_text(self) -> str:
        """The default as text that `read` parses."""
        return self.default if isinstance(self.default, str) else str(self.default).lower()

    def read(self, text: str) -> Value:
        """Parse a value from text, such as a command-line argument.

        Args:
            text: A number, "true" or "false", a choice, or "none" if None is allowed.

        Raises:
            ValueError: If the text is not a valid value.
        """
        value = self._parsed(text)
        self.check(value)
        return value

    def check(self, value: object) -> None:
        """Raise ValueError unless a value is of the right type, and in the range or a choice."""
        if value is None and self.optional:
            return
        words, wanted = KINDS[self.kind]
        if self.choices:
            if not isinstance(value, str) or value not in self.choices:
                raise unknown_name(self.name, value, self.choices)
        elif not isinstance(value, wanted) or (isinstance(value, bool) and self.kind is not bool):
            raise self._error(f"be {words}", value)
        elif isinstance(value, Real) and float(value) not in self.range:
            verb = "lie" if self.range.high < math.inf else "be"
            finite = " and finite" if math.isinf(value) else ""
            raise self._error(f"{verb} {self.range}{finite}", value)

    def _parsed(self, text: str) -> Value:
        """Return the parsed value, or the text itself if it cannot be parsed."""
        if self.optional and text.lower() == "none":
            return None
        if self.kind is bool:
            return SWITCHES.get(text.lower(), text)
        try:
            parsed: Value = self.kind(text)
        except ValueError:
            return text
        return parsed

    def _error(self, rule: str, value: object) -> ValueError:
        return ValueError(
            f"{self.name} must {rule}, got {value!r}; leave it out for the default, "
            f"{self.default_text}"
        )


@cache
def declared(source: Callable[..., object]) -> Mapping[str, Hyperparameter]:
    """Return the hyperparameters that a function, or a dataclass, declares, by name."""
    hints = get_type_hints(source, include_extras=True)
    meanings = _meanings(inspect.getdoc(source) or "")
    found = {}
    for parameter in inspect.signature(source).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            name = parameter.name
            form = _form(hints.get(name))
            if form is not None:
                default, meaning = parameter.default, meanings.get(name, "")
                found[name] = Hyperparameter(name=name, default=default, meaning=meaning, **form)
    return found


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function so that calls check the hyperparameters it declares."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        hyperparameters = declared(function)
        for name, value in kwargs.items():
            if name in hyperparameters:
                hyperparameters[name].check(value)
        return function(*args, **kwargs)

    return call


def check_fields(instance: object) -> None:
    """Raise ValueError unless the fields of a dataclass have valid values."""
    source: Callable[..., object] = type(instance)
    for name, hyperparameter in declared(source).items():
        hyperparameter.check(getattr(instance, name))


def read_hyperparameters(
    owner: str, available: Mapping[str, Hyperparameter], texts: Mapping[str, str]
) -> dict[str, Value]:
    """Parse hyperparameters from text, such as command-line arguments.

    Args:
        owner: What they belong to, for the message, such as "allocator 'counterfactual'".
        available: Hyperparameters of the owner, by name.
        texts: Text by name.

    Raises:
        ValueError: If a name is unknown or a text is not a valid value.
    """
    _expect_available(owner, available, texts)
    return {name: available[name].read(text) for name, text in texts.items()}


def check_values(
    owner: str, available: Mapping[str, Hyperparameter], values: Mapping[str, object]
) -> None:
    """Raise ValueError if a name is unknown or a value is not valid; see `read_hyperparameters`."""
    _expect_available(owner, available, values)
    for name, value in values.items():
        available[name].check(value)


def _expect_available(owner: str, available: Iterable[str], names: Iterable[str]) -> None:
    known = tuple(available)
    for name in names:
        if name not in known:
            raise unknown_name("hyperparameter", name, known, of=owner)


def _form(hint: Any) -> dict[str, Any] | None:
    """Return type, range and choices from an annotation; None if it declares no hyperparameter."""
    form: dict[str, Any] = {}
    if get_origin(hint) is Annotated:
        hint, *extras = get_args(hint)
        form["range"] = next((extra for extra in extras if isinstance(extra, Range)), Range())
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [option for option in options if option is not NoneType]
    if len(kinds) != 1:
        return None
    (kind,) = kinds
    if get_origin(kind) is Literal:
        kind, form["choices"] = str, get_args(kind)
    return {"kind": kind, "optional": len(options) > 1, **form} if kind in KINDS else None


def _meanings(docstring: str) -> dict[str, str]:
    """Return the first sentence of each entry under Args."""
    section = ARGUMENTS.search(f"{docstring}\n")
    _, *parts = ARGUMENT.split(section[1]) if section else [""]
    texts = (" ".join(text.split()) for text in parts[1::2])
    return dict(zip(parts[::2], (END_OF_SENTENCE.split(text)[0] for text in texts), strict=True))
