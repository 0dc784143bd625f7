r"""Products without a sign between their factors: `2^3 3^2`, `(n-1) 2^n`, `\frac{1}{n}4`."""

from __future__ import annotations

import re

from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable

_POWERED = re.compile(r"\s*(\d+)\s*(?:\^|!)", re.ASCII)
_SPLIT_DIGITS = 3


def may_follow(left: Node, text: str, at: int) -> bool:
    r"""Return whether the number at a position of a text can be a factor behind a tree.

    A number that is a power (`n2^n`, `3 2^n`) can, unless the two numbers look like one with
    grouped digits; so can any number behind a power (`2^3 3`), a factorial, a constant, a sum in
    brackets, or a quotient with symbols. `2 3`, `x2` and `\frac12 3` are typing errors or more than
    one number.
    """
    powered = _POWERED.match(text, at)
    if powered:
        is_grouped = left.name == "number" and len(powered[1]) == _SPLIT_DIGITS
        return not is_grouped
    if left.name == "symbol":
        return left.symbol in ("i", "\\pi")
    if left.name == "*":
        return may_follow(left.args[1], text, at)
    if left.name == "/":
        return bool(left.symbols())
    return left.name in ("!", "!!", "^") or (left.name in ("+", "neg") and bool(left.symbols()))


def juxtaposed(left: Node, right: Node, token: str) -> Node:
    """Return the product of two neighbours, or their sum if they form a mixed number.

    Args:
        left: The first factor.
        right: The second factor.
        token: The first token of the second factor.

    Raises:
        Unreadable: If a number is followed by an improper fraction.
    """
    is_mixed = left.name == "number" and token == r"\frac" and _is_proper(right)
    return Node("+" if is_mixed else "*", (left, right))


def _is_proper(tree: Node) -> bool:
    """Return whether a fraction can be the second part of a mixed number."""
    if tree.name != "/" or any(arg.name != "number" for arg in tree.args):
        return False
    top, bottom = (arg.value for arg in tree.args)
    if not 0 < top < bottom:
        raise Unreadable  # "2\\frac{3}{2}" is a product or a typing error
    return True
