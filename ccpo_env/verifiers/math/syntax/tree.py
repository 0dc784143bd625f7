"""The syntax tree of an expression, made by the parser and compared by value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from fractions import Fraction

CONSTANTS = frozenset({r"\pi", "e", "i"})
"""Symbols that have a value."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node: an operation on its arguments, a symbol, or a number.

    Args:
        name: "+", "*", "/", "^", "root", "neg", "!", "binom", "abs", "deg", "call", "number",
            "symbol" or a function.
        args: The arguments; empty for a number and a symbol.
        value: The number, exactly; 0 for other nodes.
        symbol: The symbol's name with its subscript, or the unknown function's; else empty.
    """

    name: str
    args: tuple[Node, ...] = ()
    value: Fraction = Fraction(0)
    symbol: str = ""

    def nodes(self) -> Iterator[Node]:
        """Yield all nodes of the tree, each before its arguments."""
        rest = [self]
        while rest:
            node = rest.pop()
            yield node
            rest.extend(reversed(node.args))

    def symbols(self) -> frozenset[str]:
        r"""Return the names of all symbols in the tree, with `\\pi`, `e` and `i`."""
        return frozenset([node.symbol for node in self.nodes() if node.symbol])

    def has(self, name: str) -> bool:
        """Return whether the tree has a node of this name."""
        return name in [node.name for node in self.nodes()]

    def has_any(self, names: Set[str]) -> bool:
        """Return whether the tree has a node of one of these names."""
        return not names.isdisjoint([node.name for node in self.nodes()])

    def numbers(self) -> Iterator[Fraction]:
        """Yield the numbers in the tree."""
        return (node.value for node in self.nodes() if node.name == "number")


class Unreadable(Exception):
    """A text is not an expression, or has no value."""


def number(value: int | Fraction) -> Node:
    """Return the tree of one number."""
    return Node("number", value=Fraction(value))


def remainder(value: Node, modulus: Node) -> Node:
    """Return the tree of a remainder, value - modulus * floor(value / modulus)."""
    quotient = Node("floor", (Node("/", (value, modulus)),))
    return Node("+", (value, Node("neg", (Node("*", (modulus, quotient)),))))


def replaced(tree: Node, values: Mapping[str, Node]) -> Node:
    """Return a tree with trees in place of its symbols of the given names."""
    if tree.name == "symbol":
        return values.get(tree.symbol, tree)
    args = tuple(replaced(arg, values) for arg in tree.args)
    return Node(tree.name, args, tree.value, tree.symbol)


def free_symbols(*trees: Node) -> frozenset[str]:
    """Return the names of all symbols except the constants."""
    return frozenset().union(*(tree.symbols() for tree in trees)) - CONSTANTS
