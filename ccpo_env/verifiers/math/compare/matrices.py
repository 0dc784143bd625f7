"""Compare matrices entry by entry, regardless of their brackets."""

from __future__ import annotations

from collections.abc import Sequence

from ccpo_env.verifiers.math.compare.containers import MAX_ENDS, labelled_values
from ccpo_env.verifiers.math.compare.members import Same, all_same, same_in_order
from ccpo_env.verifiers.math.compare.relations import is_relation, same_relation
from ccpo_env.verifiers.math.compare.single import same_single
from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.forms.structure import MAX_PARTS, Matrix
from ccpo_env.verifiers.math.syntax.tree import Node
from ccpo_env.verifiers.math.values.equality import same_value


def same_matrix(answer: Reading, gold: Reading, same: Same) -> bool | None:
    """Compare two matrices, or a matrix with another kind; a column may be a tuple."""
    other = answer if gold.matrix else gold
    if (is_relation(answer) or is_relation(gold)) and not labelled_values(other):
        return same_relation(answer, gold, same)
    first, second = answer.matrix, gold.matrix
    if first is None or second is None:
        return _same_vector(answer, gold)
    sizes = [[len(row) for row in matrix.rows] for matrix in (first, second)]
    if sizes[0] != sizes[1] or first.is_determinant != second.is_determinant:
        return False
    if sum(sizes[0]) > MAX_PARTS:
        return None
    cells, gold_cells = _cells(first), _cells(second)
    if not first.scalar and not second.scalar:
        return same_in_order(cells, gold_cells, same_single)
    return _same_trees(_scaled(first, cells), _scaled(second, gold_cells))


def _cells(matrix: Matrix) -> list[Reading]:
    return [Reading(cell, depth=1) for row in matrix.rows for cell in row]


def _scaled(matrix: Matrix, cells: list[Reading]) -> list[Node | None]:
    """Return the trees of all cells, multiplied by the factor before the matrix."""
    scalar = matrix.scalar + "1" if matrix.scalar in ("", "-") else matrix.scalar
    factor = Reading(scalar.removesuffix("\\cdot").removesuffix("\\times").strip()).tree
    if factor is None:
        return [None] * len(cells)
    return [None if cell.tree is None else Node("*", (factor, cell.tree)) for cell in cells]


def _same_vector(answer: Reading, gold: Reading) -> bool | None:
    """Compare a column with a tuple; other matrices equal only matrices."""
    matrix, other = (answer.matrix, gold) if answer.matrix else (gold.matrix, answer)
    if matrix is None or "\\begin" in other.text:
        return None
    is_column = len(matrix.rows) > 1 and all(len(row) == 1 for row in matrix.rows)
    items = tuple(labelled_values(other).values())
    brackets = other.parts.opened + other.parts.closed
    if not items and (brackets == "()" or (brackets == "[]" and len(other.items) > MAX_ENDS)):
        items = other.items
    if not is_column or len(items) != len(matrix.rows):
        return False
    cells = _cells(matrix)
    if matrix.scalar:
        return _same_trees(_scaled(matrix, cells), [item.tree for item in items])
    if other is gold:
        return same_in_order(cells, items, same_single)
    return same_in_order(items, cells, same_single)


def _same_trees(first: Sequence[Node | None], second: Sequence[Node | None]) -> bool | None:
    pairs = zip(first, second, strict=True)
    return all_same(None if x is None or y is None else same_value(x, y) for x, y in pairs)
