r"""Read answers a second time, with sympy and nothing of the verifier.

Only what is common in gold answers is read: numbers, expressions, units, ratios, lists, tuples,
sets, intervals, matrices, equations and inequalities. Everything else is its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy

UNIT = re.compile(
    r"(?:\\text|\\mathrm)\s*\{([^{}]*)\}\s*(?:\^\s*\{?(-?\d)\}?)?$|(\^\s*\{?\\circ\}?|\\?%)$"
)
CLOSED = {"(": ")", "[": "]", "{": "}", "\\{": "\\}", "\\langle": "\\rangle"}
BRACKET = re.compile(r"\\[{}]|\\[lr]angle|[()\[\]{}]")
FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(sympy, new)
    for name, new in {
        **{n: n for n in "sin cos tan cot sec csc sinh cosh tanh exp".split()},  # noqa: SIM905
        **{"arcsin": "asin", "arccos": "acos", "arctan": "atan", "ln": "log", "log": "log"},
    }.items()
}
GREEK = "alpha beta gamma delta epsilon theta lambda mu nu rho sigma tau phi omega Delta".split()  # noqa: SIM905
TOKEN = re.compile(r"\\[A-Za-z]+|\d+\.\d+|\.\d+|\d+|\S", re.ASCII)
CONSTANTS = {"e": sympy.E, "i": sympy.I, "\\pi": sympy.pi, "\\infty": sympy.oo}
SIGNS = {"<": "<", ">": ">", "\\leq": "<=", "\\le": "<=", "\\geq": ">=", "\\ge": ">="}


class Unknown(Exception):
    """A text is not one of the readable kinds."""


@dataclass(frozen=True)
class Thing:
    """An answer: its kind, its parts, and a mark such as the brackets, the unit or the signs."""

    kind: str
    parts: tuple[Any, ...] = ()
    mark: str = ""


def tidy(text: str) -> str:
    """Remove what has no meaning."""
    text = re.sub(
        r"\\(?:left|right|displaystyle|,|;|!|:|quad|\s)(?![A-Za-z])|(?<!\\)\$|~", " ", text
    )
    text = re.sub(r"\\[dt]frac", r"\\frac", text)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))(?=[\d,.]*$)", "", text.strip().rstrip("."))
    return re.sub(r"\s+", " ", text).strip()


def split(text: str, separators: str) -> list[str]:
    """Split at separators outside brackets of any kind."""
    parts, depth, start = [], 0, 0
    for token in re.finditer(rf"{BRACKET.pattern}|(?P<at>{separators})", text):
        if token["at"]:
            if depth == 0:
                parts += [text[start : token.start()].strip(), token[0]]
                start = token.end()
        else:
            depth += 1 if token[0] in CLOSED else -1
    return [*parts, text[start:].strip()]


def read(text: str) -> Thing:
    """Read an answer."""
    text = tidy(text).removesuffix("\\pm 0").strip()
    if (bars := re.fullmatch(r"\|([^|]*)\|", text)) and UNIT.search(bars[1]):
        return read(bars[1])
    if text in ("\\emptyset", "\\{\\}"):
        return Thing("words", mark="no solution")
    if text.startswith(("(", "[")) and (unit := UNIT.search(text)):
        return Thing("measure", (read(text[: unit.start()]),), unit_name(unit))
    matrix = re.fullmatch(r"\\begin\{([pb])matrix\}(.*)\\end\{\1matrix\}", text)
    if matrix:
        rows = [[read(cell) for cell in row.split("&")] for row in matrix[2].split("\\\\")]
        return Thing("matrix", tuple(map(tuple, rows)))
    items = split(text, r"[,;]|\\text\{ ?(?:and|or) ?\}")[::2]
    if "\\pm" in text and len(items) == 1:
        return Thing("list", tuple(read(text.replace("\\pm", sign)) for sign in "+-"))
    if len(items) > 1:
        return Thing("list", tuple(read(item) for item in items))
    sides = split(text, r"<|>|\\leq?(?![A-Za-z])|\\geq?(?![A-Za-z])|=")
    if len(sides) > 1:
        return Thing("relation", tuple(map(read, sides[::2])), " ".join(sides[1::2]))
    if len(pieces := split(text, r"\\cup(?![A-Za-z])")) > 1:
        return Thing("union", tuple(map(read, pieces[::2])))
    return read_brackets(text) or read_value(text)


def read_brackets(text: str) -> Thing | None:
    """Read a tuple, an interval or a set, or what is in brackets around one thing."""
    for opened in ("(", "[", "\\{", "\\langle"):
        closing = BRACKET.findall(text)[-1:] if text.startswith(opened) else []
        if closing and text.endswith(closing[0]):
            inner = text[len(opened) : -len(closing[0])]
            parts = split(inner, "[,;]")[::2]
            if len(parts) > 1 or opened == "\\{":
                return Thing("bracket", tuple(map(read, parts)), opened + closing[0])
            return read(inner) if is_balanced(inner) else None
    return None


def is_balanced(text: str) -> bool:
    depth = 0
    for bracket in BRACKET.findall(text):
        depth += 1 if bracket in CLOSED else -1
        if depth < 0:
            return False
    return depth == 0


def unit_name(unit: re.Match[str]) -> str:
    return (unit[1] or unit[3]).strip() + (unit[2] or "")


def read_value(text: str) -> Thing:
    """Read a number or an expression, with its unit, or words."""
    words = re.fullmatch(r"\\text\s*\{([^{}]*)\}|([A-Za-z ]{3,})", text)
    if words:
        return Thing("words", mark=(words[1] or words[2] or "").strip().casefold())
    if text.startswith("\\$"):
        return Thing("measure", (read_value(text[2:]),), "$")
    unit = UNIT.search(text)
    if unit and unit.start():
        value = read_value(text[: unit.start()].strip())
        return Thing("measure", (value,), unit_name(unit))
    if len(parts := text.split(":")) > 1:
        return Thing("ratio", tuple(map(read_value, parts)))
    base = re.fullmatch(r"(\d+)_\{?(\d+)\}?", text)
    if base:
        return Thing("based", mark=f"{base[1]}_{base[2]}")
    try:
        return Thing("value", (Expression(text).tree(),))
    except (Unknown, IndexError, RecursionError):
        return Thing("text", mark=text.replace(" ", ""))


class Expression:
    """Recursive descent over the tokens of an expression."""

    def __init__(self, text: str) -> None:
        self.tokens = [*TOKEN.findall(text), ""]
        self.at = 0

    def tree(self) -> Any:
        tree = self.sum()
        if self.tokens[self.at]:
            raise Unknown
        return tree

    def take(self, *tokens: str) -> str:
        token: str = self.tokens[self.at]
        if tokens and token not in tokens:
            return ""
        self.at += 1
        return token

    def expect(self, token: str) -> None:
        if not self.take(token):
            raise Unknown

    def sum(self) -> Any:
        total = self.product()
        while sign := self.take("+", "-"):
            total = total + self.product() if sign == "+" else total - self.product()
        return total

    def product(self) -> Any:
        sign = 1
        while token := self.take("+", "-"):
            sign = -sign if token == "-" else sign
        whole, value = self.tokens[self.at].isdigit(), self.power()
        while True:
            if self.take("\\cdot", "\\times", "*"):
                value = value * self.product()
            elif self.take("/", "\\div"):
                value = value / self.power()
            elif self.tokens[self.at] in ("", "+", "-", ")", "]", "}", "|", "\\rfloor", "\\rceil"):
                return sign * value
            elif whole and self.tokens[self.at] == "\\frac" and value.is_Integer:
                part = self.power()  # a mixed number, unless the fraction is not a proper number
                value = value + part if part.is_Rational else value * part
            elif self.tokens[self.at][0] in "0123456789." and self.tokens[self.at - 1] != "i":
                raise Unknown
            else:
                value = value * self.power()
            whole = False

    def power(self) -> Any:
        value = self.atom()
        while token := self.take("^", "!"):
            value = sympy.factorial(value) if token == "!" else value ** self.argument()
        return value

    def argument(self) -> Any:
        if self.tokens[self.at] == "{":
            return self.atom()
        if self.tokens[self.at][:1].isdigit():  # one digit: x^12 is x^1 times 2
            digits = self.tokens[self.at]
            if len(digits) > 1:
                raise Unknown
        return self.atom()

    def group(self, closing: str) -> Any:
        value = self.sum()
        self.expect(closing)
        return value

    def atom(self) -> Any:
        token = self.take()
        if not token:
            raise Unknown
        if token[0] in "0123456789.":
            return sympy.Rational(token)
        if token in "({[":
            return self.group(CLOSED[token])
        if token in CONSTANTS:
            return CONSTANTS[token]
        if token in FORMS:
            return FORMS[token](self)
        if token[1:] in FUNCTIONS:
            return self.function(token[1:])
        return self.symbol(token)

    def fraction(self) -> Any:
        top = self.argument()
        return top / self.argument()

    def binomial(self) -> Any:
        top = self.argument()
        return sympy.binomial(top, self.argument())

    def root(self) -> Any:
        degree = self.group("]") if self.take("[") else sympy.Integer(2)
        return self.argument() ** (1 / degree)

    def function(self, name: str) -> Any:
        base = self.argument() if name == "log" and self.take("_") else None
        power = self.argument() if self.take("^") else None
        if self.tokens[self.at] in ("(", "{"):
            value = self.atom()
        else:
            value = self.power()
            while re.fullmatch(r"[A-Za-z]|\\pi|\\theta", self.tokens[self.at]):
                value = value * self.power()
        if power == -1 or self.tokens[self.at] == "/":
            raise Unknown
        value = FUNCTIONS[name](value) if base is None else sympy.log(value, base)
        return value if power is None else value**power

    def symbol(self, token: str) -> Any:
        if not (re.fullmatch("[A-Za-z]", token) or token[1:] in GREEK):
            raise Unknown
        if self.take("_"):
            low = self.take()
            while low == "{" and not (part := self.take("}")):
                token += self.take()
            token += "_" + (low if low != "{" else part)
        while self.take("'"):
            token += "'"
        if token[0] in "fgh" and self.tokens[self.at] == "(":
            return sympy.Function(token)(self.atom())
        return sympy.Symbol(token)


FORMS: dict[str, Callable[[Expression], Any]] = {
    "|": lambda expression: sympy.Abs(expression.group("|")),
    "\\lfloor": lambda expression: sympy.floor(expression.group("\\rfloor")),
    "\\lceil": lambda expression: sympy.ceiling(expression.group("\\rceil")),
    "\\frac": Expression.fraction,
    "\\binom": Expression.binomial,
    "\\sqrt": Expression.root,
}
