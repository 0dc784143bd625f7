r"""Parse LaTeX arithmetic into a tree; no names are looked up and no code is run.

The grammar is a whitelist: numbers, symbols, `+ - * /`, powers, roots, fractions, binomials,
factorials, absolute values and the elementary functions. Any other text is not an expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import reduce

from ccpo_env.verifiers.math.syntax.products import juxtaposed, may_follow
from ccpo_env.verifiers.math.syntax.tokens import (
    ACCENTED,
    CHOOSE,
    CLOSING,
    DEGREES,
    DERIVATIVE,
    DIGIT,
    NUMERAL,
    OVER,
    RATE,
    STOPS,
    SUBSCRIPT,
    TIMES,
    TOKEN,
    ZERO_ARGUMENT,
    number_of,
    operation,
    rate_name,
)
from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable, number
from ccpo_env.verifiers.math.syntax.vocabulary import ACCENTS, CHOICES, FUNCTIONS, GREEK, INVERSES

MAX_DEPTH = 64
"""Deepest nesting of atoms and arguments."""
MAX_FACTORS = 200
"""Largest number of numbers and symbols, which also bounds the depth of the tree."""


def parse_expression(latex: str) -> Node | None:
    """Return the tree of a cleaned LaTeX text, or None if it is not an expression."""
    try:
        return _Parser(latex).parse()
    except Unreadable:
        return None


class _Parser:
    r"""Recursive descent over the text, so that `\\frac12` can take one digit."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._num_factors = 0
        self._num_bars = 0

    def parse(self) -> Node:
        tree = self._sum()
        if self._peek():
            raise Unreadable
        return tree

    def _peek(self) -> str:
        match = TOKEN.search(self._text, self._at)
        return match[0] if match else ""

    def _next(self) -> str:
        match = TOKEN.search(self._text, self._at)
        if match is None:
            raise Unreadable
        self._at = match.end()
        return match[0]

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match:
            self._at = match.end()
        return match

    def _sum(self) -> Node:
        tree = self._signed_product()
        while self._peek() in ("+", "-"):
            tree = Node("+", (tree, self._signed_product()))
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
            if token in TIMES or token in OVER:
                tree = operation(self._next(), tree, self._signed_power())
            elif self._stops(token):
                return tree
            elif NUMERAL.match(token) and not may_follow(tree, self._text, self._at):
                raise Unreadable
            else:
                tree = juxtaposed(tree, self._power(), token)

    def _stops(self, token: str) -> bool:
        return token in STOPS or (token == "|" and self._num_bars > 0)

    def _signed_power(self) -> Node:
        if self._peek() in ("+", "-"):
            return Node("neg", (self._power(),)) if self._next() == "-" else self._power()
        return self._power()

    def _power(self) -> Node:
        tree = self._atom()
        while self._peek() in ("!", "!!"):
            self._count_factor()
            tree = Node(self._next(), (tree,))
        if self._take(DEGREES):
            return Node("deg", (tree,))
        if self._peek() != "^":
            return tree
        self._next()
        tree = Node("^", (tree, self._argument()))
        if self._peek() in ("^", "!", "!!"):
            raise Unreadable
        return tree

    def _nested(self, read: Callable[[], Node]) -> Node:
        """Return what a method parses, unless the recursion is too deep."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unreadable
        tree = read()
        self._depth -= 1
        return tree

    def _argument(self) -> Node:
        """Parse the content of braces or parentheses, or one digit or letter."""
        return self._nested(self._read_argument)

    def _read_argument(self) -> Node:
        if self._peek() in ("{", "("):
            return self._group()
        if self._peek() == "-":
            self._next()
            return Node("neg", (self._argument(),))
        digit = self._take(DIGIT)
        if digit:
            return number(int(digit[1]))
        if self._peek()[1:] in FUNCTIONS:
            raise Unreadable
        return self._atom()

    def _group(self) -> Node:
        opened = self._next()
        closed = CLOSING.get(opened)
        if closed is None:
            raise Unreadable
        bars, self._num_bars = self._num_bars, int(opened == "|")
        tree = self._sum()
        self._num_bars = bars
        if self._next() != closed:
            raise Unreadable
        name = {"|": "abs", r"\lfloor": "floor", r"\lceil": "ceil"}.get(opened)
        return Node(name, (tree,)) if name else tree

    def _atom(self) -> Node:
        self._count_factor()
        return self._nested(self._read_atom)

    def _read_atom(self) -> Node:
        token = self._peek()
        if token in CLOSING:
            return self._group()
        self._next()
        if NUMERAL.match(token):
            return number_of(token)
        if token.startswith("\\"):
            return self._macro(token[1:])
        if not re.fullmatch("[A-Za-z]", token):
            raise Unreadable
        if token == "C" and (choose := self._take(CHOOSE)):
            return Node("binom", tuple(number(int(part)) for part in choose.groups() if part))
        return self._called(self._symbol(token))

    def _count_factor(self) -> None:
        self._num_factors += 1
        if self._num_factors > MAX_FACTORS:
            raise Unreadable

    def _called(self, symbol: Node) -> Node:
        """Return the call of an unknown function, f(x) or I(0), or the symbol itself."""
        name = symbol.symbol
        is_call = self._peek() == "(" and (
            name[0] in "fgh" or ZERO_ARGUMENT.match(self._text, self._at) is not None
        )
        return Node("call", (self._group(),), symbol=name) if is_call else symbol

    def _symbol(self, name: str) -> Node:
        if self._peek() == "_":
            self._next()
            subscript = self._take(SUBSCRIPT)
            if subscript is None or NUMERAL.match(name[-1]):
                raise Unreadable
            name += "_" + (subscript[1] or subscript[2]).replace(" ", "")
        while self._peek() == "'":
            self._next()
            name += "'"
        return Node("symbol", symbol=name)

    def _macro(self, name: str) -> Node:
        if name in GREEK:
            return self._symbol("\\" + name)
        if name in ("frac", "binom"):
            return self._quotient(name)
        if name == "sqrt":
            return self._root()
        if name == "log" and self._peek() == "_":
            self._next()
            base = self._argument()
            return Node("/", (Node("ln", (self._operand(),)), Node("ln", (base,))))
        if name in FUNCTIONS:
            return self._call(name)
        if name in CHOICES:
            return self._choice(name)
        accented = self._take(ACCENTED) if name in ACCENTS else None
        if accented:
            return self._accented(name, next(filter(None, accented.groups())))
        if name in ("overline", "bar"):
            return self._conjugate()
        raise Unreadable

    def _quotient(self, name: str) -> Node:
        if name == "frac" and (rate := self._take(DERIVATIVE)):
            return Node("symbol", symbol=rate_name(rate))
        if name == "frac" and RATE.match(self._text, self._at):
            raise Unreadable
        top, bottom = self._argument(), self._argument()
        return Node("/" if name == "frac" else "binom", (top, bottom))

    def _conjugate(self) -> Node:
        group = self._group()
        if "i" not in group.symbols():
            raise Unreadable  # a bar over a real number has several meanings
        return Node("conj", (group,))

    def _choice(self, name: str) -> Node:
        r"""Return a maximum, minimum or common divisor or multiple of numbers: `\\max(1, 2)`."""
        opened = self._next()
        if opened == "\\" and self._peek() == "{":
            opened = self._next()
        if opened not in ("(", "{"):
            raise Unreadable
        args = [self._sum()]
        while (token := self._next()) == ",":
            args.append(self._sum())
        if token == "\\":
            token = self._next()
        if token != CLOSING[opened] or len(args) < 2:
            raise Unreadable
        return reduce(lambda first, second: Node(name, (first, second)), args)

    def _accented(self, name: str, symbol: str) -> Node:
        is_roman = name in ("mathrm", "text", "mathit")
        if is_roman and len(symbol) > 1:
            raise Unreadable  # a word
        return self._symbol(symbol if is_roman else f"{name} {symbol}")

    def _root(self) -> Node:
        degree = self._group() if self._peek() == "[" else number(2)
        return Node("root", (self._argument(), degree))

    def _call(self, name: str) -> Node:
        power = None
        if self._peek() == "^":
            self._next()
            power = self._argument()
            if power == Node("neg", (number(1),)):
                if name not in INVERSES:
                    raise Unreadable
                name, power = INVERSES[name], None
        tree = Node(name, (self._operand(),))
        return tree if power is None else Node("^", (tree, power))

    def _operand(self) -> Node:
        """Parse a group, or the product up to the next sign, operator or function."""
        if self._peek() in ("(", "{"):
            return self._group()
        tree = self._signed_power()
        while True:
            token = self._peek()
            if token in OVER:
                raise Unreadable  # some authors read sin x/2 as half the sine
            if self._stops(token) or token[1:] in FUNCTIONS or token in ("(", "["):
                return tree
            tree = Node("*", (tree, self._power()))
