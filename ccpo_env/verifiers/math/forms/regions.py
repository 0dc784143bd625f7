r"""Parse intervals, unions and inequalities in one variable as sets of real numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ccpo_env.verifiers.math.forms.structure import (
    COMMA,
    CUP,
    RELATION,
    split_parts,
    split_signs,
    split_top,
)
from ccpo_env.verifiers.math.syntax.expression import parse_expression
from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable
from ccpo_env.verifiers.math.values.equality import real_value
from ccpo_env.verifiers.math.values.intervals import (
    Interval,
    Region,
    intersection,
    open_at_infinity,
    ordered,
    union,
)
from ccpo_env.verifiers.math.values.numeric import context

_REALS = re.compile(
    r"\\mathbb\s*\{R\}|(?:\\text\s*\{)?\s*all real(?: number| value)?s?(?: of [a-z])?\s*\}?",
    re.IGNORECASE,
)
_MEMBER = re.compile(
    r"(?P<name>(?:[A-Za-z]|\\[a-z]+)(?:\([a-z]\))?)\s*\\in(?![A-Za-z])\s*(?=[\[(\]\\])"
)
_BUILDER = re.compile(
    r"\\\{\s*(?:(?P<name>[A-Za-z])\s*(?:\\in\s*\\mathbb\{R\}\s*)?(?:\||:))(?P<rule>.*)\\\}"
)
_WITHOUT = re.compile(
    r"(?P<whole>.+?)\s*(?:\\setminus|\\backslash|-|\\text\s*\{\s*except\s*\})\s*\\\{(?P<points>[^{}]*)\\\}"
)
_POINTS = re.compile(r"\\\{(?P<points>.*)\\\}")
_INTERVAL = re.compile(r"(?P<opened>[(\[\]])(?P<ends>.*)(?P<closed>[)\]\[])", re.DOTALL)
_CONJUNCTIONS = re.compile(
    r"\\[{}]|[()\[\]{}]|(?P<separator>\\cap(?![A-Za-z])|\\text\s*\{\s*,?\s*and\s*\}|\band\b|,)"
)
_INFINITY = re.compile(r"([+-]?)\s*\\infty")
_VARIABLE = re.compile(r"(?:[A-Za-z]|\\(?!infty)[a-z]+)(?:_\w|_\{\w+\})?(?:\([a-z]\))?")
_MODULUS = re.compile(r"\|\s*(?P<name>[a-zA-Z])\s*(?P<shift>[+-][^|]+)?\|")
_TURNED = {"<": ">", ">": "<", "\\leq": "\\geq", "\\geq": "\\leq", "=": "=", "\\neq": "\\neq"}


def read_region(text: str) -> Region | None:
    """Return the set that a cleaned text describes, or None if it describes none."""
    try:
        return _region(text)
    except (Unreadable, RecursionError):
        return None


def _region(text: str) -> Region:
    text = text.strip()
    if _REALS.fullmatch(text):
        reals = Interval(-context().inf, context().inf, has_low=False, has_high=False)
        return Region((reals,), "", is_definite=True)
    if member := _MEMBER.match(text):
        region = _region(text[member.end() :])
        return Region(region.intervals, member["name"], is_definite=True)
    if builder := _BUILDER.fullmatch(text):
        region = _region(builder["rule"])
        return Region(region.intervals, "", is_definite=True)
    if removed := _WITHOUT.fullmatch(text):
        whole = _region(removed["whole"])
        points = split_top(removed["points"], COMMA)
        return intersection([whole, *(_all_but(point) for point in points)])
    unions, signs = split_signs(text, CUP)
    if signs:
        regions = [_part_of_union(part) for part in unions]
        if "\\cup" not in signs and not any(region.is_definite for region in regions):
            raise Unreadable  # pairs: (1,2) or (3,4)
        return union(regions)
    if interval := _INTERVAL.fullmatch(text):
        ends = split_top(interval["ends"], COMMA)
        if len(ends) == 2:
            return _interval(interval["opened"], ends, interval["closed"])
    parts, signs = split_signs(text, _CONJUNCTIONS)
    if signs:
        return _conjunction(parts, signs)
    return _inequality(text)


def _part_of_union(text: str) -> Region:
    r"""Return a part of a union, which may be points: `\{1, 2\}`, `x = 1`, `x = \pm 2`."""
    name, sign, value = text.partition("=")
    if sign and _VARIABLE.fullmatch(name.strip()):
        return _points(split_parts(value).items, name.strip())
    points = _POINTS.fullmatch(text)
    return _points(split_top(points["points"], COMMA), "") if points else _region(text)


def _points(texts: Iterable[str], name: str) -> Region:
    values = [_end(text) for text in texts]
    intervals = [Interval(value, value, has_low=True, has_high=True) for value in values]
    return Region(ordered(intervals), name, is_definite=True)


def _conjunction(parts: list[str], joints: list[str]) -> Region:
    r"""Return what all parts of a list allow; in `x \neq 1, 2` the sign applies to all parts."""
    sides, signs = split_signs(parts[0], RELATION)
    if signs == ["\\neq"] and not any(split_signs(part, RELATION)[1] for part in parts[1:]):
        parts = [parts[0], *(f"{sides[0]} \\neq {part}" for part in parts[1:])]
    if set(joints) == {","} and any("=" in part for part in parts):
        return union([_part_of_union(part) for part in parts])  # x > 2, x = 1
    if all("=" in part for part in parts):
        raise Unreadable  # a list of points
    if "\\cap" not in joints and all(map(_INTERVAL.fullmatch, parts)):
        raise Unreadable  # a list of intervals
    regions = [_part_of_union(part) for part in parts]
    if "\\cap" not in joints and not all(region.is_definite for region in regions):
        raise Unreadable  # a list of pairs
    return intersection(regions)


def _interval(opened: str, ends: list[str], closed: str) -> Region:
    low, high = _end(ends[0]), _end(ends[1])
    has_low, has_high = opened == "[", closed == "]"
    is_pair = opened == "(" and closed == ")"
    has_infinity = any(_INFINITY.fullmatch(end) for end in ends)
    interval = Interval(low, high, has_low=has_low, has_high=has_high)
    if not interval.is_symbolic and not low <= high:
        raise Unreadable  # a pair: an interval cannot end before it starts
    return Region((open_at_infinity(interval),), "", is_definite=not is_pair or has_infinity)


def _inequality(text: str) -> Region:
    sides, signs = split_signs(text, RELATION)
    is_unequal = signs == ["\\neq"]
    if ("\\pm" in text and not is_unequal) or (
        len(signs) == 2 and signs[0] != signs[1] and "\\neq" in signs
    ):
        raise Unreadable
    if len(signs) == 2:
        return _between(sides, signs)
    if len(signs) != 1 or signs[0] == "=":
        raise Unreadable
    name, sign, bound = sides[0], signs[0], sides[1]
    if not _is_variable(name):
        name, sign, bound = bound, _TURNED[sign], name
    if modulus := _MODULUS.fullmatch(name):
        return _modulus(modulus["name"], modulus["shift"] or "0", sign, bound)
    if _VARIABLE.fullmatch(name) is None or _VARIABLE.fullmatch(bound):
        raise Unreadable
    if sign == "\\neq":
        points = [_all_but(point) for point in split_parts(bound).items]
        region = intersection(points) if len(points) > 1 else points[0]
        return Region(region.intervals, name, is_definite=True)
    return Region((_half_line(sign, bound),), name, is_definite=True)


def _is_variable(text: str) -> bool:
    return bool(_VARIABLE.fullmatch(text) or _MODULUS.fullmatch(text))


def _half_line(sign: str, bound: str) -> Interval:
    end, infinity = _end(bound), context().inf
    has_end = sign in ("\\leq", "\\geq")
    if sign in ("<", "\\leq"):
        return Interval(-infinity, end, has_low=False, has_high=has_end)
    return Interval(end, infinity, has_low=has_end, has_high=False)


def _between(sides: list[str], signs: list[str]) -> Region:
    if _VARIABLE.fullmatch(sides[1]) is None or not all(s in ("<", "\\leq") for s in signs):
        if not all(s in (">", "\\geq") for s in signs) or _VARIABLE.fullmatch(sides[1]) is None:
            raise Unreadable
        sides, signs = sides[::-1], [_TURNED[sign] for sign in signs[::-1]]
    interval = Interval(
        _end(sides[0]), _end(sides[2]), has_low=signs[0] == "\\leq", has_high=signs[1] == "\\leq"
    )
    return Region((open_at_infinity(interval),), sides[1], is_definite=True)


def _modulus(name: str, shift: str, sign: str, bound: str) -> Region:
    """Return the set where |variable + shift| is below, above or not equal to a bound."""
    end, offset = _end(bound), _end(shift)
    if isinstance(end, Node) or isinstance(offset, Node):
        raise Unreadable
    low, high, infinity = -end - offset, end - offset, context().inf
    has_end, is_inside = sign in ("\\leq", "\\geq"), sign in ("<", "\\leq")
    is_empty = end < 0 or (end == 0 and not has_end) if is_inside else end == infinity
    if is_empty:
        raise Unreadable
    if is_inside:
        inside = Interval(low, high, has_low=has_end, has_high=has_end)
        return Region((open_at_infinity(inside),), name, is_definite=True)
    outside = [
        Interval(-infinity, low, has_low=False, has_high=has_end),
        Interval(high, infinity, has_low=has_end, has_high=False),
    ]
    if sign == "\\neq" and end > 0:
        outside.append(Interval(low, high, has_low=False, has_high=False))
    return Region(ordered(outside), name, is_definite=True)


def _end(text: str) -> Any:
    infinite = _INFINITY.fullmatch(text)
    if infinite:
        return -context().inf if infinite[1] == "-" else +context().inf
    tree = parse_expression(text)
    if tree is None:
        raise Unreadable
    try:
        return real_value(tree)
    except Unreadable:
        return tree


def _all_but(point: str) -> Region:
    end, infinity = _end(point), context().inf
    below = Interval(-infinity, end, has_low=False, has_high=False)
    above = Interval(end, infinity, has_low=False, has_high=False)
    return Region((below, above), "", is_definite=True)
