r"""Solve inequalities in one variable: `x^2<9` is (-3, 3), `|2x+1|\geq -1` is all numbers."""

from __future__ import annotations

import itertools
import re
from fractions import Fraction
from typing import Any

from ccpo_env.verifiers.math.compare.solutions import Sides
from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable, free_symbols
from ccpo_env.verifiers.math.text.phrases import EMPTY
from ccpo_env.verifiers.math.values.equality import real_value
from ccpo_env.verifiers.math.values.intervals import Interval, Region, intersection, ordered
from ccpo_env.verifiers.math.values.numeric import context, exact_value
from ccpo_env.verifiers.math.values.polynomials import (
    MAX_DEGREE,
    Polynomial,
    plus,
    power_of,
    real_roots,
    stripped,
    times,
    value_at,
)

_MAX_MODULI = 3
_MAX_SIGNS = 2
_SIGNS = {"<": (-1,), "\\leq": (-1, 0), ">": (1,), "\\geq": (1, 0), "\\neq": (-1, 1)}
_SIGN = re.compile(r"[<>]|\\[lgn]eq(?![A-Za-z])")
_BOUNDED = frozenset({"sin", "cos"})


def solution_set(reading: Reading) -> Region | None:
    """Return the real numbers that solve an inequality in one variable, or None if undecided.

    It is solved exactly where both sides are fractions of polynomials and moduli of them, or such
    expressions in one exponential, sine or cosine that hold for all of its values or for none.
    """
    sides, signs = reading.relation
    trees = [side.tree for side in sides if side.tree is not None]
    names = free_symbols(*trees)
    if not is_inequality(reading) or len(trees) < len(sides) or len(names) != 1:
        return None
    name = next(iter(names))
    try:
        pairs = zip(itertools.pairwise(trees), signs, strict=True)
        return intersection([_solved(pair, sign, name) for pair, sign in pairs])
    except (Unreadable, ArithmeticError, ValueError):
        return None


def is_inequality(reading: Reading) -> bool:
    """Return whether a reading is one inequality, or a chain of two."""
    if _SIGN.search(reading.text) is None:
        return False
    signs = reading.relation[1]
    return 0 < len(signs) <= _MAX_SIGNS and all(sign in _SIGNS for sign in signs)


def known_set(reading: Reading) -> Region | None:
    r"""Return the set that a text shows: an interval, `\emptyset`, `x=0`, `\{1,2\}`; else None."""
    if reading.region is not None:
        return reading.region
    if reading.text == EMPTY:
        return Region((), "", is_definite=True)
    name, items = "", reading.items
    if len(reading.sides) == 2 and not reading.parts.opened:
        name, items = reading.sides[0].form, reading.sides[1].items
        if not name.isalpha():
            return None
    elif reading.parts.opened != "\\{":
        return None
    trees = [item.tree for item in items if item.tree is not None]
    if len(trees) < len(items):
        return None
    try:
        values = [real_value(tree) for tree in trees]
        points = [Interval(value, value, has_low=True, has_high=True) for value in values]
        return Region(ordered(points), name, is_definite=True)
    except Unreadable:
        return None


def is_all(region: Region) -> bool:
    """Return whether a set is all real numbers."""
    whole = region.intervals[0] if len(region.intervals) == 1 else None
    infinity = context().inf
    return whole is not None and bool(whole.low == -infinity) and bool(whole.high == infinity)


def _solved(sides: Sides, sign: str, name: str) -> Region:
    difference = Node("+", (sides[0], Node("neg", (sides[1],))))
    atoms = {node for node in _nodes(difference) if _bounds(node, name) is not None}
    if len(atoms) > 1:
        raise Unreadable
    if atoms:
        atom = atoms.pop()
        region = _pieces(_with(difference, atom, Node("symbol", symbol="atom")), sign, "atom")
        values = _bounds(atom, name)
        if values is None:
            raise Unreadable
        held = intersection([region, values]).intervals
        if held == values.intervals:
            return Region((_everything(),), name, is_definite=True)
        if held:
            raise Unreadable
        return Region((), name, is_definite=True)
    return _pieces(difference, sign, name)


def _bounds(node: Node, name: str) -> Region | None:
    """Return the values of an exponential, a sine or a cosine; None for another node."""
    infinity = context().inf
    if node.name in _BOUNDED and _is_polynomial(node.args[0], name):
        span = Interval(context().mpf(-1), context().mpf(1), has_low=True, has_high=True)
        return Region((span,), "atom", is_definite=True)
    if node.name == "^" and not free_symbols(node.args[0]) and _is_polynomial(node.args[1], name):
        base = real_value(node.args[0])
        if base > 0 and base != 1:
            span = Interval(context().zero, infinity, has_low=False, has_high=False)
            return Region((span,), "atom", is_definite=True)
    return None


def _is_polynomial(tree: Node, name: str) -> bool:
    try:
        top, bottom = _fraction(tree, name)
    except Unreadable:
        return False
    return len(top) > 1 and len(bottom) == 1


def _nodes(tree: Node) -> list[Node]:
    return [tree, *(node for arg in tree.args for node in _nodes(arg))]


def _with(tree: Node, old: Node, new: Node) -> Node:
    if tree == old:
        return new
    return Node(tree.name, tuple(_with(a, old, new) for a in tree.args), tree.value, tree.symbol)


def _pieces(difference: Node, sign: str, name: str) -> Region:
    """Return where a difference has the sign, for each choice of the signs of its moduli."""
    moduli = [*dict.fromkeys(node for node in _nodes(difference) if node.name == "abs")]
    if len(moduli) > _MAX_MODULI or any(arg.has("abs") for node in moduli for arg in node.args):
        raise Unreadable
    if not moduli and max(map(len, _fraction(difference, name))) <= 1:
        raise Unreadable  # x > x
    found: list[Interval] = []
    for signs in itertools.product((True, False), repeat=len(moduli)):
        tree, wholes = difference, [Region((_everything(),), name, is_definite=True)]
        for modulus, is_positive in zip(moduli, signs, strict=True):
            inner = modulus.args[0]
            tree = _with(tree, modulus, inner if is_positive else Node("neg", (inner,)))
            wholes.append(_where(inner, "\\geq" if is_positive else "\\leq", name))
        found.extend(intersection([*wholes, _where(tree, sign, name)]).intervals)
    return Region(ordered(found), name, is_definite=True)


def _everything() -> Interval:
    return Interval(-context().inf, context().inf, has_low=False, has_high=False)


def _where(tree: Node, sign: str, name: str) -> Region:
    """Return where a fraction of polynomials has a sign: between its roots and poles, and at them.

    Raises:
        Unreadable: If it is none.
    """
    top, bottom = _fraction(tree, name)
    wanted = _SIGNS[sign]
    product = times(top, bottom)
    if not bottom or len(product) > MAX_DEGREE + 1:
        raise Unreadable
    whole = _everything()
    if not product and len(bottom) > 1:
        raise Unreadable
    if len(product) <= 1:
        holds = ((product[0] > 0) - (product[0] < 0) if product else 0) in wanted
        return Region((whole,) if holds else (), name, is_definite=True)
    places = real_roots(product)
    poles = real_roots(bottom) if len(bottom) > 1 else []
    ends = [whole.low, *places, whole.high]
    found = []
    for low, high in itertools.pairwise(ends):
        if _sign_between(product, low, high) in wanted:
            found.append(Interval(low, high, has_low=False, has_high=False))
    if 0 in wanted:
        points = [place for place in places if not any(_is_near(place, pole) for pole in poles)]
        found.extend(Interval(point, point, has_low=True, has_high=True) for point in points)
    return Region(ordered(found), name, is_definite=True)


def _is_near(a: Any, b: Any) -> bool:
    return bool(abs(a - b) <= (1 + abs(a)) * context().mpf(10) ** -40)


def _sign_between(polynomial: Polynomial, low: Any, high: Any) -> int:
    if low == -context().inf:
        point = high - 1 if high != context().inf else context().zero
    else:
        point = low + 1 if high == context().inf else (low + high) / 2
    value = value_at(polynomial, point)
    return int(value > 0) - int(value < 0)


def _fraction(tree: Node, name: str) -> tuple[Polynomial, Polynomial]:
    """Return the numerator and the denominator, as polynomials with rational coefficients."""
    one = [Fraction(1)]
    if not free_symbols(tree):
        return stripped([exact_value(tree)]), one
    if tree.name == "symbol" and tree.symbol == name:
        return [Fraction(0), Fraction(1)], one
    if tree.name == "neg":
        top, bottom = _fraction(tree.args[0], name)
        return [-part for part in top], bottom
    if tree.name in ("+", "*", "/"):
        (a, b), (c, d) = (_fraction(arg, name) for arg in tree.args)
        if tree.name == "+":
            return (plus(a, c), b) if b == d else (plus(times(a, d), times(c, b)), times(b, d))
        return (times(a, c), times(b, d)) if tree.name == "*" else (times(a, d), times(b, c))
    if tree.name == "^" and not free_symbols(tree.args[1]):
        power = exact_value(tree.args[1])
        if power.denominator == 1 and abs(power) <= MAX_DEGREE:
            top, bottom = _fraction(tree.args[0], name)
            powers = [power_of(part, abs(int(power))) for part in (top, bottom)]
            return (powers[0], powers[1]) if power >= 0 else (powers[1], powers[0])
    raise Unreadable
