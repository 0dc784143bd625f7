"""Compare expressions by value: exactly if rational, else to 45 digits at several points."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Set
from fractions import Fraction
from typing import Any

from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable, free_symbols
from ccpo_env.verifiers.math.values.branches import (
    domain_points,
    has_branches,
    is_in_domain,
    may_have_kinks,
)
from ccpo_env.verifiers.math.values.numeric import (
    DIGITS,
    LOG_BASE,
    VARIANT,
    constants,
    context,
    evaluate,
    exact_value,
)
from ccpo_env.verifiers.math.values.whole_numbers import (
    ON_WHOLES,
    are_over_integers,
    same_at_integers,
    same_at_wholes,
)

TOLERANCE = Fraction(1, 10**45)
"""Relative tolerance of the comparison of two values."""

# Start, base and modulus of the steps from it, and denominator: large primes, so that no answer is
# zero there by chance. The steps are powers modulo a prime: in even steps, x + z would be 2y. The
# second point is near 1, where even a high power does not hide what is added to it.
_POINTS = ((1327, 419, 997, 709), (10039, 67, 211, 10007), (1493, 389, 953, -523))
# Expressions with steps or kinks are compared at large numbers as well, and on both sides of each
# constant in the text: floor(p/8) and floor(p/9) are both 0 near 0. Arguments of floors are mostly
# whole numbers, where more expressions agree.
_STEPS = frozenset({"abs", "floor", "ceil", "max", "min"})
_WHOLE_STEPS = _STEPS - {"abs", "max", "min"}
_WHOLE_STARTS = (97, 1013, 104729)
_SHIFTS = (Fraction(5, 13), Fraction(-4, 11))
_WHOLE_SHIFTS = (Fraction(0), Fraction(1), Fraction(-1), Fraction(2))
_MAX_CONSTANTS = 12
_MAX_ORDERS = 4
_LARGE = 10**15
_MAX_DIGITS = 3000
_MIN_REAL_POINTS = 3
_MAX_DOMAIN_POINTS = 32


def same_value(first: Node, second: Node) -> bool | None:
    """Return whether two expressions are equal, or None if undecided.

    Symbols stand for real numbers with the same values on both sides, and for complex ones if a
    conjugate is taken. Where one expression has no real value, they may differ: see `branches`. A
    logarithm without a base may be natural or decimal.
    """
    names = free_symbols(first, second)
    if names and (first.has_any(ON_WHOLES) or second.has_any(ON_WHOLES)):
        return same_at_wholes(first, second, sorted(names))
    if are_over_integers(first, second) and (equal := same_at_integers(first, second)) is not None:
        return equal
    if not names:
        try:
            return exact_value(first) == exact_value(second)
        except Unreadable:
            pass
    imaginary = {"j"} if names == {"j"} and "i" in first.symbols() | second.symbols() else set()
    turn = 1 + context().j / 3 if first.has("conj") or second.has("conj") else 1
    bases = (None, 10) if first.has("log") or second.has("log") else (None,)
    equal = False
    for base in bases:
        places = points(names - imaginary, imaginary, base)
        for place in places if turn != 1 else ():
            place.update({name: place[name] * turn for name in names - imaginary})
        verdict = _same_at(places, first, second)
        if verdict:
            return _agrees_closely(first, second, imaginary, base)
        equal = None if verdict is None else equal
    return equal


def _same_at(places: list[dict[str, Any]], first: Node, second: Node) -> bool | None:
    has_domain = has_branches(first, second) and "i" not in first.symbols() | second.symbols()
    verdicts = [_agree_at(first, second, place) for place in places]
    if not has_domain and None in verdicts:
        return None
    if any(_differ(first, second, place) for place in step_points(first, second)):
        return False
    if has_domain and (verdicts.count(True) < len(verdicts) or may_have_kinks(first, second)):
        equal = _same_in_domain(first, second, places)
        if equal is not None:
            return equal
    if all(verdict is True for verdict in verdicts):
        return True
    is_branchless = first.has("abs") or second.has("abs")
    decisive = verdicts if is_branchless else verdicts[: max(1, len(verdicts) - 1)]
    return False if False in decisive else None


def _agrees_closely(
    first: Node, second: Node, imaginary: Set[str], base: int | None
) -> bool | None:
    """Return whether values agree not only because they are large: 2^{2008}-x and 2^{2008}-y.

    None for values with more digits than are computed.
    """
    names = free_symbols(first, second) - imaginary
    place = points(names, imaginary, base)[0]
    try:
        size = abs(evaluate(first, place))
        if size < _LARGE:
            return True
        num_digits = DIGITS + int(context().log10(size))
        if num_digits > _MAX_DIGITS:
            return None
        with context().workdps(num_digits):
            place = points(names, imaginary, base)[0]
            distance = abs(evaluate(first, place) - evaluate(second, place))
            return bool(distance < TOLERANCE.numerator / context().mpf(TOLERANCE.denominator))
    except (Unreadable, ArithmeticError, ValueError):
        return True


def _agree_at(first: Node, second: Node, point: dict[str, Any]) -> bool | None:
    try:
        return values_agree(evaluate(first, point), evaluate(second, point))
    except (Unreadable, ArithmeticError, ValueError):
        return None


def _same_in_domain(first: Node, second: Node, places: list[dict[str, Any]]) -> bool | None:
    """Compare two expressions where both are real; None if that is hardly anywhere."""
    names = free_symbols(first, second)
    fixed = {name: value for name, value in places[0].items() if name not in names}
    num_equal = 0
    near = itertools.islice(domain_points(first, second, fixed), _MAX_DOMAIN_POINTS)
    for point in (*places[: len(places) - 1], *near):
        try:
            are_real = is_in_domain(first, point) and is_in_domain(second, point)
        except (Unreadable, ArithmeticError, ValueError):
            continue
        equal = _agree_at(first, second, point) if are_real else None
        if equal is False:
            return False
        num_equal += equal is True
    return True if num_equal >= _MIN_REAL_POINTS else None


def _differ(first: Node, second: Node, point: dict[str, Any]) -> bool:
    """Return whether two expressions have real values at a point that differ."""
    try:
        values = evaluate(first, point), evaluate(second, point)
    except (Unreadable, ArithmeticError, ValueError):
        return False
    return not any(isinstance(value, context().mpc) for value in values) and (
        values_agree(*values) is False
    )


def step_points(*trees: Node) -> Iterator[dict[str, Any]]:
    """Yield the points where expressions with steps or kinks may differ; none for others."""
    names = sorted(free_symbols(*trees))
    if not names or not any(tree.has_any(_STEPS) for tree in trees):
        return
    numbers, fixed = context(), points(frozenset())[0]
    is_whole = any(tree.has_any(_WHOLE_STEPS) for tree in trees)
    sizes = {abs(size) for tree in trees for size in tree.numbers()}
    starts = [*_WHOLE_STARTS, 0, *sorted(map(math.floor, sizes))[:_MAX_CONSTANTS]]
    for start in starts:
        for shift in _WHOLE_SHIFTS if is_whole else _SHIFTS:
            values = [start + shift * (1 + index) for index in range(len(names))]
            for order in _orders(values):
                yield fixed | {
                    name: numbers.mpf(value.numerator) / value.denominator
                    for name, value in zip(names, order, strict=True)
                }


def _orders(values: list[Fraction]) -> Iterator[list[Fraction]]:
    """Yield values so that each comes first once, with equal, opposite and alternating signs."""
    for index in range(min(len(values), _MAX_ORDERS)):
        order = values[index:] + values[:index]
        yield order
        yield [-value for value in order]
        if len(order) > 1:
            yield [value * (-1) ** place for place, value in enumerate(order)]


def real_value(tree: Node) -> Any:
    """Return the value of a real number, for comparisons by `order`.

    Raises:
        Unreadable: If it has symbols, has no value, or is not real.
    """
    if free_symbols(tree):
        raise Unreadable
    try:
        value = evaluate(tree, constants())
    except (ArithmeticError, ValueError) as error:
        raise Unreadable from error
    if isinstance(value, context().mpc):
        if abs(value.imag) > abs(value.real) / 10**50:
            raise Unreadable
        value = value.real
    if not context().isfinite(value):
        raise Unreadable
    return value


def has_value(tree: Node) -> bool:
    """Return whether an expression has a value: 0/0 and values beyond the bounds have none."""
    try:
        evaluate(tree, points(free_symbols(tree))[0])
    except (Unreadable, ArithmeticError, ValueError):
        return False
    return True


def are_close(a: Any, b: Any) -> bool:
    """Return whether two real values, which may be infinite, are equal up to rounding."""
    return bool(a == b) or values_agree(a, b) is True


def points(
    names: frozenset[str], imaginary: Set[str] = frozenset(), base: int | None = None
) -> list[dict[str, Any]]:
    """Return values for all symbols; one point if there are none."""
    numbers = context()
    fixed = constants() | {name: numbers.j for name in imaginary}
    if base is not None:
        fixed[LOG_BASE] = numbers.mpf(base)
    return [
        fixed
        | {VARIANT: numbers.mpf(start) / abs(bottom)}
        | {
            name: numbers.mpf(start + pow(base_of_steps, index, modulus)) / bottom
            for index, name in enumerate(sorted(names))
        }
        for start, base_of_steps, modulus, bottom in _POINTS[: len(_POINTS) if names else 1]
    ]


def values_agree(a: Any, b: Any) -> bool | None:
    """Return whether two values agree; None for two that are almost zero."""
    numbers = context()
    if not (numbers.isfinite(a) and numbers.isfinite(b)):
        return None
    distance, size = abs(a - b), max(abs(a), abs(b))
    if distance <= size * TOLERANCE.numerator / TOLERANCE.denominator:
        return True
    is_rounding = distance <= numbers.mpf(TOLERANCE.numerator) / TOLERANCE.denominator
    return None if is_rounding else False
