"""Bounds on the size and the growth of a text that is passed to a parser."""

from __future__ import annotations

import math
import re

from ccpo_env.verifiers.math.forms.normalize import MAX_CHARS, clean
from ccpo_env.verifiers.math.syntax.quantity import has_long_number

MAX_NESTING = 64
"""Deepest nesting of braces and parentheses."""
MAX_TOWER = 2
"""Deepest nesting of exponents."""
MAX_GROWTH_DIGITS = 4
"""Longest number in an exponent or under a factorial."""
MAX_TERMS = 20_000
"""Largest number of terms of an expanded power of a sum."""

_LONG = rf"\d{{{MAX_GROWTH_DIGITS + 1}}}"
_FAST_GROWTH = re.compile(rf"(?:\^|\*\*)[{{(+-]*{_LONG}|{_LONG}[)}}]*!|\^\w+\^", re.ASCII)
_REPEATED_GROWTH = re.compile(r"\^|[)}\]!]!")
_POWER_OF_GROUP = re.compile(r"[)}\]]\^(?:\{(\d+)\}|(\d))", re.ASCII)
_ARITHMETIC = re.compile(r"\\(?:cdot|times|div|frac)(?![A-Za-z])|\s")
_UPPER_LIMIT = re.compile(  # 1 and 100 are no exponents in \\int_0^1 3x^2 and \\sum_{k=1}^{100} k
    r"(\\(?:i{0,3}nt|oint|sum|prod)(?![A-Za-z])\s*(?:\\limits)?\s*_\s*(?:\{[^{}]*\}|\\?\w+)\s*)\^\s*(\w?)"
)
_SYMBOL = re.compile(r"\\?[A-Za-z]+")


def within_bounds(text: str) -> bool:
    """Return whether a text can be parsed and evaluated at bounded cost.

    Takes time linear in the length of the text. The limits are the constants of this module
    and of `normalize`; growth that they do not detect is stopped by the time limit.
    """
    if len(text) > MAX_CHARS or has_long_number(text):
        return False
    compact = _ARITHMETIC.sub("", _UPPER_LIMIT.sub(_braced, clean(text)))
    if _FAST_GROWTH.search(compact) or (_is_arithmetic(compact) and re.search("[)}!]!", compact)):
        return False
    num_symbols = len(set(_SYMBOL.findall(compact)))
    degrees = [int(power[1] or power[2]) for power in _POWER_OF_GROUP.finditer(compact)]
    if any(math.comb(degree + num_symbols, degree) > MAX_TERMS for degree in degrees):
        return False
    return _nests_within_bounds(compact)


def _braced(limit: re.Match[str]) -> str:
    """Return the limits of an integral or a sum without the sign of a power."""
    return f"{limit[1]}{{{limit[2]}}}" if limit[2] else limit[1]


def _is_arithmetic(compact: str) -> bool:
    """Return whether a text has numbers only, so that it would be evaluated fully."""
    return _SYMBOL.search(compact) is None


def _nests_within_bounds(compact: str) -> bool:
    opened: list[int | None] = []  # start of an exponent in brackets; None for other brackets
    tower = 0  # open exponents
    for index, char in enumerate(compact):
        if char in "{(":
            is_exponent = compact[index - 1 : index] == "^"
            opened.append(index if is_exponent else None)
            tower += is_exponent
        elif char in "})" and opened:
            start = opened.pop()
            if start is not None:
                tower -= 1
                exponent = compact[start:index]
                if _REPEATED_GROWTH.search(exponent) and _is_arithmetic(exponent):
                    return False
        if len(opened) > MAX_NESTING or (char == "^" and tower >= MAX_TOWER):
            return False
    return True
