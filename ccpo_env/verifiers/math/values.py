"""Compare expressions by value: exactly if rational, else to 45 digits at several points."""

from __future__ import annotations

from collections.abc import Mapping, Set
from fractions import Fraction
from typing import Any

from ccpo_env.verifiers.math.numeric import LOG_BASE, constants, context, evaluate, exact_value
from ccpo_env.verifiers.math.tree import Node, Unreadable, free_symbols

TOLERANCE = Fraction(1, 10**45)
"""Relative tolerance of the comparison of two values."""

# Start, base and modulus of the steps from it, and denominator: large primes, so that no answer is
# zero there by chance. The steps are powers modulo a prime: in even steps, x + z would be 2y. The
# second point is near 1, where even a high power does not hide what is added to it.
_POINTS = ((1327, 419, 997, 709), (10039, 67, 211, 10007), (1493, 389, 953, -523))


def same_value(first: Node, second: Node) -> bool | None:
    """Return whether two expressions are equal, or None if undecided.

    Symbols stand for real numbers with the same values on both sides. A difference at a positive
    point is decisive; a difference at negative points only may be a choice of branch. A logarithm
    without a base may be natural or decimal.
    """
    names = free_symbols(first, second)
    if not names:
        try:
            return exact_value(first) == exact_value(second)
        except Unreadable:
            pass
    imaginary = {"j"} if names == {"j"} and "i" in first.symbols() | second.symbols() else set()
    bases = (None, 10) if first.has("log") or second.has("log") else (None,)
    equal: bool | None = False
    for base in bases:
        verdict = _same_at(_points(names - imaginary, imaginary, base), first, second)
        if verdict:
            return True
        equal = None if verdict is None else equal
    return equal


def _same_at(points: list[dict[str, Any]], first: Node, second: Node) -> bool | None:
    try:
        verdicts = [_agree(evaluate(first, p), evaluate(second, p)) for p in points]
    except (Unreadable, ArithmeticError, ValueError):
        return None
    if all(verdict is True for verdict in verdicts):
        return True
    is_branchless = first.has("abs") or second.has("abs")
    decisive = verdicts if is_branchless else verdicts[: max(1, len(verdicts) - 1)]
    return False if False in decisive else None


def same_equation(first: tuple[Node, Node], second: tuple[Node, Node]) -> bool | None:
    """Return whether one equation is a multiple of the other, or None if undecided.

    Decides polynomials in several symbols, up to repeated factors, and equations in different
    symbols.
    """
    if free_symbols(*first) != free_symbols(*second):
        return False
    names = free_symbols(*first, *second)
    ratios = _ratios(first, second)
    if ratios is None:
        return None
    if names and all(_agree(ratios[0], ratio) for ratio in ratios[1:]):
        return True
    are_polynomials = all(_is_polynomial(tree) for tree in (*first, *second))
    return False if are_polynomials and len(names) > 1 else None


def same_inequality(first: tuple[Node, Node], second: tuple[Node, Node]) -> bool | None:
    """Return whether ``first[0] < first[1]`` is a positive multiple of the other inequality."""
    if free_symbols(*first) != free_symbols(*second):
        return False
    ratios = _ratios(first, second)
    if ratios is None or not free_symbols(*first):
        return None
    is_multiple = all(_agree(ratios[0], ratio) for ratio in ratios[1:])
    if not is_multiple:
        return False if all(_is_polynomial(tree) for tree in (*first, *second)) else None
    return bool(abs(ratios[0] - abs(ratios[0])) < abs(ratios[0]))


def _ratios(first: tuple[Node, Node], second: tuple[Node, Node]) -> list[Any] | None:
    """Return the ratio of both differences at each point; None where it is undefined."""
    ratios = []
    try:
        for point in _points(free_symbols(*first, *second)):
            a, b = _difference(first, point), _difference(second, point)
            if a is None or b is None:
                return None
            ratios.append(a / b)
    except (Unreadable, ArithmeticError, ValueError):
        return None
    return ratios


def _difference(sides: tuple[Node, Node], point: Mapping[str, Any]) -> Any:
    values = [evaluate(side, point) for side in sides]
    difference, size = values[0] - values[1], sum(map(abs, values))
    return None if abs(difference) <= size / 10**20 else difference


def _is_polynomial(tree: Node) -> bool:
    if not tree.symbols():
        return True
    if tree.name in ("/", "^"):
        return _is_polynomial(tree.args[0]) and not tree.args[1].symbols()
    return tree.name in ("+", "*", "neg", "symbol") and all(map(_is_polynomial, tree.args))


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
        evaluate(tree, _points(free_symbols(tree))[0])
    except (Unreadable, ArithmeticError, ValueError):
        return False
    return True


def are_close(a: Any, b: Any) -> bool:
    """Return whether two real values, which may be infinite, are equal up to rounding."""
    return bool(a == b) or _agree(a, b) is True


def _points(
    names: frozenset[str], imaginary: Set[str] = frozenset(), base: int | None = None
) -> list[dict[str, Any]]:
    """Return values for all symbols; one point if there are none."""
    numbers = context()
    fixed = constants() | {name: numbers.j for name in imaginary}
    if base is not None:
        fixed[LOG_BASE] = numbers.mpf(base)
    return [
        fixed
        | {
            name: numbers.mpf(start + pow(base_of_steps, index, modulus)) / bottom
            for index, name in enumerate(sorted(names))
        }
        for start, base_of_steps, modulus, bottom in _POINTS[: len(_POINTS) if names else 1]
    ]


def _agree(a: Any, b: Any) -> bool | None:
    """Return whether two values agree; None for two that are almost zero."""
    numbers = context()
    if not (numbers.isfinite(a) and numbers.isfinite(b)):
        return None
    distance, size = abs(a - b), max(abs(a), abs(b))
    if distance <= size * TOLERANCE.numerator / TOLERANCE.denominator:
        return True
    is_rounding = distance <= numbers.mpf(TOLERANCE.numerator) / TOLERANCE.denominator
    return None if is_rounding else False
