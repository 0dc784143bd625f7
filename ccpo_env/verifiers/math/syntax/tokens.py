"""Tokens and patterns of the grammar of expressions."""

from __future__ import annotations

import re
from fractions import Fraction

from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable, number, remainder

MAX_POWER_OF_TEN = 256
"""Largest exponent of a number in scientific notation."""

TIMES = frozenset({r"\cdot", r"\times", "*"})
"""Signs of a product."""
OVER = frozenset({r"\div", "/", r"\bmod"})
"""Signs of a quotient or its remainder."""
CLOSING = {"{": "}", "(": ")", "[": "]", "|": "|", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}
"""The bracket that closes each opening one."""
STOPS = (
    frozenset({"", "+", "-", ")", "}", "]", ",", r"\rfloor", r"\rceil", r"\pm", "\\"})
    | TIMES
    | OVER
)
"""Tokens that end a product without a sign."""
TOKEN = re.compile(
    r"\\[A-Za-z]+|!!|[1-9]\d{0,2}(?:,\d{3})+(?![\d])(?:\.\d+)?|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|\S",
    re.ASCII,
)
"""One token."""
NUMERAL = re.compile(r"\.?\d", re.ASCII)
"""The start of a number."""
DIGIT = re.compile(r"\s*(\d)", re.ASCII)
"""One digit, as an argument without braces."""
SUBSCRIPT = re.compile(r"\s*(?:\{([A-Za-z0-9, +\-\\]+)\}|([A-Za-z0-9]|\\[a-z]+))", re.ASCII)
"""What follows the sign of a subscript."""
ACCENTED = re.compile(
    r"\s*\{\s*(?:(\\?[A-Za-z]+)|\{\s*(\\?[A-Za-z]+)\s*\})\s*\}|\s*([A-Za-z])|\s*(\\[a-z]+)"
)
"""The argument of an accent."""
_VARIABLE = r"\\?[A-Za-z](?:_\s*(?:\w|\{\s*\w+\s*\}))?"
_NAME = r"\\?[A-Za-z][A-Za-z0-9]*(?:_\s*(?:\w+|\{\s*\w+\s*\}))?"
DERIVATIVE = re.compile(
    rf"\s*\{{\s*(\\partial|d)\s*(?:\^\s*\{{?(\d)\}}?)?\s*({_NAME})\s*\}}"
    rf"\s*\{{\s*\1\s*({_VARIABLE})\s*(?:\^\s*\{{?\2\}}?)?\s*\}}"
)
"""The arguments of a fraction that is a derivative, such as dy/dx."""
RATE = re.compile(  # the operator: d/dx is no quotient
    r"\s*\{\s*(\\partial|d)\s*(?:\^\s*\{?\d\}?)?\s*\}\s*\{\s*\1\s*\\?[A-Za-z]\s*(?:\^\s*\{?\d\}?)?\s*\}"
)
"""The arguments of a fraction that is the operator d/dx."""
DEGREES = re.compile(r"\s*\^\s*(?:\\circ(?![A-Za-z])|\{\s*\\circ\s*\})")
"""The sign of degrees."""
ZERO_ARGUMENT = re.compile(r"\s*\(\s*0\s*\)")
"""The argument of a function at zero."""
CHOOSE = re.compile(
    r"\s*_\s*\{?\s*(\d+)\s*\}?\s*\^\s*(?:\{\s*(\d+)\s*\}|(\d))"
    r"|\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)",
    re.ASCII,
)
"""The arguments of a binomial written as a C with two indices, or with both in brackets."""


def number_of(token: str) -> Node:
    """Return the tree of a number; raise Unreadable if it is too large."""
    token = token.replace(",", "")
    exponent = re.search(r"[eE](.*)", token)
    if exponent and abs(int(exponent[1])) > MAX_POWER_OF_TEN:
        raise Unreadable
    return number(Fraction(token.rstrip(".") or "0"))


def operation(sign: str, first: Node, second: Node) -> Node:
    """Return the tree of a product, a quotient or a remainder."""
    if sign == r"\bmod":
        return remainder(first, second)
    return Node("*" if sign in TIMES else "/", (first, second))


def rate_name(rate: re.Match[str]) -> str:
    """Return the name of a derivative, without the braces of its subscripts."""
    name, variable = (re.sub(r"[{}\s]", "", rate[group]) for group in (3, 4))
    return f"d{rate[2] or ''} {name}/{rate[1]} {variable}"
