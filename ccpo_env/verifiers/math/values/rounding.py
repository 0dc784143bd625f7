r"""Rounded values beside exact ones: `\sqrt{10} \approx 3.16` is the square root of 10."""

from __future__ import annotations

import re
from fractions import Fraction

from ccpo_env.verifiers.math.syntax.expression import parse_expression
from ccpo_env.verifiers.math.syntax.tree import Unreadable
from ccpo_env.verifiers.math.values.equality import real_value
from ccpo_env.verifiers.math.values.numeric import context

_VALUE = re.compile(r"\d|\\pi|\\sqrt")
_DECIMAL = re.compile(r"\s*(-?\d{1,30}(?:\.(\d{1,30}))?)(?![\d.^/])", re.ASCII)


def without_rounding(text: str) -> str:
    r"""Return the exact value before `\approx`, without the rounded one.

    A label is kept, and so is a value that is no rounding of the exact one: they differ.
    """
    exact, _, rounded = text.partition("\\approx")
    is_value = _VALUE.search(exact) is not None
    return exact.strip() if is_value and not _is_other(exact, rounded) else f"{exact}={rounded}"


def _is_other(exact: str, rounded: str) -> bool:
    """Return whether a decimal is neither the rounded nor the truncated value of an expression."""
    decimal = _DECIMAL.match(rounded)
    tree = parse_expression(exact.rpartition("=")[2].strip()) if decimal else None
    if decimal is None or tree is None:
        return False
    try:
        value = real_value(tree)
    except Unreadable:
        return False
    number, step = Fraction(decimal[1]), Fraction(1, 10 ** len(decimal[2] or ""))
    shown, unit = (context().mpf(part.numerator) / part.denominator for part in (number, step))
    is_rounded = abs(value - shown) <= unit * (context().one + context().mpf(10) ** -20) / 2
    is_cut = 0 <= abs(value) - abs(shown) < unit and value * shown >= 0
    return not is_rounded and not is_cut
