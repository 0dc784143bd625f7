"""Evaluate expressions: exactly if they are rational, else to 60 digits."""

from __future__ import annotations

import math
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable

DIGITS = 60
"""Precision of computed values, in digits."""
MAX_BITS = 10**9
"""Largest magnitude of a value, as a power of two."""
MAX_EXACT_POWER = 2500
"""Largest exponent, and largest factorial, that is computed exactly."""
_ROUNDING = 1e-45
LOG_BASE = "log"
"""Key of a point that holds the base of logarithms written without one."""

VARIANT = "variant"
"""Key of a point that holds the variant of unknown functions there: f(3) is not one number."""

_INVERSES = {
    **{"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot"},
    **{"arsinh": "asinh", "arcosh": "acosh", "artanh": "atanh"},
}
_ON_WHOLES: Mapping[str, Callable[..., int]] = {
    "!": math.factorial,
    "!!": lambda size: math.prod(range(size, 0, -2)),
    "binom": math.comb,
    "gcd": math.gcd,
    "lcm": math.lcm,
}
_local = threading.local()


def context() -> Any:
    """Return this thread's arithmetic: mpmath changes the precision of a context in place."""
    if not hasattr(_local, "context"):
        try:
            from mpmath import MPContext  # type: ignore[attr-defined]
        except ImportError as error:
            raise Unreadable from error  # without math-verify's mpmath all is undecided
        _local.context = MPContext()  # type: ignore[no-untyped-call]
        _local.context.dps = DIGITS
    return _local.context


@contextmanager
def in_floats() -> Iterator[None]:
    """Evaluate to the 16 digits of a float, some ten times as fast."""
    from mpmath import fp

    usual = context()
    _local.context = fp
    try:
        yield
    finally:
        _local.context = usual


def constants() -> dict[str, Any]:
    """Return the values of the constants by symbol."""
    numbers = context()
    return {
        r"\pi": +numbers.pi,
        "e": +numbers.e,
        "i": numbers.j,
        LOG_BASE: +numbers.e,
        VARIANT: numbers.one,
    }


def exact_value(tree: Node) -> Fraction:
    """Return the value of a rational number, or raise Unreadable."""
    if tree.name == "number":
        return tree.value
    if tree.name in ("+", "*", "/", "^"):
        return _exact_pair(tree.name, exact_value(tree.args[0]), exact_value(tree.args[1]))
    if tree.name in ("neg", "abs", "floor", "ceil"):
        value = exact_value(tree.args[0])
        if tree.name in ("neg", "abs"):
            return -value if tree.name == "neg" else abs(value)
        return Fraction(math.floor(value) if tree.name == "floor" else math.ceil(value))
    if tree.name in ("max", "min"):
        return (max if tree.name == "max" else min)(map(exact_value, tree.args))
    if tree.name in _ON_WHOLES:
        return Fraction(_ON_WHOLES[tree.name](*(_whole(exact_value(arg)) for arg in tree.args)))
    raise Unreadable


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


def evaluate(tree: Node, point: Mapping[str, Any]) -> Any:
    """Return the value of a tree at a point, which maps each symbol to a value.

    Raises:
        Unreadable: If it has no value, or its value exceeds the bounds.
        ArithmeticError, ValueError: From mpmath, where a function has no value.
    """
    if tree.name == "number":
        return context().mpf(tree.value.numerator) / tree.value.denominator
    if tree.name == "symbol":
        return point[tree.symbol]
    args = [evaluate(arg, point) for arg in tree.args]
    if tree.name == "^" and (degree := _odd_degree(tree.args[1])) > 1:
        return _power(_root(args[0], context().mpf(degree)), args[1] * degree)
    if tree.name == "call":
        return _unknown(tree.symbol, args[0], point[VARIANT])
    return _function(tree.name, args[0], point) if len(args) == 1 else _pair(tree.name, *args)


def _pair(name: str, a: Any, b: Any) -> Any:
    if name == "+":
        return a + b
    if name == "*":
        return a * b
    if name == "/":
        return a / b
    if name == "binom":
        _require_small(a, b)
        return context().binomial(a, b)
    if name in ("max", "min"):
        if any(isinstance(value, context().mpc) for value in (a, b)):
            raise Unreadable
        return max(a, b) if name == "max" else min(a, b)
    if name in ("^", "root"):
        return _root(a, b) if name == "root" else _power(a, b)
    raise Unreadable


def _odd_degree(exponent: Node) -> int:
    """Return the denominator of an exponent if it is odd: x^{1/3} is real for negative x."""
    try:
        denominator = exact_value(exponent).denominator
    except Unreadable:
        return 1
    return denominator if denominator % 2 else 1


def _root(value: Any, degree: Any) -> Any:
    """Return the principal root, or the real one of a negative number and an odd degree."""
    numbers = context()
    value = value.real if isinstance(value, numbers.mpc) and value.imag == 0 else value
    is_real = isinstance(value, numbers.mpf) and isinstance(degree, numbers.mpf)
    if value == 0 and is_real and degree > 0:
        return value
    if is_real and value < 0 and degree % 2 == 1:
        return -_power(-value, 1 / degree)
    return _power(value, 1 / degree)


def _power(base: Any, exponent: Any) -> Any:
    numbers = context()
    if abs(base) < numbers.mpf(10) ** (5 - DIGITS):
        raise Unreadable  # zero up to rounding
    if abs(numbers.ln(abs(base))) * abs(exponent) > MAX_BITS or abs(exponent) > MAX_BITS:
        raise Unreadable
    if numbers.isint(exponent) and not isinstance(exponent, numbers.mpc):
        return base ** int(exponent)
    return base**exponent


def _function(name: str, value: Any, point: Mapping[str, Any]) -> Any:
    numbers = context()
    if name in ("neg", "abs"):
        return -value if name == "neg" else abs(value)
    if abs(value) > MAX_BITS:
        raise Unreadable
    if name == "deg":
        return value * point[r"\pi"] / 180
    if name == "!":
        _require_small(value)
        return numbers.gamma(value + 1)
    if name == "conj":
        return numbers.conj(value)
    if name == "cis":
        return numbers.exp(numbers.j * value)
    if name == "log":
        return numbers.ln(value) / numbers.ln(point[LOG_BASE])
    if name == "!!":
        _require_small(value)
        return numbers.fac2(value)
    if name in ("floor", "ceil") and abs(value - numbers.nint(value)) < _ROUNDING:
        return numbers.nint(value)  # a whole number up to rounding, as in floor(log_2 8)
    return getattr(numbers, _INVERSES.get(name, name))(value)


def _require_small(*values: Any) -> None:
    if any(abs(value) > MAX_EXACT_POWER for value in values):
        raise Unreadable


def _unknown(name: str, value: Any, variant: Any) -> Any:
    """Return the value of an unknown function: a different smooth function for each name."""
    numbers = context()
    if abs(value) > MAX_BITS:
        raise Unreadable
    shift = numbers.mpf(zlib.crc32(name.encode())) / 2**30 + variant
    return numbers.cos(value / shift) + value * shift + value**2 / 3
