"""Polynomials in one variable with rational coefficients, and their real roots."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from ccpo_env.verifiers.math.syntax.tree import Unreadable
from ccpo_env.verifiers.math.values.numeric import context

MAX_DEGREE = 8
"""Largest degree of a polynomial whose roots are computed."""
Polynomial = list[Fraction]
"""Coefficients by power, without zeros at the end; empty for 0."""
_NUM_HALVINGS = 220


def stripped(polynomial: Polynomial) -> Polynomial:
    """Return a polynomial without zeros at the end."""
    while polynomial and polynomial[-1] == 0:
        polynomial = polynomial[:-1]
    return polynomial


def plus(a: Polynomial, b: Polynomial) -> Polynomial:
    """Return a sum."""
    return stripped([x + y for x, y in itertools.zip_longest(a, b, fillvalue=Fraction(0))])


def times(a: Polynomial, b: Polynomial) -> Polynomial:
    """Return a product.

    Raises:
        Unreadable: If its degree is too large.
    """
    if len(a) + len(b) > 2 * MAX_DEGREE + 2:
        raise Unreadable
    product = [Fraction(0)] * (len(a) + len(b))
    for (i, x), (j, y) in itertools.product(enumerate(a), enumerate(b)):
        product[i + j] += x * y
    return stripped(product)


def power_of(polynomial: Polynomial, power: int) -> Polynomial:
    """Return a power with a whole exponent."""
    product = [Fraction(1)]
    for _ in range(power):
        product = times(product, polynomial)
    return product


def _remainder(a: Polynomial, b: Polynomial) -> tuple[Polynomial, Polynomial]:
    """Return the quotient and the remainder."""
    quotient = [Fraction(0)] * max(1, len(a) - len(b) + 1)
    while len(a) >= len(b):
        shift, factor = len(a) - len(b), a[-1] / b[-1]
        quotient[shift] = factor
        a = stripped([x - factor * (b[i - shift] if i >= shift else 0) for i, x in enumerate(a)])
    return stripped(quotient), a


def real_roots(polynomial: Polynomial) -> list[Any]:
    """Return the real roots in order, each once.

    Without repeated roots, it changes its sign at each root, once between neighbouring extrema.
    """
    divisor, rest = polynomial, _derivative(polynomial)
    while rest:
        divisor, rest = rest, _remainder(divisor, rest)[1]
    return _simple_roots(_remainder(polynomial, divisor)[0])


def _simple_roots(polynomial: Polynomial) -> list[Any]:
    numbers = context()
    if len(polynomial) <= 1:
        return []
    if polynomial[0] == 0:
        return sorted([numbers.zero, *_simple_roots(polynomial[1:])])
    if len(polynomial) == 2:
        return [_real(-polynomial[0] / polynomial[1])]
    if len(polynomial) == 3:
        c, b, a = polynomial
        discriminant = b * b - 4 * a * c
        if discriminant < 0:
            return []
        root, middle = numbers.sqrt(_real(discriminant)), _real(-b)
        return sorted((middle + sign * root) / _real(2 * a) for sign in (-1, 1))
    limit = _real(1 + max(abs(part / polynomial[-1]) for part in polynomial))
    places = [-limit, *real_roots(_derivative(polynomial)), limit]
    roots = []
    for low, high in itertools.pairwise(places):
        below, above = value_at(polynomial, low), value_at(polynomial, high)
        if (below < 0) != (above < 0):
            roots.append(_halved(polynomial, low, high, is_rising=below < 0))
    return roots


def _halved(polynomial: Polynomial, low: Any, high: Any, *, is_rising: bool) -> Any:
    for _ in range(_NUM_HALVINGS):
        middle = (low + high) / 2
        if (value_at(polynomial, middle) < 0) == is_rising:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _derivative(polynomial: Polynomial) -> Polynomial:
    return [power * part for power, part in enumerate(polynomial)][1:]


def value_at(polynomial: Polynomial, point: Any) -> Any:
    """Return the value at a point."""
    value = context().zero
    for part in reversed(polynomial):
        value = value * point + _real(part)
    return value


def _real(value: Fraction) -> Any:
    return context().mpf(value.numerator) / value.denominator
