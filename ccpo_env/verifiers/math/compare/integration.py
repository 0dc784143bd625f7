"""Compare expressions with constants of integration, which may have any name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction

from ccpo_env.verifiers.math.syntax.tree import Node, free_symbols, number, replaced
from ccpo_env.verifiers.math.values.equality import same_value

MAX_CONSTANTS = 3
"""Largest number of constants that are renamed."""

_CONSTANT = re.compile(r"(?:[CcKk]|[ABD](?=_|$))(?:_\w+)?")
_SURE = re.compile(r"[CK]|[CcKk]_\w+")
_COEFFICIENTS = frozenset({"a", "b", "d", "m", "p", "q"})
_GROWING = frozenset({"exp", "sin", "cos", "tan", "sinh", "cosh", "ln", "log"})
_STEP = number(Fraction(1, 7))


def same_up_to_constants(answer: Node, gold: Node) -> bool:
    """Return whether two expressions differ only in the names of constants of integration.

    A constant is C, c, K, k, A, B or D, with or without a subscript, that occurs once: as a term
    of its own, as in x + C, or as the factor of a function or power of a variable, as in C e^x.
    Two expressions of one variable with such a term are also equal if they differ by a number.
    """
    names = [_constants(tree) for tree in (answer, gold)]
    variables = free_symbols(gold) - set(names[1])
    if not variables or variables != free_symbols(answer) - set(names[0]):
        return False
    if len(names[0]) != len(names[1]) or not 0 < len(names[1]) <= MAX_CONSTANTS:
        return False
    if variables & _COEFFICIENTS and not all(map(_SURE.fullmatch, names[1])):
        return False  # a x + c
    if not all(_is_constant(name, gold) for name in names[1]):
        return False
    if len(names[1]) == 1 and _is_term(names[0][0], answer) and _is_term(names[1][0], gold):
        return _differ_by_a_number(answer, gold, names[0][0], names[1][0], variables)
    return any(
        same_value(_renamed(answer, dict(zip(names[0], order, strict=True))), gold)
        for order in itertools.permutations(names[1])
        if all(map(_may_be_renamed, names[0], order, itertools.repeat(gold)))
    )


def _constants(tree: Node) -> list[str]:
    return sorted(name for name in free_symbols(tree) if _CONSTANT.fullmatch(name))


def _may_be_renamed(name: str, other: str, gold: Node) -> bool:
    """Return whether a constant may have another name: any, except the factor of a power."""
    if name == other or name.casefold() == other.casefold() or len(_constants(gold)) > 1:
        return True
    return any(_has(term, other) and _has_growth(term) for term in _terms(gold))


def _is_constant(name: str, tree: Node) -> bool:
    if _count(tree, name) != 1:
        return False
    if _is_term(name, tree):
        return True
    return _is_factor(name, tree, [])


def _is_factor(name: str, tree: Node, outer: list[Node]) -> bool:
    """Return whether a symbol is the factor of a function or a power: c_1 in e^x (c_1 + c_2 x)."""
    term = next(term for term in _terms(tree) if _has(term, name))
    factors = list(_factors(term))
    own = next(each for each in factors if _has(each, name))
    others = [*outer, *(each for each in factors if each is not own)]
    if own.symbol == name:
        return any(map(_is_power, others))
    return own.name == "+" and _is_factor(name, own, others)


def _is_term(name: str, tree: Node) -> bool:
    """Return whether a symbol is a term of its own, up to a number, beside other terms."""
    terms = list(_terms(tree))
    return len(terms) > 1 and any(free_symbols(term) == {name} for term in terms)


def _is_power(tree: Node) -> bool:
    """Return whether a factor is a function or a power, other than 1, of a variable."""
    return bool(free_symbols(tree)) and (tree.name in ("^", "root", "/") or tree.name in _GROWING)


def _has_growth(tree: Node) -> bool:
    if tree.name in _GROWING or (tree.name == "^" and free_symbols(tree.args[1])):
        return True
    return any(map(_has_growth, tree.args))


def _terms(tree: Node) -> Iterator[Node]:
    if tree.name in ("+", "neg"):
        for arg in tree.args:
            yield from _terms(arg)
    else:
        yield tree


def _factors(tree: Node) -> Iterator[Node]:
    if tree.name == "/":
        yield from _factors(tree.args[0])
        yield Node("/", (number(1), tree.args[1]))
    elif tree.name in ("*", "neg"):
        for arg in tree.args:
            yield from _factors(arg)
    else:
        yield tree


def _has(tree: Node, name: str) -> bool:
    return name in tree.symbols()


def _count(tree: Node, name: str) -> int:
    return (tree.symbol == name) + sum(_count(arg, name) for arg in tree.args)


def _renamed(tree: Node, names: Mapping[str, str]) -> Node:
    return replaced(tree, {old: Node("symbol", symbol=new) for old, new in names.items()})


def _differ_by_a_number(
    answer: Node, gold: Node, name: str, gold_name: str, variables: frozenset[str]
) -> bool:
    """Return whether the difference of two expressions without their constants is a number."""
    first, second = replaced(answer, {name: number(0)}), replaced(gold, {gold_name: number(0)})
    if same_value(first, second):
        return True
    if len(variables) > 1:
        return False
    difference = Node("+", (first, Node("neg", (second,))))
    variable = next(iter(variables))
    shifted = Node("+", (Node("symbol", symbol=variable), _STEP))
    return same_value(difference, replaced(difference, {variable: shifted})) is True
