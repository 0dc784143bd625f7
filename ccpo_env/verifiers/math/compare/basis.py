r"""Compare sums of basis vectors: `\mathbf{i}+2\mathbf{j}`, `\hat{i}+2\hat{j}` and `(1, 2)`."""

from __future__ import annotations

import re

from ccpo_env.verifiers.math.compare.members import all_same
from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.syntax.tree import Node, number
from ccpo_env.verifiers.math.values.equality import same_value

_MAY_BE_BASIS = re.compile(
    r"\\(?:hat|vec|mathbf|widehat|overrightarrow|bar)\s*\{*\s*\\?[ijk]|i[^j]*(?<![A-Za-z\\])j|j[^i]*i"
)
_STYLES = ("hat", "vec", "mathbf", "widehat", "overrightarrow", "bar")
_LETTERS = ("i", "j", "k")
_STYLED = {f"{style} {letter}": letter for style in _STYLES for letter in _LETTERS}
_BASIS = {letter: f"basis {letter}" for letter in _LETTERS}


def same_basis_sum(answer: Reading, gold: Reading) -> bool | None:
    """Compare two vectors of which one is a sum of basis vectors; None for other pairs.

    Note: i, j and k are basis vectors if one of them has an accent, or if i and j are in one sum:
        as the imaginary unit, only one of the two would be used.
    """
    if not any(_MAY_BE_BASIS.search(reading.text) for reading in (answer, gold)):
        return None
    first, second = answer.tree, gold.tree
    if not any(tree is not None and _has_basis(tree) for tree in (first, second)):
        return None
    if first is not None and second is not None:
        return same_value(_renamed(first), _renamed(second))
    if first is not None:
        return _same_components(_renamed(first), gold)
    return None if second is None else _same_components(_renamed(second), answer)


def _has_basis(tree: Node) -> bool:
    names = tree.symbols()
    return not names.isdisjoint(_STYLED) or {"i", "j"} <= names


def _renamed(tree: Node) -> Node:
    """Return a tree with the same names for basis vectors in any style."""
    letter = _STYLED.get(tree.symbol, tree.symbol)
    args = tuple(map(_renamed, tree.args))
    return Node(tree.name, args, tree.value, _BASIS.get(letter, tree.symbol))


def _same_components(tree: Node, point: Reading) -> bool | None:
    """Compare the coefficients of a sum with the parts of a tuple or the cells of a column."""
    if point.matrix:
        cells = [Reading(row[0], depth=1) for row in point.matrix.rows if len(row) == 1]
        items = cells if len(cells) == len(point.matrix.rows) else []
    else:
        items = [*point.items] if point.parts.opened == "(" else []
    if not 2 <= len(items) <= len(_LETTERS):
        return None
    trees = [*(item.tree for item in items), number(0)][: len(_LETTERS)]
    return all_same(
        None if item is None else same_value(_coefficient(tree, letter), item)
        for letter, item in zip(_LETTERS, trees, strict=False)
    )


def _coefficient(tree: Node, letter: str) -> Node:
    """Return a tree with one basis vector replaced by 1 and the others by 0."""
    if tree.symbol in _BASIS.values():
        return number(int(tree.symbol == _BASIS[letter]))
    return Node(
        tree.name, tuple(_coefficient(arg, letter) for arg in tree.args), tree.value, tree.symbol
    )
