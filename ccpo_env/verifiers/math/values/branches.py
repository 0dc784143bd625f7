r"""Where expressions have real values: even roots and logarithms have none for negative numbers.

Equal expressions may differ where one of them is not real: `2\ln x` and `\ln x^2` are equal for
positive numbers, and the first has no real value for negative ones. `\sqrt{x^2}` and x are not
equal: both are real for -1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable, free_symbols
from ccpo_env.verifiers.math.values.numeric import context, evaluate, exact_value

_LOGARITHMS = frozenset({"ln", "log"})
_ARCS = frozenset({"arcsin", "arccos", "artanh", "arcosh"})
_LARGE = 97
_MAX_CONSTANTS = 5
_SHIFTS = (Fraction(5, 13), Fraction(-4, 11))
_PERIOD = 8


def has_branches(*trees: Node) -> bool:
    """Return whether an expression has no real value for some values of its symbols."""
    return any(True for tree in trees for _ in _branching(tree))


def may_have_kinks(*trees: Node) -> bool:
    r"""Return whether an even root is taken of a power or a product, as in `\sqrt{(x-5)^2}`."""
    return any(
        node.name in ("root", "^") and (node.args[0].has("^") or node.args[0].has("*"))
        for tree in trees
        for node in _branching(tree)
    )


def is_in_domain(tree: Node, point: Mapping[str, Any]) -> bool:
    """Return whether all even roots, logarithms and powers of a tree are real at a point.

    Raises:
        Unreadable: If a part has no value; also ArithmeticError and ValueError.
    """
    return all(_is_real(node, point) for node in _branching(tree))


def domain_points(first: Node, second: Node, fixed: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield points with positive values near the constants of two trees, and one negative value.

    Exponents of negative numbers are whole. Two negative values are never combined: with both
    negative, a quotient is positive, but few authors think of that case.

    Args:
        first: A tree.
        second: Another one.
        fixed: The values of constants.
    """
    numbers = context()
    whole = {name for tree in (first, second) for name in _whole_exponents(tree)}
    names = sorted(free_symbols(first, second))
    sizes = {abs(size) for tree in (first, second) for size in tree.numbers()} - {0}
    starts = [0, _LARGE, *sorted(map(math.floor, sizes))[:_MAX_CONSTANTS]]
    for count, start in enumerate(starts):
        for turn, shift in enumerate(_SHIFTS):
            values = {name: abs(start + shift * (1 + at)) for at, name in enumerate(names)}
            for at, name in enumerate(sorted(whole)):
                values[name] = Fraction(1 + (2 * count + turn + at) * (at + 1) % _PERIOD)
            for flipped in ("", *(name for name in names if name not in whole)):
                yield {**fixed} | {
                    name: numbers.mpf(value.numerator)
                    / value.denominator
                    * (-1) ** (name == flipped)
                    for name, value in values.items()
                }


def _branching(tree: Node) -> Iterator[Node]:
    """Yield the nodes that have no real value for some values of the symbols."""
    return (node for node in tree.nodes() if node.args and _may_be_unreal(node))


def _may_be_unreal(tree: Node) -> bool:
    if tree.name in _LOGARITHMS or tree.name in _ARCS:
        return bool(free_symbols(tree.args[0]))
    if tree.name not in ("root", "^"):
        return False
    base, exponent = tree.args
    power = _exact(exponent)
    if power is not None:
        degree = power if tree.name == "root" else Fraction(power.denominator)
        is_branching = degree % 2 == 0 or degree.denominator != 1
        return is_branching and bool(free_symbols(base))
    return bool(free_symbols(base)) or _is_negative(base)


def _exact(tree: Node) -> Fraction | None:
    try:
        return exact_value(tree)
    except Unreadable:
        return None


def _is_negative(tree: Node) -> bool:
    value = _exact(tree)
    return value is not None and value < 0


def _whole_exponents(tree: Node) -> Iterator[str]:
    """Yield the symbols in the exponents of negative numbers."""
    for node in _branching(tree):
        if node.name == "^" and _is_negative(node.args[0]):
            yield from free_symbols(node.args[1])


def _is_real(node: Node, point: Mapping[str, Any]) -> bool:
    numbers = context()
    value = evaluate(node.args[0], point)
    if isinstance(value, numbers.mpc) and value.imag != 0:
        return False
    value = numbers.re(value)
    if node.name in _LOGARITHMS:
        return bool(value > 0)
    if node.name == "arcosh":
        return bool(value >= 1)
    if node.name in _ARCS:
        return bool(abs(value) <= 1)
    is_whole = node.name == "^" and bool(numbers.isint(evaluate(node.args[1], point)))
    return (
        bool(value > 0) or (bool(value == 0) and node.name == "root") or (is_whole and value != 0)
    )
