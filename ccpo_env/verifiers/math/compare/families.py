r"""Sets with a parameter: `x=\frac{\pi}{4}+k\pi, k\in\mathbb{Z}`, `\{3k \mid k\in\mathbb{Z}\}`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.forms.structure import EQUALS, split_parts, split_top
from ccpo_env.verifiers.math.syntax.expression import parse_expression
from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable, free_symbols
from ccpo_env.verifiers.math.values.equality import are_close, same_value
from ccpo_env.verifiers.math.values.numeric import constants, context, evaluate

MAX_RESIDUES = 240
"""Largest number of classes in which progressions are compared."""

_HAS_PARAMETER = re.compile(r"\\in(?![A-Za-z])\s*(?:\\math(?:bb|bf|rm)|[ZN](?![a-z]))|integer")
_SET = (
    r"(?:\\math(?:bb|bf|rm)\s*\{?\s*(?P<set>[ZNRQC])\s*\}?|(?P<plain>[ZN]))"
    r"\s*(?P<sign>[\^_]\s*\{?[+*]\}?)?"
)
_TAIL = re.compile(
    r"[\s,;(]*(?:(?:where|for|with|and|any|all|every|each|some)\s+)*(?:"
    rf"(?P<name>[a-z])\s*\\in(?![A-Za-z])\s*{_SET}"
    r"|(?P<named>[a-z])\s+(?:(?:is|being)\s+)?(?:an?\s+|any\s+|an arbitrary\s+)?integer"
    r"|(?:an\s+)?integers?\s+(?P<last>[a-z]))\s*\)?\s*$"
)
_WORD_MACRO = re.compile(r"\\(?:text|mathrm|mbox)\s*\{([^{}]*)\}")
_BUILDER = re.compile(r"\\\{\s*(?P<element>[^|:]+?)\s*[|:]\s*(?P<rule>.*?)\s*\\\}", re.DOTALL)
_MEMBER = re.compile(r"^[A-Za-z]\s*\\in\s*(?=\\\{)")
_LABEL = re.compile(r"\\?[A-Za-z]+(?:_\w|_\{\w+\})?(?:\s*\([a-z,\s]*\))?")
_PARAMETER = "parameter"
_INTEGERS = frozenset("jklmn")
_ROUNDED = 10**30
_MAX_RATIO = 120


@dataclass(frozen=True, slots=True)
class Family:
    """The values of expressions for all values of a parameter.

    Args:
        items: The expressions.
        parameter: The name of the parameter.
        domain: Its values: Z, N for positive numbers or those from 0, R, …; "" if not written.
    """

    items: tuple[Node, ...]
    parameter: str
    domain: str


def same_family(answer: Reading, gold: Reading) -> bool | None:
    r"""Compare two sets of which one has a parameter with its values; None if neither has.

    The parameter may have another name, and its values may be omitted. Arithmetic progressions over
    all integers are compared as sets: `k\pi - \pi` is `k\pi`, and `\frac{k\pi}{2}` is two of
    them.
    """
    if not _HAS_PARAMETER.search(answer.text) and not _HAS_PARAMETER.search(gold.text):
        return _same_angles(answer, gold)
    first, second = read_family(answer.text), read_family(gold.text)
    if first is None and second is None:
        return None
    if first is None:
        first = _without_values(answer, second)
    elif second is None:
        second = _without_values(gold, first)
    if first is None or second is None:
        return False if answer.is_value or gold.is_value else None
    if first.domain and second.domain and first.domain != second.domain:
        return False
    items, golds = _renamed(first), _renamed(second)
    table = [[same_value(item, gold) for gold in golds] for item in items]
    if all(True in line for line in (*table, *zip(*table, strict=True))):
        return True
    if (first.domain or second.domain) != "Z":
        return None if any(None in row for row in table) else False
    return _same_progressions(items, golds)


def _same_angles(answer: Reading, gold: Reading) -> bool | None:
    r"""Compare angles with an undeclared integer: `x=\frac{\pi}{4}+k\pi`; None for others.

    Note: `2\pi n` may be a product, so angles have a label, more than one item, or another term.
    """
    if not all("\\pi" in each.text or "\\circ" in each.text for each in (answer, gold)):
        return None
    first, second = _angles(answer.text), _angles(gold.text)
    if first is None or second is None:
        return None
    items, golds = _renamed(first), _renamed(second)
    is_clear = "=" in answer.text + gold.text or len(golds) > 1
    try:
        if not is_clear and _progression(golds[0])[0] == 0:
            return None
    except (Unreadable, ArithmeticError, ValueError):
        return None
    return _same_progressions(items, golds)


def _angles(text: str) -> Family | None:
    r"""Return expressions that are linear in one letter j to n, with a step in units of \pi."""
    items = _items(text)
    names = free_symbols(*items) if items else frozenset()
    if items is None or len(names) != 1 or not names <= _INTEGERS:
        return None
    family = Family(items, next(iter(names)), "Z")
    try:
        steps = [_progression(item)[1] for item in _renamed(family)]
    except (Unreadable, ArithmeticError, ValueError):
        return None
    pi = constants()["\\pi"]
    return family if all(_ratio(step / pi) for step in steps) else None


def read_family(text: str) -> Family | None:
    """Return the set that a cleaned text describes with a parameter, or None."""
    text = _MEMBER.sub("", _WORD_MACRO.sub(r" \1 ", text).strip())
    builder = _BUILDER.fullmatch(text)
    body = builder["rule"] if builder else text
    tail = _TAIL.search(body)
    if tail is None:
        return None
    name = tail["name"] or tail["named"] or tail["last"]
    body = body[: tail.start()].strip(" ,;")
    if not body:
        body = builder["element"] if builder else ""
    items = _items(body)
    if items is None or not all(name in item.symbols() for item in items):
        return None
    letter = tail["set"] or tail["plain"] or "Z"
    return Family(items, name, "N" if letter == "Z" and tail["sign"] else letter)


def _items(text: str) -> tuple[Node, ...] | None:
    """Return the expressions of a list, without their labels; None if one is none."""
    found = []
    for part in split_parts(text).items if text else ():
        *labels, value = split_top(part, EQUALS)
        tree = parse_expression(value)
        if tree is None or not all(map(_LABEL.fullmatch, labels)):
            return None
        found.append(tree)
    return tuple(found) or None


def _without_values(reading: Reading, other: Family | None) -> Family | None:
    """Return a list of expressions as a family with the parameter of another one, or a new one."""
    items = _items(reading.text)
    if items is None or other is None:
        return None
    names = free_symbols(*items)
    new = names - free_symbols(*other.items)
    name = other.parameter if other.parameter in names else next(iter(new), "")
    is_known = len(new - {name}) == 0 and all(name in item.symbols() for item in items)
    return Family(items, name, "") if name and is_known else None


def _renamed(family: Family) -> list[Node]:
    return [_with_symbol(item, family.parameter) for item in family.items]


def _with_symbol(tree: Node, name: str) -> Node:
    if tree.name == "symbol" and tree.symbol == name:
        return Node("symbol", symbol=_PARAMETER)
    args = tuple(_with_symbol(arg, name) for arg in tree.args)
    return Node(tree.name, args, tree.value, tree.symbol)


def _same_progressions(first: Sequence[Node], second: Sequence[Node]) -> bool | None:
    """Return whether unions of arithmetic progressions are equal; None if one is no progression."""
    try:
        lines = [[_progression(item) for item in items] for items in (first, second)]
        return _same_classes(lines)
    except (Unreadable, ArithmeticError, ValueError):
        return None


def _same_classes(lines: list[list[tuple[Any, Any]]]) -> bool:
    """Compare unions of progressions, given by a value and the step, within a common period."""
    unit = lines[0][0][1]
    ratios = [_ratio(step / unit) for line in lines for _, step in line]
    known = [ratio for ratio in ratios if ratio is not None]
    if len(known) < len(ratios):
        return False
    top = math.lcm(*(ratio.numerator for ratio in known))
    bottom = math.gcd(*(ratio.denominator for ratio in known))
    period = unit * top / bottom
    classes = [{c for line in side for c in _classes(*line, period)} for side in lines]
    return classes[0] == classes[1]


def _progression(tree: Node) -> tuple[Any, Any]:
    """Return the value of an expression at 0 and its step; raise Unreadable if it is not linear."""
    if free_symbols(tree) != {_PARAMETER}:
        raise Unreadable
    values = [
        evaluate(tree, constants() | {_PARAMETER: context().mpf(place)}) for place in (0, 1, 2, 11)
    ]
    step = values[1] - values[0]
    is_line = are_close(values[2] - values[1], step) and are_close(values[3] - values[0], 11 * step)
    if not is_line or step == 0 or any(isinstance(value, context().mpc) for value in values):
        raise Unreadable
    return values[0], abs(step)


def _ratio(value: Any) -> Fraction | None:
    """Return a value as a fraction of small numbers, or None if it is none."""
    near = Fraction(float(value)).limit_denominator(_MAX_RATIO)
    is_small = 0 < near.numerator <= _MAX_RATIO
    return (
        near
        if is_small and are_close(context().mpf(near.numerator) / near.denominator, value)
        else None
    )


def _classes(start: Any, step: Any, period: Any) -> set[int]:
    """Return the values of a progression within a period, in units of 1e-30 of it."""
    size = int(context().nint(period / step))
    if size > MAX_RESIDUES:
        raise Unreadable
    return {
        int(context().nint((start + index * step) / period * _ROUNDED)) % _ROUNDED
        for index in range(size)
    }
