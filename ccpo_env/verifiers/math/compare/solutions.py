"""Compare the real solutions of two equations in several symbols, found numerically."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable, free_symbols
from ccpo_env.verifiers.math.values.numeric import constants, evaluate, in_floats

Sides = tuple[Node, Node]
"""The left and the right side of an equation, or the smaller and the larger of an inequality."""

# Starts, steps and signs of the values of the symbols that are not solved for.
_PLACES = ((1.37, 0.29, 1), (0.83, 0.43, 1), (2.11, 0.31, -1), (-1.21, 0.17, 1))
_GRID = [0.21 * step - 7.3 for step in range(70)]  # the values tried for the symbol solved for
_NUM_HALVINGS = 60
_MAX_SYMBOLS = 8
_TOLERANCE = 1e-9


def same_solutions(first: Sides, second: Sides) -> bool | None:
    """Return whether two equations in the same symbols have the same real solutions.

    All symbols but one are fixed, at several points; the solutions for the remaining symbol are
    bracketed on a grid. Each solution of either equation must solve the other.

    Returns:
        False if one does not, or if neither equation has a solution on the grid; None if there are
        too many symbols.
    """
    names = sorted(free_symbols(*first, *second))
    if len(names) > _MAX_SYMBOLS:
        return None
    with in_floats():
        for name in names:
            num_solved = 0
            for place in _places(names):
                roots = [_roots(sides, name, place) for sides in (first, second)]
                pairs = ((first, roots[1]), (second, roots[0]))
                if not all(_solve(sides, name, place, found) for sides, found in pairs):
                    return False
                num_solved += bool(roots[0] and roots[1])
            if num_solved > 1:
                return True
    return False


def _solve(sides: Sides, name: str, place: Mapping[str, Any], roots: list[float]) -> bool:
    return all(_is_solved(sides, {**place, name: root}) for root in roots)


def _places(names: list[str]) -> list[dict[str, Any]]:
    fixed = constants()
    return [
        fixed | {name: (start + step * i) * sign**i for i, name in enumerate(names)}
        for start, step, sign in _PLACES
    ]


def _roots(sides: Sides, name: str, place: Mapping[str, Any]) -> list[Any]:
    """Return the solutions for one symbol between neighbours of opposite sign on the grid."""

    def difference(value: Any) -> Any:
        return _difference(sides, {**place, name: value})

    pairs = [(value, difference(value)) for value in _GRID]
    roots = []
    for (low, below), (high, above) in itertools.pairwise(pairs):
        if below is not None and above is not None and (below < 0) != (above < 0):
            root = _halved(difference, low, high, is_rising=below < 0)
            if root is not None and _is_solved(sides, {**place, name: root}):
                roots.append(root)
    return roots


def _halved(difference: Callable[[Any], Any], low: Any, high: Any, *, is_rising: bool) -> Any:
    for _ in range(_NUM_HALVINGS):
        middle = (low + high) / 2
        value = difference(middle)
        if value is None:
            return None
        if (value < 0) == is_rising:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _difference(sides: Sides, point: Mapping[str, Any]) -> Any:
    """Return the difference of two real sides at a point; None where one has no real value."""
    try:
        values = [evaluate(side, point) for side in sides]
    except (Unreadable, ArithmeticError, ValueError):
        return None
    is_real = all(isinstance(value, float) and math.isfinite(value) for value in values)
    return values[0] - values[1] if is_real else None


def _is_solved(sides: Sides, point: Mapping[str, Any]) -> bool:
    """Return whether a point is a solution, up to rounding: not a pole, where the sign turns."""
    try:
        values = [evaluate(side, point) for side in sides]
    except (Unreadable, ArithmeticError, ValueError):
        return False
    return bool(abs(values[0] - values[1]) <= _TOLERANCE * (1 + sum(map(abs, values))))
