r"""Functions given piece by piece: `\begin{cases} x & x > 0 \\ -x & x \le 0 \end{cases}`."""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ccpo_env.verifiers.math.compare.members import Same, all_same
from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.forms.regions import read_region
from ccpo_env.verifiers.math.forms.structure import COMMA, split_top
from ccpo_env.verifiers.math.syntax.expression import parse_expression
from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable, free_symbols
from ccpo_env.verifiers.math.text.systems import ENVIRONMENT, ROW_BREAK, is_piecewise
from ccpo_env.verifiers.math.values.equality import are_close, real_value
from ccpo_env.verifiers.math.values.intervals import Interval, Region
from ccpo_env.verifiers.math.values.numeric import constants, context, evaluate

MAX_PIECES = 16
"""Largest number of pieces that are compared."""

_LABEL = re.compile(r"[^=&]{1,40}=\s*")
_LEADING = r"(?:,|\s|~|\\q?quad(?![A-Za-z]))*"
_IF = re.compile(
    rf"{_LEADING}(?:\\text\s*\{{\s*,?\s*(?:if|for|when|where|as|on)?\s*\}}|(?:if|for|when|where)\b)?{_LEADING}"
)
_IF_IN_ROW = re.compile(
    r"\\text\s*\{\s*,?\s*(?:if|for|when|where|otherwise|else)\b|\b(?:if|for|when)\b"
)
_OTHERWISE = re.compile(r"\s*(?:in all )?(?:otherwise|else|elsewhere|other cases?|others)\s*", re.I)
_CLASS = re.compile(
    r"(?P<name>[a-z])?\s*(?:is|=)?\s*(?:an?\s+)?(?:"
    r"(?P<parity>even|odd)(?:\s+[a-z])?|(?:not\s+)?divisible by (?P<divisor>\d{1,3})|"
    r"(?:a )?multiple of (?P<multiple>\d{1,3})|"
    r"\\equiv\s*(?P<residue>-?\d{1,3})\s*\(?\s*(?:\\[pb]?mod|mod)\s*\{?\s*(?P<modulus>\d{1,3})\s*\}?\s*\)?)"
)
_VARIABLE = re.compile(r"[A-Za-z]|\\[a-z]+")
_WORD_MACRO = re.compile(r"\\(?:text|mathrm|mbox)\s*\{([^{}]*)\}")
_WHOLE_NUMBERS = (*range(1, 41), 97, 98, 99, 100, 101, 102)
_SHARES = (0.29, 0.73)  # of the way between two ends


@dataclass(frozen=True, slots=True)
class Piecewise:
    """The pieces of a function.

    Args:
        pieces: The value and the text of the condition of each; None for otherwise.
    """

    pieces: tuple[tuple[Reading, str | None], ...]


Condition = Callable[[Any], bool]


def read_piecewise(reading: Reading) -> Piecewise | None:
    """Return the pieces of a function, with or without a label, or None if it has none."""
    if "\\begin" not in reading.text:
        return None
    text = reading.text
    label = _LABEL.match(text)
    environment = ENVIRONMENT.fullmatch(text[label.end() :] if label else text)
    if environment is None or not is_piecewise(environment):
        return None
    pieces = [_piece(row) for row in ROW_BREAK.split(environment["rows"]) if row.strip(" ,;")]
    return Piecewise(tuple(pieces)) if 0 < len(pieces) <= MAX_PIECES else None


def _piece(row: str) -> tuple[Reading, str | None]:
    value, sign, condition = row.partition("&")
    if not sign and (joint := _IF_IN_ROW.search(row)):
        value, condition = row[: joint.start()], row[joint.start() :]
    elif not sign:
        value, *rest = split_top(row, COMMA)
        condition = ",".join(rest)
    plain = _WORD_MACRO.sub(r" \1 ", condition.replace("&", " ")).strip(" .;,")
    if _OTHERWISE.fullmatch(plain):
        return Reading(value.strip(" ,;"), depth=1), None
    condition = _IF.sub("", condition.replace("&", " "), count=1)
    return Reading(value.strip(" ,;"), depth=1), condition.strip(" .;,")


def same_piecewise(answer: Reading, gold: Reading, same: Same) -> bool | None:
    """Compare two functions of which one is given in pieces; None if neither is.

    Functions of one variable are compared at the ends of all intervals and between them, or at
    whole numbers if a condition is even, odd or a residue; others piece by piece.
    """
    first, second = read_piecewise(answer), read_piecewise(gold)
    if first is None and second is None:
        return None
    pieces, gold_pieces = first or _whole(answer), second or _whole(gold)
    equal = _same_by_value(pieces, gold_pieces)
    if equal is not None or first is None or second is None:
        return bool(equal)
    if len(first.pieces) != len(second.pieces):
        return False
    rest = list(second.pieces)
    for value, condition in first.pieces:
        piece = next(
            (p for p in rest if _same_condition(condition, p[1], same) and same(value, p[0])), None
        )
        if piece is None:
            return False
        rest.remove(piece)
    return True


def _whole(reading: Reading) -> Piecewise:
    """Return an expression, without its label, as a function of one piece."""
    return Piecewise(((reading.sides[-1], None),))


def _same_condition(first: str | None, second: str | None, same: Same) -> bool | None:
    if first is None or second is None:
        return first is second
    return same(Reading(first, depth=1), Reading(second, depth=1))


def _same_by_value(first: Piecewise, second: Piecewise) -> bool | None:
    """Compare two functions at chosen points; None if a condition cannot be evaluated."""
    try:
        conditions = [[_condition(text) for _, text in f.pieces] for f in (first, second)]
        trees = [[_tree(value) for value, _ in f.pieces] for f in (first, second)]
    except Unreadable:
        return None
    known = [each for row in conditions for each in row if each is not None]
    names = {name for _, _, name in known if name}
    if len(names) != 1:
        return None
    name = names.pop()
    has_classes = any(ends is None for _, ends, _ in known)
    places = (
        _WHOLE_NUMBERS if has_classes else _places([e for _, ends, _ in known for e in ends or ()])
    )
    others = free_symbols(*trees[0], *trees[1]) - {name}
    point = constants() | {other: _value_of(other) for other in others}
    functions = list(zip(conditions, trees, strict=True))
    return all_same(
        _agree_at(functions, point | {name: context().mpf(place)}, context().mpf(place))
        for place in places
    )


def _tree(value: Reading) -> Node:
    tree = value.measure[0].tree
    if tree is None:
        raise Unreadable
    return tree


_Known = tuple[Condition, "tuple[Any, ...] | None", str]


def _condition(text: str | None) -> _Known | None:
    """Return a test of numbers, the ends of its intervals or None for residues, and the variable.

    Raises:
        Unreadable: If the condition is neither a set of real numbers nor a residue.
    """
    if text is None:
        return None
    plain = " ".join(_WORD_MACRO.sub(r" \1 ", text).split())
    if numbers := _CLASS.fullmatch(plain):
        modulus = int(numbers["divisor"] or numbers["multiple"] or numbers["modulus"] or 2)
        residue = int(numbers["residue"] or (numbers["parity"] == "odd"))
        is_in = "not " not in plain
        if modulus == 0:
            raise Unreadable
        name = numbers["name"] or (plain[-1] if re.search(r" [a-z]$", plain) else "")
        return (lambda x: ((int(x) - residue) % modulus == 0) == is_in), None, name
    region = read_region(text) or _points(text)
    if any(interval.is_symbolic for interval in region.intervals):
        raise Unreadable
    intervals = region.intervals
    ends = tuple(end for interval in intervals for end in (interval.low, interval.high))

    def holds(x: Any) -> bool:
        return any(_contains(interval, x) for interval in intervals)

    return holds, ends, region.variable


def _contains(interval: Interval, x: Any) -> bool:
    if are_close(interval.low, x):
        return interval.has_low
    if are_close(interval.high, x):
        return interval.has_high
    return bool(interval.low < x < interval.high)


def _points(text: str) -> Region:
    """Return the set of the points of `x = 1, 2`.

    Raises:
        Unreadable: If it is no such condition.
    """
    name, _, values = text.partition("=")
    trees = [parse_expression(value) for value in split_top(values, COMMA)]
    if not _VARIABLE.fullmatch(name.strip()) or None in trees:
        raise Unreadable
    ends = [real_value(tree) for tree in trees if tree is not None]
    points = tuple(Interval(end, end, has_low=True, has_high=True) for end in ends)
    return Region(points, name.strip(), is_definite=True)


def _places(ends: list[Any]) -> list[Any]:
    """Return the finite ends of intervals, and numbers between and around them."""
    numbers = context()
    finite = sorted({end for end in ends if numbers.isfinite(end)})
    if not finite:
        return [numbers.mpf(share) for share in _SHARES]
    around = [finite[0] - 7, *finite, finite[-1] + 7]
    between = [
        low + (high - low) * numbers.mpf(share)
        for low, high in itertools.pairwise(around)
        for share in _SHARES
    ]
    return finite + between


def _value_of(name: str) -> Any:
    return 1 + context().mpf(zlib.crc32(name.encode()) % 99_991) / 30_011


def _agree_at(
    functions: list[tuple[list[_Known | None], list[Node]]], point: dict[str, Any], place: Any
) -> bool | None:
    """Return whether two functions have one value, or none, at a point.

    Pieces that overlap must have one value there.
    """
    values = [_values_at(conditions, trees, point, place) for conditions, trees in functions]
    if not values[0] or not values[1]:
        return values[0] == values[1]
    return all(are_close(first, second) for first in values[0] for second in values[1])


def _values_at(
    conditions: list[_Known | None], trees: list[Node], point: dict[str, Any], place: Any
) -> list[Any]:
    """Return the values of the pieces whose conditions hold, or of the rest; none for none."""
    pieces = list(zip(conditions, trees, strict=True))
    chosen = [tree for known, tree in pieces if known is not None and known[0](place)]
    if not chosen:
        chosen = [tree for known, tree in pieces if known is None]
    try:
        return [evaluate(tree, point) for tree in chosen]
    except (Unreadable, ArithmeticError, ValueError):
        return []
