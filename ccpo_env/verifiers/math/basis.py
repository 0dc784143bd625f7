r"""Vectors in terms of basis vectors: `\mathbf{i}+2\mathbf{j}` is `\hat{i}+2\hat{j}` and (1, 2)."""

from __future__ import annotations

from collections.abc import Mapping

from ccpo_env.verifiers.math.members import all_same
from ccpo_env.verifiers.math.reading import Reading
from ccpo_env.verifiers.math.tree import Node, Unreadable, number
from ccpo_env.verifiers.math.values import same_value

_NAMES = "ijk"
_HATS = {f"hat {name}": name for name in _NAMES}
_DECORATED = frozenset(_HATS)
_ZERO = number(0)


def same_in_basis(answer: Reading, gold: Reading) -> bool | None:
    """Compare two vectors of which one is a sum of basis vectors; None for all other pairs.

    Note: Where one has decorated letters, the plain i, j and k of the other one are basis vectors
        too. A tuple or a column gives the components in order.
    """
    if "\\hat" not in answer.text and "\\hat" not in gold.text:
        return None
    decorated = [
        r.tree is not None and not _DECORATED.isdisjoint(r.tree.symbols()) for r in (answer, gold)
    ]
    if not any(decorated):
        return None
    first, second = _components(answer), _components(gold)
    if first is None or second is None:
        return None
    sizes = {size for _, size in (first, second) if size}
    names = _NAMES[: max(sizes)] if sizes else _NAMES
    if not (set(first[0]) | set(second[0])) <= set(names):
        return False
    return all_same(
        same_value(first[0].get(name, _ZERO), second[0].get(name, _ZERO)) for name in names
    )


def _components(reading: Reading) -> tuple[Mapping[str, Node], int] | None:
    """Return the components by name, and their number if it is known."""
    cells = _cells(reading)
    if cells:
        trees = [Reading(cell).tree for cell in cells]
        known = [tree for tree in trees if tree is not None]
        is_complete = len(known) == len(cells) <= len(_NAMES)
        return (dict(zip(_NAMES, known, strict=False)), len(cells)) if is_complete else None
    if reading.tree is None:
        return None
    try:
        return _expanded(reading.tree), 0
    except Unreadable:
        return None


def _cells(reading: Reading) -> tuple[str, ...]:
    if (matrix := reading.matrix) and not matrix.scalar and not matrix.is_determinant:
        is_column = all(len(row) == 1 for row in matrix.rows)
        return tuple(row[0] for row in matrix.rows) if is_column else ()
    parts = reading.parts
    return parts.items if parts.opened == "(" and len(parts.items) > 1 else ()


def _expanded(tree: Node) -> dict[str, Node]:
    """Return the factor of each basis vector in a tree.

    Raises:
        Unreadable: If it is not a sum of scaled basis vectors.
    """
    name = _HATS.get(tree.symbol, tree.symbol)
    if tree.name == "symbol" and name in _NAMES:
        return {name: number(1)}
    if tree.name == "neg":
        return {name: Node("neg", (part,)) for name, part in _expanded(tree.args[0]).items()}
    if tree.name == "+":
        total = _expanded(tree.args[0])
        for name, part in _expanded(tree.args[1]).items():
            total[name] = Node("+", (total[name], part)) if name in total else part
        return total
    if tree.name in ("*", "/"):
        left, right = tree.args
        if not _has_basis(right):
            return {n: Node(tree.name, (part, right)) for n, part in _expanded(left).items()}
        if tree.name == "*" and not _has_basis(left):
            return {n: Node("*", (left, part)) for n, part in _expanded(right).items()}
    raise Unreadable


def _has_basis(tree: Node) -> bool:
    return not tree.symbols().isdisjoint(_DECORATED | set(_NAMES))
