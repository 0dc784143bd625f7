r"""Read LaTeX of arithmetic as a tree, and nothing else: no names are looked up, no code is run.

The grammar is a whitelist: numbers, symbols, `+ - * /`, powers, roots, fractions, binomials,
factorials and the elementary functions. Any other text is no expression.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

MAX_DEPTH = 64
"""Most brackets, powers and arguments inside one another, each counted where it opens."""
MAX_FACTORS = 200
"""Most numbers and symbols, and so the deepest tree."""

FUNCTIONS = frozenset(
    "sin cos tan cot sec csc sinh cosh tanh arcsin arccos arctan ln exp".split()  # noqa: SIM905
)
_GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "varepsilon",
        "zeta",
        "eta",
        "theta",
        "vartheta",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "rho",
        "sigma",
        "tau",
        "phi",
        "varphi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Sigma",
        "Phi",
        "Psi",
        "Omega",
        "pi",
    ]
)
_TIMES = frozenset({r"\cdot", r"\times", "*"})
_OVER = frozenset({r"\div", "/"})
_STOPS = frozenset({"", "+", "-", ")", "}", "]", ","}) | _TIMES | _OVER
_TOKEN = re.compile(r"\\[A-Za-z]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|\S", re.ASCII)
_MAX_POWER_OF_TEN = 256


@dataclass(frozen=True, slots=True)
class Node:
    """One operation on its arguments, one symbol, or one number.

    Args:
        name: "+", "*", "/", "^", "root", "neg", "!", "binom", "number", "symbol" or a function.
        args: The arguments; empty for a number and a symbol.
        value: The number, exactly; 0 for other nodes.
        symbol: The symbol's name with its subscript; empty for other nodes.
    """

    name: str
    args: tuple[Node, ...] = ()
    value: Fraction = Fraction(0)
    symbol: str = ""

    def symbols(self) -> frozenset[str]:
        r"""Return the names of all symbols in the tree, with `\\pi`, `e` and `i`."""
        if self.symbol:
            return frozenset({self.symbol})
        return frozenset().union(*(arg.symbols() for arg in self.args))


class Unreadable(Exception):
    """A text is not an expression, or has no value."""


def parse_expression(latex: str) -> Node | None:
    """Return the tree of a cleaned LaTeX text, or None if it is anything but an expression."""
    try:
        return _Parser(latex).parse()
    except Unreadable:
        return None


class _Parser:
    r"""Recursive descent over the text, so that `\\frac12` and `x^12` can take one digit."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._num_factors = 0

    def parse(self) -> Node:
        tree = self._sum()
        if self._peek():
            raise Unreadable
        return tree

    def _peek(self) -> str:
        match = _TOKEN.search(self._text, self._at)
        return match[0] if match else ""

    def _next(self) -> str:
        match = _TOKEN.search(self._text, self._at)
        if match is None:
            raise Unreadable
        self._at = match.end()
        return match[0]

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise Unreadable

    def _sum(self) -> Node:
        self._depth += 1
        tree = self._signed_product()
        while self._peek() in ("+", "-"):
            tree = Node("+", (tree, self._signed_product()))
        self._depth -= 1
        return tree

    def _signed_product(self) -> Node:
        is_negative = False
        while self._peek() in ("+", "-"):
            is_negative ^= self._next() == "-"
        tree = self._product()
        return Node("neg", (tree,)) if is_negative else tree

    def _product(self) -> Node:
        tree = self._power()
        while True:
            token = self._peek()
            if token in _TIMES or token in _OVER:
                self._next()
                right = self._signed_power()
                tree = Node("*" if token in _TIMES else "/", (tree, right))
            elif token in _STOPS:
                return tree
            elif re.match(r"[\d.]", token):
                raise Unreadable  # "2 3" and "x2" are slips, or more than one number
            else:
                right = self._power()
                is_mixed = tree.name == "number" and token == r"\frac" and _is_proper(right)
                tree = Node("+" if is_mixed else "*", (tree, right))

    def _signed_power(self) -> Node:
        if self._peek() in ("+", "-"):
            return Node("neg", (self._power(),)) if self._next() == "-" else self._power()
        return self._power()

    def _power(self) -> Node:
        self._depth += 1
        tree = self._atom()
        self._depth -= 1
        while self._peek() == "!":
            self._next()
            self._count_factor()
            tree = Node("!", (tree,))
        if self._peek() != "^":
            return tree
        self._next()
        tree = Node("^", (tree, self._argument()))
        if self._peek() in ("^", "!"):
            raise Unreadable
        return tree

    def _argument(self) -> Node:
        """Return what stands in braces or parentheses, or one digit or letter."""
        if self._peek() in ("{", "("):
            return self._group()
        digit = re.compile(r"\s*(\d)", re.ASCII).match(self._text, self._at)
        if digit:
            self._at = digit.end()
            return Node("number", value=Fraction(int(digit[1])))
        if self._peek() in FUNCTIONS:
            raise Unreadable
        return self._atom()

    def _group(self) -> Node:
        close = {"{": "}", "(": ")", "[": "]"}.get(self._next())
        if close is None:
            raise Unreadable
        tree = self._sum()
        self._expect(close)
        return tree

    def _atom(self) -> Node:
        self._count_factor()
        token = self._peek()
        if token in ("{", "(", "["):
            return self._group()
        self._next()
        if re.match(r"[\d.]", token):
            return _number(token)
        if token.startswith("\\"):
            return self._macro(token[1:])
        if re.fullmatch("[A-Za-z]", token):
            if self._calls_unknown(token):
                raise Unreadable
            return self._symbol(token)
        raise Unreadable

    def _count_factor(self) -> None:
        self._num_factors += 1
        if self._num_factors > MAX_FACTORS or self._depth > MAX_DEPTH:
            raise Unreadable

    def _calls_unknown(self, name: str) -> bool:
        """Return whether a letter is a function that nobody knows: f(x), or I at 0."""
        return self._peek() == "(" and (
            name in "fgh" or re.compile(r"\s*\(\s*0\s*\)").match(self._text, self._at) is not None
        )

    def _symbol(self, name: str) -> Node:
        if self._peek() == "_":
            self._next()
            subscript = re.compile(r"\s*(?:\{([A-Za-z0-9, ]+)\}|([A-Za-z0-9]))", re.ASCII).match(
                self._text, self._at
            )
            if subscript is None:
                raise Unreadable
            self._at = subscript.end()
            name += "_" + (subscript[1] or subscript[2]).replace(" ", "")
        return Node("symbol", symbol=name)

    def _macro(self, name: str) -> Node:
        if name in _GREEK:
            return self._symbol("\\" + name)
        if name in ("frac", "binom"):
            top, bottom = self._argument(), self._argument()
            if top.symbols() and _is_differential(top) and _is_differential(bottom):
                raise Unreadable
            return Node("/" if name == "frac" else "binom", (top, bottom))
        if name == "sqrt":
            return self._root()
        if name == "log" and self._peek() == "_":
            self._next()
            base = self._argument()
            return Node("/", (Node("ln", (self._operand(),)), Node("ln", (base,))))
        if name in FUNCTIONS:
            return self._call(name)
        raise Unreadable

    def _root(self) -> Node:
        degree = Node("number", value=Fraction(2))
        if self._peek() == "[":
            degree = self._group()
        return Node("root", (self._argument(), degree))

    def _call(self, name: str) -> Node:
        power = None
        if self._peek() == "^":
            self._next()
            power = self._argument()
            if power.name == "neg":
                raise Unreadable  # sin^{-1} is an inverse to some and a reciprocal to others
        tree = Node(name, (self._operand(),))
        return tree if power is None else Node("^", (tree, power))

    def _operand(self) -> Node:
        """Return a group, or the product up to the next sign, operator or function."""
        if self._peek() in ("(", "{"):
            tree = self._group()
            if self._peek() == "^":
                raise Unreadable  # the power of the argument, or of the function
            return tree
        tree = self._signed_power()
        while True:
            token = self._peek()
            if token in _OVER:
                raise Unreadable  # sin x/2 is half the sine to some
            if token in _STOPS or token[1:] in FUNCTIONS or token == "(":
                return tree
            tree = Node("*", (tree, self._power()))


def _number(token: str) -> Node:
    exponent = re.search(r"[eE](.*)", token)
    if exponent and abs(int(exponent[1])) > _MAX_POWER_OF_TEN:
        raise Unreadable
    return Node("number", value=Fraction(token.rstrip(".") or "0"))


def _is_proper(tree: Node) -> bool:
    """Return whether a fraction is the second part of a mixed number."""
    if tree.name != "/" or any(arg.name != "number" for arg in tree.args):
        return False
    top, bottom = (arg.value for arg in tree.args)
    if not 0 < top < bottom:
        raise Unreadable  # "2\\frac{3}{2}" is a product or a slip
    return True


def _is_differential(tree: Node) -> bool:
    """Return whether a tree starts with d or a function's rate: dx over dt does not cancel."""
    while tree.args:
        tree = tree.args[0]
    return tree.symbol == "d"
