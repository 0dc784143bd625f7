"""What the tests hold of a program: its functions by name, and objects that stay with it."""

from __future__ import annotations

import collections.abc
from types import FunctionType
from typing import NoReturn

from ccpo_env.verifiers.code.sandbox.wire import Json

Call = collections.abc.Callable[
    [Json, collections.abc.Sequence[object], collections.abc.Mapping[str, object]], object
]
"""Calls a function of the program: its reference, arguments and named arguments."""


class NotSent(Exception):
    """An argument that is no plain value, such as a method of an answer."""


class OfTests(NotSent):
    """A function of the tests themselves as an argument: no program is right or wrong by it."""


class Function:
    """A function of the program, by the name that the tests give it."""

    def __init__(self, call: Call, name: str) -> None:
        self._call = call
        self.target: Json = {"name": name}
        self.__name__ = name

    def __call__(self, *arguments: object, **named: object) -> object:
        """Call it there and return its value."""
        return self._call(self.target, arguments, named)


def _decide(*_: object) -> NoReturn:
    raise TypeError("an object of the program must not decide a test")


class Object:
    """An object of the program that is no plain value.

    Its attributes are read there. It is neither true nor false, equals nothing, differs from
    nothing and has no text, so that no assertion about the object itself holds.
    """

    __slots__ = ("_call", "target")
    __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _decide
    __str__ = __repr__ = __format__ = __bytes__ = __dir__ = __sizeof__ = _decide
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, call: Call, number: int) -> None:
        self._call = call
        self.target: Json = {"object": number}

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._call({"attribute": name}, [self], {})


class Callable(Object):
    """An object of the program that can be called, such as a method."""

    __slots__ = ()

    def __call__(self, *arguments: object, **named: object) -> object:
        """Call it there and return its value."""
        return self._call(self.target, arguments, named)


def refer(value: object) -> Json:
    """Return what stands for a function or an object of the program.

    Raises:
        OfTests: If it is a function of the tests.
        NotSent: If it is anything else.
    """
    if isinstance(value, Function | Object):
        return value.target
    kind = OfTests if isinstance(value, FunctionType) else NotSent
    raise kind(f"tests must call with plain values, got {type(value).__name__}")
