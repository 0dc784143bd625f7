"""The faults that mutation tests make: cosmic-ray's operators, and two that it lacks."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from itertools import permutations
from typing import ClassVar

import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator

Place = tuple[tuple[int, int], tuple[int, int]]
"""Line and column of the first character, and of the one after the last."""

SIGNS = [("Add", "Sub"), ("Mul", "Div"), ("FloorDiv", "Mul"), ("Mod", "Mul"), ("Pow", "Mul")]
OPERATORS = (
    *(f"ReplaceComparisonOperator_{a}_{b}" for a, b in permutations(("Lt", "LtE", "Gt", "GtE"), 2)),
    *(f"ReplaceComparisonOperator_{a}_{b}" for a, b in permutations(("Eq", "NotEq"), 2)),
    *(f"ReplaceComparisonOperator_{a}_{b}" for a, b in permutations(("Is", "IsNot"), 2)),
    *(f"ReplaceBinaryOperator_{a}_{b}" for a, b in SIGNS),
    *(f"ReplaceBinaryOperator_{b}_{a}" for a, b in SIGNS[:2]),
    *(f"ReplaceBinaryOperator_{a}_{b}" for a, b in permutations(("BitAnd", "BitOr"), 2)),
    *(f"ReplaceUnaryOperator_Delete_{sign}" for sign in ("USub", "Not", "Invert")),
    *("NumberReplacer", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue"),
    *("ReplaceAndWithOr", "ReplaceOrWithAnd", "AddNot"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak"),
)
"""Names of cosmic-ray's operators. What only ever raises is left out, as `<` for `is`."""


class OtherToken(Operator):  # type: ignore[misc]  # cosmic-ray has no type hints
    """Replace a membership test, or the sign of an augmented assignment."""

    TOKENS: ClassVar = {
        "in": "not in",
        "not in": "in",
        "+=": "-=",
        "-=": "+=",
        "*=": "/=",
        "/=": "*=",
    }

    def mutation_positions(self, node: parso.tree.NodeOrLeaf) -> Iterator[Place]:
        """Yield the node's own place if it is such a token."""
        compares = node.type in ("keyword", "comp_op") and node.parent.type == "comparison"
        is_token = compares or node.type == "operator"
        if is_token and node.get_code(include_prefix=False) in self.TOKENS:
            yield node.start_pos, node.end_pos

    def mutate(self, node: parso.tree.NodeOrLeaf, index: int) -> parso.tree.NodeOrLeaf:
        """Return the other token."""
        return leaf(self.TOKENS[node.get_code(include_prefix=False)], node)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return what it does."""
        return (
            Example("x in y", "x not in y"),
            Example("x not in y", "x in y"),
            Example("x += y", "x -= y"),
        )


class DropStatement(Operator):  # type: ignore[misc]
    """Leave out a statement, unless that only makes a name unknown."""

    KINDS = ("return_stmt", "raise_stmt", "assert_stmt", "del_stmt", "atom_expr", "yield_expr")
    WORDS = ("break", "continue", "return", "raise")

    def mutation_positions(self, node: parso.tree.NodeOrLeaf) -> Iterator[Place]:
        """Yield the node's own place if it is a statement with an effect."""
        if node.parent is None or node.parent.type != "simple_stmt":
            return
        assigns = node.type == "expr_stmt" and changes_what_exists(node)
        if assigns or node.type in self.KINDS or getattr(node, "value", None) in self.WORDS:
            yield node.start_pos, node.end_pos

    def mutate(self, node: parso.tree.NodeOrLeaf, index: int) -> parso.tree.NodeOrLeaf:
        """Return `pass`."""
        return leaf("pass", node)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return what it does."""
        return (
            Example("x.append(1)\n", "pass\n"),
            Example("x = sorted(x)\n", "pass\n"),
            Example("x[0] = 1\n", "pass\n"),
            Example("def f():\n    return 1\n", "def f():\n    pass\n"),
        )


def changes_what_exists(node: parso.tree.BaseNode) -> bool:
    """Whether an assignment is to an element, to an attribute, or reads the name it binds."""
    target, *others = node.children
    if target.type != "name":
        return target.type == "atom_expr" and len(others) > 1  # `x.y: int` binds nothing
    read = (leaf.value for other in others for leaf in ast_nodes(other) if leaf.type == "name")
    return others[0].type == "operator" and (others[0].value != "=" or target.value in read)


def leaf(code: str, node: parso.tree.NodeOrLeaf) -> parso.python.tree.Name:
    """Return code that stands where a node stood."""
    prefix = node.get_first_leaf().prefix
    return parso.python.tree.Name(code, node.start_pos, prefix=prefix)


def operators() -> list[Operator]:
    """Return one of each kind."""
    core = [get_operator(f"core/{name}")() for name in OPERATORS]
    return [*core, OtherToken(), DropStatement()]


def faults_by_place(source: str) -> dict[Place, list[tuple[Operator, int]]]:
    """Return the faults at each place, as an operator and which of its occurrences to change."""
    skipped = list(without_effect(source))
    nodes = list(ast_nodes(get_ast(source)))
    places: dict[Place, list[tuple[Operator, int]]] = defaultdict(list)
    for operator in operators():
        # As in mutate_code, an occurrence is counted in the order of a walk from the top.
        found = [(node, place) for node in nodes for place in operator.mutation_positions(node)]
        for occurrence, (node, (start, end)) in enumerate(found):
            is_marker = node.type == "operator" and node.parent.type in ("parameters", "lambdef")
            if not is_marker and not any(a <= start and end <= b for a, b in skipped):
                places[start, end].append((operator, occurrence))
    return places


def without_effect(source: str) -> Iterator[Place]:
    """Yield annotations, and what is only read by type checkers."""
    for node in ast.walk(ast.parse(source)):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.arg | ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts = [node.returns]
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            parts = [node]
        for part in parts:
            if isinstance(part, ast.expr | ast.stmt):
                assert part.end_lineno is not None
                assert part.end_col_offset is not None
                yield (part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)


def is_another_program(source: str, mutated: str) -> bool:
    """Whether a mutant can be compiled, and differs in more than its layout."""
    try:
        return ast.dump(ast.parse(mutated)) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False
