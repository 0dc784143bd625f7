"""Compare expressions with double factorials at whole numbers."""

from __future__ import annotations

from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable, number, replaced
from ccpo_env.verifiers.math.values.numeric import exact_value

_FACTORIALS = ((6, 11, 4), (9, 5, 14), (13, 8, 3), (2, 17, 7))


def same_factorials(first: Node, second: Node, names: list[str]) -> bool | None:
    """Compare expressions with double factorials at whole numbers: they have no value elsewhere."""
    try:
        for place in _FACTORIALS:
            numbers = dict(zip(names, map(number, place), strict=False))
            values = [exact_value(replaced(tree, numbers)) for tree in (first, second)]
            if values[0] != values[1]:
                return False
    except Unreadable:
        return None
    return True if len(names) <= len(_FACTORIALS[0]) else None
