r"""Evaluate definite integrals of one variable: `\int_0^1 3x^2\,dx` is 1."""

from __future__ import annotations

import re
from typing import Any

from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.syntax.expression import parse_expression
from ccpo_env.verifiers.math.syntax.tree import Unreadable, free_symbols, number
from ccpo_env.verifiers.math.values.numeric import constants, context, evaluate

MAX_INTEGRALS = 4
"""Largest number of integrals in an answer that are evaluated."""
DIGITS = 30
"""Precision of an integral, in digits."""

_LIMIT = r"\s*(?:\{{\s*(?P<{0}>(?:[^{{}}]|\{{[^{{}}]*\}})*)\}}|(?P<{0}_sign>\w|\\[a-z]+|-\s*\w))\s*"
_NAME = r"[a-z](?![A-Za-z])|\\(?:theta|phi|tau|rho|alpha)(?![A-Za-z])"
_INTEGRAL = re.compile(
    rf"\\int(?![A-Za-z])\s*(?:\\limits)?\s*_{_LIMIT.format('low')}\^{_LIMIT.format('high')}"
    rf"(?P<body>(?:\\[A-Za-z]+(?![A-Za-z])|\\[^A-Za-z]|(?!\\|d\s*(?:{_NAME})).)*)"
    rf"d\s*(?P<name>{_NAME})",
    re.DOTALL,
)
_DIFFERENTIAL = re.compile(
    rf"\\frac\s*\{{(?P<top>[^{{}}]*?)d\s*(?P<name>{_NAME})\s*\}}"
    r"\s*(?P<bottom>\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}|\d|[a-z])"
)
_ROMAN_D = re.compile(r"(?:\\(?:mathrm|text|operatorname)\s*)?\{\s*d\s*\}(?=\s*\\?[a-z])")
_INFINITY = re.compile(r"\s*([+-]?)\s*\\infty\s*")
_KINKS = frozenset({"abs", "floor", "ceil", "max", "min"})
_MAX_KINKS = 8
_MAX_NODES = 40_000  # evaluated nodes of the tree of an integrand
_SPLIT = 0.6180339887
_TINY, _LARGE = 1e-20, 1e4
_MAX_ERROR = 1e-12
_ROUNDING = 1e-18
_DIFFERENCE = 1e-10


def same_integral(answer: Reading, gold: Reading) -> bool | None:
    """Compare two values of which one at least has a definite integral; None if undecided."""
    if not ("\\int" in answer.text or "\\int" in gold.text):
        return None
    with context().workdps(DIGITS):
        try:
            (first, error), (second, other_error) = _value(answer), _value(gold)
        except (Unreadable, ArithmeticError, ValueError, TypeError):
            return None
        size = max(1, abs(second))
        distance = abs(first - second)
        if distance <= max(_ROUNDING * size, 10 * (error + other_error)):
            return True
        return False if distance > _DIFFERENCE * size else None


def _value(reading: Reading) -> tuple[Any, Any]:
    """Return the value of an expression, and the error of its definite integrals.

    Raises:
        Unreadable: If it has symbols, or an integral has no value.
    """
    values: dict[str, Any] = {}
    errors = [context().zero]

    def evaluated(match: re.Match[str]) -> str:
        if len(errors) > MAX_INTEGRALS:
            raise Unreadable
        name = f"I_{len(errors)}"
        values[name], error = _integral(match)
        errors.append(error)
        return f"({name})"

    text = reading.text
    if "\\int" in text:
        text = _DIFFERENTIAL.sub(_moved, _ROMAN_D.sub("d", text))
        tree = parse_expression(_INTEGRAL.sub(evaluated, text))
    else:
        is_plain = reading.number is not None and not reading.number.base
        tree = number(reading.number.value) if reading.number and is_plain else reading.tree
    if tree is None or not free_symbols(tree) <= values.keys():
        raise Unreadable
    return _real(evaluate(tree, constants() | values)), max(errors)


def _moved(match: re.Match[str]) -> str:
    return f"\\frac{{{match['top'].strip() or '1'}}}{match['bottom']} d{match['name']}"


def _integral(match: re.Match[str]) -> tuple[Any, Any]:
    """Return an integral, and by how much it depends on where the interval is split."""
    low, high = (_limit(match[key] or match[f"{key}_sign"]) for key in ("low", "high"))
    body, name = parse_expression(match["body"].strip() or "1"), match["name"]
    if body is None or not free_symbols(body) <= {name}:
        raise Unreadable
    num_nodes, num_left = sum(1 for _ in body.nodes()), _MAX_NODES
    fixed = constants()

    def integrand(place: Any) -> Any:
        nonlocal num_left
        num_left -= num_nodes
        if num_left < 0:
            raise Unreadable
        try:
            return _real(evaluate(body, fixed | {name: place}))
        except Unreadable:
            if min(abs(place - low), abs(place - high)) > _TINY and abs(place) < _LARGE:
                raise
            return context().zero  # no value at the end of the interval

    quad = context().quad
    ends = [low, *(_kinks(low, high) if body.has_any(_KINKS) else ()), high]
    whole = quad(integrand, ends)
    error = abs(whole - quad(integrand, sorted([*ends, _middle(low, high)], reverse=low > high)))
    if not error <= _MAX_ERROR * max(1, abs(whole)):
        raise Unreadable
    return whole, error


def _kinks(low: Any, high: Any) -> list[Any]:
    """Return the whole numbers within an interval: an absolute value mostly turns at one."""
    if not abs(high - low) <= _MAX_KINKS:
        return []
    wholes = range(int(min(low, high)) - 1, int(max(low, high)) + 2)
    inner = [context().mpf(whole) for whole in wholes if min(low, high) < whole < max(low, high)]
    return inner if low < high else inner[::-1]


def _middle(low: Any, high: Any) -> Any:
    is_finite = [context().isfinite(limit) for limit in (low, high)]
    if all(is_finite):
        return low + (high - low) * _SPLIT
    return low + _SPLIT if is_finite[0] else high - _SPLIT if is_finite[1] else _SPLIT


def _limit(text: str) -> Any:
    if infinite := _INFINITY.fullmatch(text):
        return context().ninf if infinite[1] == "-" else context().inf
    tree = parse_expression(text)
    if tree is None or free_symbols(tree):
        raise Unreadable
    return _real(evaluate(tree, constants()))


def _real(value: Any) -> Any:
    if isinstance(value, context().mpc):
        if abs(value.imag) > 0:
            raise Unreadable
        return value.real
    return value
