"""Compare equations and inequalities of expressions: equal up to a factor that is not zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccpo_env.verifiers.math.compare.solutions import Sides, same_solutions
from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable, free_symbols
from ccpo_env.verifiers.math.values.equality import points, same_value, step_points, values_agree
from ccpo_env.verifiers.math.values.numeric import context, evaluate, exact_value


def same_equation(first: Sides, second: Sides) -> bool | None:
    """Return whether two equations are equal up to a factor, or None if undecided.

    Fractions are cleared first. Equations whose differences are no multiples of each other are
    not equal, even if they have the same real solutions, such as none. The solutions decide only
    for equations in several symbols that are no polynomials: y = e^x and ln y = x.
    """
    if free_symbols(*first) != free_symbols(*second):
        return False
    names = free_symbols(*first, *second)
    if not names:
        return _same_sides(first, second)
    try:
        a, b = _differences(first), _differences(second)
    except (Unreadable, ArithmeticError, ValueError):
        return None
    if None in a or None in b:  # where its sides are equal, an equation says nothing
        is_one_empty = all(x is None for x in a) != all(x is None for x in b)
        return False if is_one_empty else _same_sides(first, second)
    if _are_multiples(a, b) or _are_multiples(_cleared(first), _cleared(second)):
        return _have_one_ratio(first, second)
    is_decided = len(names) == 1 or all(map(_is_polynomial, (*first, *second)))
    return False if is_decided else same_solutions(first, second)


def same_inequality(first: Sides, second: Sides) -> bool | None:
    """Return whether ``first[0] < first[1]`` is a positive multiple of the other inequality."""
    if free_symbols(*first) != free_symbols(*second):
        return False
    if not free_symbols(*first):
        pairs = zip(first, second, strict=True)
        return all(same_value(a, b) is True for a, b in pairs)
    try:
        a, b = _differences(first), _differences(second)
    except (Unreadable, ArithmeticError, ValueError):
        return None
    if None in a or None in b:
        return None
    if not _are_multiples(a, b) or not _have_one_ratio(first, second):
        return False
    ratio = a[0] / b[0]
    return bool(abs(ratio - abs(ratio)) < abs(ratio))


def _same_sides(first: Sides, second: Sides) -> bool | None:
    """Return whether two equations have the same two sides, in either order."""
    verdicts = [
        [same_value(a, b) for a, b in zip(first, sides, strict=True)]
        for sides in (second, second[::-1])
    ]
    if any(verdict == [True, True] for verdict in verdicts):
        return True
    return False if all(False in verdict for verdict in verdicts) else None


def _are_multiples(first: list[Any], second: list[Any]) -> bool:
    """Return whether the values of two differences have one ratio at all points."""
    if None in first or None in second:
        return False
    return _all_agree([a / b for a, b in zip(first, second, strict=True)])


def _have_one_ratio(first: Sides, second: Sides) -> bool:
    """Return whether multiples are so on both sides of a kink as well: |x| + |y|, |x + y|."""
    ratios = []
    for point in step_points(*first, *second):
        try:
            a, b = (_rounded(*(evaluate(x, point) for x in sides)) for sides in (first, second))
        except (Unreadable, ArithmeticError, ValueError):
            continue
        if any(isinstance(value, context().mpc) for value in (a, b)):
            continue
        if (a is None) != (b is None):
            return False
        if a is not None:
            ratios.append(a / b)
    return _all_agree(ratios)


def _all_agree(ratios: list[Any]) -> bool:
    return all(values_agree(ratios[0], ratio) is True for ratio in ratios[1:])


def _differences(sides: Sides) -> list[Any]:
    """Return the difference of the sides at each point; None where they are equal."""
    names = free_symbols(*sides)
    return [_rounded(*(evaluate(side, point) for side in sides)) for point in points(names)]


def _cleared(sides: Sides) -> list[Any]:
    """Return the numerator of the difference of the sides at each point."""
    found = []
    for point in points(free_symbols(*sides)):
        (top, bottom), (other_top, other_bottom) = (_fraction(side, point) for side in sides)
        found.append(_rounded(top * other_bottom, other_top * bottom))
    return found


def _rounded(first: Any, second: Any) -> Any:
    difference = first - second
    return None if abs(difference) <= (abs(first) + abs(second)) / 10**20 else difference


def _fraction(tree: Node, point: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the numerator and the denominator of an expression at a point."""
    one = context().one
    if tree.name in ("+", "*", "/"):
        (a, b), (c, d) = (_fraction(arg, point) for arg in tree.args)
        if tree.name == "+":
            return a * d + c * b, b * d
        return (a * c, b * d) if tree.name == "*" else (a * d, b * c)
    if tree.name == "neg":
        top, bottom = _fraction(tree.args[0], point)
        return -top, bottom
    if tree.name == "^" and not tree.args[1].symbols():
        try:
            power = exact_value(tree.args[1])
        except Unreadable:
            return evaluate(tree, point), one
        top, bottom = _fraction(tree.args[0], point)
        if power.denominator == 1 and abs(power) < 100:
            pair = top ** abs(int(power)), bottom ** abs(int(power))
            return pair if power > 0 else pair[::-1]
    return evaluate(tree, point), one


def _is_polynomial(tree: Node) -> bool:
    if not tree.symbols():
        return True
    if tree.name in ("/", "^"):
        return _is_polynomial(tree.args[0]) and not tree.args[1].symbols()
    return tree.name in ("+", "*", "neg", "symbol") and all(map(_is_polynomial, tree.args))
