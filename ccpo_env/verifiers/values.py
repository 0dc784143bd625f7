"""Compare expressions by value: exactly if they are rational, else to 50 digits at some points."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ccpo_env.verifiers.expression import Node, Unreadable

DIGITS = 60
"""Digits to which a value is computed,"""
TOLERANCE = Fraction(1, 10**45)
"""and the fraction of their size up to which two values must agree."""
MAX_BITS = 10**9
"""Largest magnitude of a value, as a power of two."""
MAX_EXACT_POWER = 2500
"""Largest exponent, and largest factorial, that is computed exactly."""
CONSTANTS = frozenset({r"\pi", "e", "i"})

_POINTS = ((13, 4, 7), (29, 10, 11), (-17, -6, 5))  # start, step per symbol, and denominator
_local = threading.local()


def same_value(first: Node, second: Node) -> bool | None:
    """Return whether two expressions are equal, or None if that was not decided.

    Symbols are taken for real numbers and get the same values on both sides. A difference at
    one of the positive points decides; one at a negative point only may be a choice of branch.
    """
    names = free_symbols(first, second)
    try:
        if not names:
            exact = _exact(first), _exact(second)
            return exact[0] == exact[1]
    except Unreadable:
        pass
    imaginary = {"j"} if names == {"j"} and "i" in first.symbols() | second.symbols() else set()
    try:
        verdicts = [
            _agree(_value(first, point), _value(second, point))
            for point in _points(names - imaginary, imaginary)
        ]
    except (Unreadable, ArithmeticError, ValueError):
        return None
    if all(verdict is True for verdict in verdicts):
        return True
    return False if False in verdicts[: max(1, len(verdicts) - 1)] else None


def same_equation(first: tuple[Node, Node], second: tuple[Node, Node]) -> bool | None:
    """Return whether one equation is a multiple of the other, or None if that decides nothing.

    It decides for polynomials in several symbols, up to repeated factors, and for equations in
    different symbols.
    """
    if free_symbols(*first) != free_symbols(*second):
        are_labelled = first[0].name == second[0].name == "symbol"
        return None if are_labelled else False  # V = 24 and A = 24
    names = free_symbols(*first, *second)
    try:
        ratios = []
        for point in _points(names, set()):
            a = _value(first[0], point) - _value(first[1], point)
            b = _value(second[0], point) - _value(second[1], point)
            if _is_small(a, first, point) or _is_small(b, second, point):
                return None
            ratios.append(a / b)
    except (Unreadable, ArithmeticError, ValueError):
        return None
    is_multiple = names and all(_agree(ratios[0], ratio) for ratio in ratios[1:])
    if is_multiple:
        return True
    are_polynomials = all(_is_polynomial(tree) for tree in (*first, *second))
    return False if are_polynomials and len(names) > 1 else None


def _is_polynomial(tree: Node) -> bool:
    if not tree.symbols():
        return True
    if tree.name in ("/", "^"):
        return _is_polynomial(tree.args[0]) and not tree.args[1].symbols()
    return tree.name in ("+", "*", "neg", "symbol") and all(map(_is_polynomial, tree.args))


def _is_small(difference: Any, sides: tuple[Node, Node], point: Mapping[str, Any]) -> bool:
    size = sum(abs(_value(side, point)) for side in sides)
    return bool(abs(difference) <= size / 10**20)


def free_symbols(*trees: Node) -> frozenset[str]:
    """Return the names of all symbols but the constants."""
    return frozenset().union(*(tree.symbols() for tree in trees)) - CONSTANTS


def _points(names: frozenset[str], imaginary: set[str]) -> list[dict[str, Any]]:
    """Return values for all symbols; one point if there are none."""
    context = _context()
    fixed = {r"\pi": +context.pi, "e": +context.e, "i": context.j}
    fixed |= {name: context.j for name in imaginary}
    return [
        fixed
        | {
            name: context.mpf(start + step * index) / bottom
            for index, name in enumerate(sorted(names))
        }
        for start, step, bottom in _POINTS[: len(_POINTS) if names else 1]
    ]


def _agree(a: Any, b: Any) -> bool | None:
    """Return whether two values agree; None for two that are zero, or almost."""
    if not (_context().isfinite(a) and _context().isfinite(b)):
        return None
    distance, size = abs(a - b), max(abs(a), abs(b))
    if size == 0:
        return None
    if distance <= size * TOLERANCE.numerator / TOLERANCE.denominator:
        return True
    is_rounding = distance <= _context().mpf(TOLERANCE.numerator) / TOLERANCE.denominator
    return None if is_rounding else False


def _context() -> Any:
    """Return this thread's arithmetic: mpmath changes the precision of a context in place."""
    if not hasattr(_local, "context"):
        try:
            from mpmath import MPContext  # type: ignore[attr-defined]
        except ImportError as error:
            raise Unreadable from error  # math-verify brings it; without it nothing is decided
        _local.context = MPContext()  # type: ignore[no-untyped-call]
        _local.context.dps = DIGITS
    return _local.context


def _exact(tree: Node) -> Fraction:
    """Return the value of a rational number, or raise Unreadable."""
    if tree.name == "number":
        return tree.value
    if tree.name not in ("+", "*", "/", "neg", "^", "!", "binom"):
        raise Unreadable
    args = [_exact(arg) for arg in tree.args]
    if tree.name == "neg":
        return -args[0]
    if tree.name in ("!", "binom"):
        sizes = [_whole(arg) for arg in args]
        return Fraction(math.comb(*sizes) if tree.name == "binom" else math.factorial(sizes[0]))
    return _exact_pair(tree.name, *args)


def _exact_pair(name: str, a: Fraction, b: Fraction) -> Fraction:
    if name == "+":
        return a + b
    if name == "*":
        return a * b
    if name == "/":
        if b == 0:
            raise Unreadable
        return a / b
    size = max(a.numerator.bit_length(), a.denominator.bit_length())
    is_huge = abs(b) > MAX_EXACT_POWER or size * abs(b) > 10 * MAX_EXACT_POWER
    if b.denominator != 1 or is_huge or (a == 0 and b <= 0):
        raise Unreadable
    return Fraction(a ** int(b))


def _whole(value: Fraction) -> int:
    if value.denominator != 1 or not 0 <= value <= MAX_EXACT_POWER:
        raise Unreadable
    return int(value)


def _value(tree: Node, point: Mapping[str, Any]) -> Any:
    """Return the value of a tree where each symbol has the value of the point."""
    context = _context()
    if tree.name == "number":
        return context.mpf(tree.value.numerator) / tree.value.denominator
    if tree.name == "symbol":
        return point[tree.symbol]
    if tree.name in ("!", "binom"):
        return context.mpf(_exact(tree).numerator)
    args = [_value(arg, point) for arg in tree.args]
    if tree.name == "neg":
        return -args[0]
    if len(args) == 1:
        return _function(tree.name, args[0])
    a, b = args
    if tree.name == "+":
        return a + b
    if tree.name == "*":
        return a * b
    if tree.name == "/":
        return a / b
    return _root(a, b) if tree.name == "root" else _power(a, b)


def _root(value: Any, degree: Any) -> Any:
    """Return the principal root, or the real one of a negative number and an odd degree."""
    context = _context()
    value = value.real if isinstance(value, context.mpc) and value.imag == 0 else value
    is_real = isinstance(value, context.mpf) and isinstance(degree, context.mpf)
    if is_real and value < 0 and degree % 2 == 1:
        return -_power(-value, 1 / degree)
    return _power(value, 1 / degree)


def _power(base: Any, exponent: Any) -> Any:
    context = _context()
    if abs(base) < context.mpf(10) ** (5 - DIGITS):
        raise Unreadable  # zero, or what rounding left of it
    if abs(context.ln(abs(base))) * abs(exponent) > MAX_BITS or abs(exponent) > MAX_BITS:
        raise Unreadable
    if context.isint(exponent) and not isinstance(exponent, context.mpc):
        return base ** int(exponent)
    return base**exponent


def _function(name: str, value: Any) -> Any:
    context = _context()
    if abs(value) > MAX_BITS:
        raise Unreadable
    functions = {"arcsin": "asin", "arccos": "acos", "arctan": "atan"}
    return getattr(context, functions.get(name, name))(value)
