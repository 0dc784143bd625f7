"""Compare expressions at whole numbers: letters under a floor, divisors, double factorials."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable, free_symbols, number, replaced
from ccpo_env.verifiers.math.values.branches import is_in_domain
from ccpo_env.verifiers.math.values.numeric import constants, context, evaluate, exact_value

ON_WHOLES = frozenset({"!!", "gcd", "lcm"})
"""Functions that have values at whole numbers only."""
MIN_PLACES = 12
"""Smallest number of places where two expressions must have a value."""

_INTEGERS = frozenset("jklmn")
_STEPS = frozenset({"floor", "ceil"})
_SMALL = range(-7, 26)
_POWERS = (32, 64, 81, 100, 125, 256, 1000, 1024, 10000, 104729, 2**20)
_MAX_CONSTANTS = 12
_MAX_SIZE = 10**9
_STRIDES = (1, 7, 11, 17, 23)
# Small ones first, where a factorial of a factorial can be computed; then with common divisors.
_PLACES = ((2, 3, 5, 4), (6, 11, 4, 9), (9, 5, 14, 2), (13, 8, 3, 7), (2, 17, 7, 12))
_WITH_DIVISORS = (
    *((12, 18, 30, 45), (18, 12, 8, 20), (9, 27, 6, 15), (50, 20, 75, 10)),
    *((6, 6, 6, 6), (36, 24, 60, 90), (1, 7, 1, 9), (4, 10, 25, 6)),
)


def are_over_integers(first: Node, second: Node) -> bool:
    """Return whether the letters of two expressions stand for integers.

    They do if both have a floor, a ceiling or a remainder, and no letters but j to n; one such
    side is enough if n is the only letter.
    """
    names = free_symbols(first, second)
    if not names or not names <= _INTEGERS:
        return False
    have_steps = [tree.has_any(_STEPS) for tree in (first, second)]
    return all(have_steps) or (any(have_steps) and names == {"n"})


def same_at_integers(first: Node, second: Node) -> bool | None:
    """Return whether two expressions agree at integers where both are real; None if undecided."""
    names = sorted(free_symbols(first, second))
    num_equal = 0
    for place in _places(len(names), first, second):
        equal = _agree_at(first, second, dict(zip(names, place, strict=True)))
        if equal is False:
            return False
        num_equal += equal is True
    return True if num_equal >= MIN_PLACES else None


def same_at_wholes(first: Node, second: Node, names: list[str]) -> bool | None:
    """Return whether expressions agree at whole numbers; None if undecided."""
    have_factorials = first.has("!!") or second.has("!!")
    try:
        for place in _PLACES if have_factorials else (*_PLACES, *_WITH_DIVISORS):
            numbers = dict(zip(names, map(number, place), strict=False))
            values = [exact_value(replaced(tree, numbers)) for tree in (first, second)]
            if values[0] != values[1]:
                return False
    except Unreadable:
        return None
    return True if len(names) <= len(_PLACES[0]) else None


def _places(num_names: int, *trees: Node) -> Iterator[tuple[int, ...]]:
    """Yield integers for all letters: small, large, and around the constants of the trees."""
    sizes = sorted({abs(size) for tree in trees for size in tree.numbers()})[-_MAX_CONSTANTS:]
    near = [math.floor(size) for size in sizes if size < _MAX_SIZE]
    near = sorted({multiple for size in near for multiple in (size, 2 * size)})
    starts = [start for start in (*_POWERS, *near) if start not in _SMALL]
    values = [*_SMALL, *(start + shift for start in starts for shift in (-1, 0, 1))]
    if num_names == 1:
        yield from ((value,) for value in values)
        return
    values = [value for value in values if value > 0]  # numbers of things
    for index, stride in itertools.product(range(len(values)), _STRIDES[: num_names + 1]):
        yield tuple(
            values[(index * (1 + turn) + stride * turn) % len(values)] for turn in range(num_names)
        )


def _agree_at(first: Node, second: Node, place: dict[str, int]) -> bool | None:
    """Compare two expressions at integers; None if one of them is not real there."""
    numbers = {name: number(value) for name, value in place.items()}
    try:
        return exact_value(replaced(first, numbers)) == exact_value(replaced(second, numbers))
    except Unreadable:
        pass
    point = constants() | {name: context().mpf(value) for name, value in place.items()}
    try:
        if not (is_in_domain(first, point) and is_in_domain(second, point)):
            return None
        values = [_real(evaluate(tree, point)) for tree in (first, second)]
    except (Unreadable, ArithmeticError, ValueError, TypeError):
        return None
    distance, size = abs(values[0] - values[1]), max(1, *map(abs, values))
    return bool(distance < size * context().mpf(10) ** -45)


def _real(value: Any) -> Any:
    if isinstance(value, context().mpc):
        if value.imag != 0:
            raise Unreadable
        value = value.real
    if not context().isfinite(value):
        raise Unreadable
    return value
