r"""Read sums of scaled vectors: `(1,2)+t(3,4)` and `c_1\begin{pmatrix}1\\2\end{pmatrix}e^t`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ccpo_env.verifiers.math.compare.members import all_same
from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.forms.structure import COMMA, MAX_PARTS, read_matrix, split_top
from ccpo_env.verifiers.math.syntax.expression import parse_expression
from ccpo_env.verifiers.math.syntax.tree import Node, number
from ccpo_env.verifiers.math.values.equality import same_value

_COLUMN = re.compile(
    r"\\begin\s*\{(?P<kind>[pbB]?matrix|smallmatrix|array)\}.*?\\end\s*\{(?P=kind)\}", re.DOTALL
)
_BRACKET = re.compile(r"[()]|\\langle(?![A-Za-z])|\\rangle(?![A-Za-z])|[{}\[\]]")
_SIGN = re.compile(rf"{_BRACKET.pattern}|(?P<separator>[+-])")
_OPENED = frozenset({"(", "\\langle", "{", "["})
_VECTORS = frozenset({"(", "\\langle"})
_MAX_TERMS = 8


@dataclass(frozen=True, slots=True)
class _Term:
    """A vector and the texts before and after it, whose product is its factor."""

    before: str
    cells: tuple[Node, ...]
    after: str


def same_vectors(answer: Reading, gold: Reading) -> bool | None:
    """Compare two vectors by component if one is a sum of scaled vectors; None for other pairs."""
    texts = answer.text, gold.text
    if not all("(" in text or "\\begin" in text or "\\langle" in text for text in texts):
        return None
    terms = [_terms(text) for text in texts]
    if not all(terms) or all(map(_is_plain, terms)) or any(map(_is_named, terms)):
        return None
    first, second = (_sum(each) for each in terms)
    if first is None or second is None:
        return None
    if len(first) != len(second):
        return False
    return all_same(same_value(a, b) for a, b in zip(first, second, strict=True))


def is_sum_of_vectors(reading: Reading) -> bool:
    """Return whether a reading is a sum of scaled vectors whose factors can be parsed."""
    if "(" not in reading.text and "\\begin" not in reading.text:
        return False
    terms = _terms(reading.text)
    return bool(terms) and _sum(terms) is not None


def _is_plain(terms: list[_Term]) -> bool:
    """Return whether a vector has no factor; other comparisons know its brackets and labels."""
    return len(terms) == 1 and not terms[0].before and not terms[0].after


def _is_named(terms: list[_Term]) -> bool:
    """Return whether a vector is a point with a name or an unknown function: P(1,2), f(1,2)."""
    return len(terms) == 1 and re.fullmatch("[A-Zfgh]", terms[0].before) is not None


def _terms(text: str) -> list[_Term]:
    """Return the terms of a sum of vectors; none for any other text."""
    spans = _spans(text)
    if not spans or len(spans) > _MAX_TERMS:
        return []
    terms, start = [], 0
    for index, (low, high, cells) in enumerate(spans):
        stop = spans[index + 1][0] if index + 1 < len(spans) else len(text)
        end = _end_of_term(text, high, stop) if index + 1 < len(spans) else stop
        terms.append(_Term(text[start:low].strip(), cells, text[high:end].strip()))
        start = end
    return terms


def _spans(text: str) -> list[tuple[int, int, tuple[Node, ...]]]:
    """Return where the vectors of a text are, and their components."""
    found, at = [], 0
    while at < len(text):
        column, bracket = _COLUMN.search(text, at), _BRACKET.search(text, at)
        if column and (bracket is None or column.start() <= bracket.start()):
            low, high = column.span()
            matrix = read_matrix(column[0])
            rows = matrix.rows if matrix else ()
            cells = [row[0] for row in rows] if all(len(row) == 1 for row in rows) else []
        elif bracket:
            low, high = bracket.start(), _closing(text, bracket.start())
            is_vector = bracket[0] in _VECTORS
            inner = text[bracket.end() : high - len("\\rangle" if "langle" in bracket[0] else ")")]
            cells = split_top(inner, COMMA) if is_vector and "," in inner else []
        else:
            break
        trees = [parse_expression(cell) for cell in cells]
        known = tuple(tree for tree in trees if tree is not None)
        if 1 < len(known) == len(trees) <= MAX_PARTS:
            found.append((low, high, known))
        at = max(high, at + 1)
    return found


def _closing(text: str, start: int) -> int:
    """Return the end of the bracket that opens at a place, or the end of the text."""
    depth = 0
    for bracket in _BRACKET.finditer(text, start):
        depth += 1 if bracket[0] in _OPENED else -1
        if depth == 0:
            return bracket.end()
    return len(text)


def _end_of_term(text: str, start: int, stop: int) -> int:
    """Return where a term ends: at the last sign outside brackets before the next vector."""
    depth, signs = 0, []
    for index in range(start, stop):
        depth += (text[index] in "({[") - (text[index] in ")}]")
        if depth == 0 and text[index] in "+-":
            signs.append(index)
    return signs[0] if signs else stop


def _sum(terms: list[_Term]) -> list[Node] | None:
    """Return the components of a sum; None if a factor cannot be parsed or the sizes differ."""
    total: list[Node] = []
    for index, term in enumerate(terms):
        factor = _factor(term, is_first=index == 0)
        if factor is None or (total and len(total) != len(term.cells)):
            return None
        scaled = [Node("*", (factor, cell)) for cell in term.cells]
        pairs = zip(total, scaled, strict=True) if total else ()
        total = [Node("+", pair) for pair in pairs] or scaled
    return total


def _factor(term: _Term, *, is_first: bool) -> Node | None:
    """Return the factor of a vector: the product of the texts before and after it."""
    before = re.sub(r"\\(?:cdot|times)\s*$", "", term.before).strip()
    sign = before[:1] if before[:1] in ("+", "-") else ""
    if not is_first and not sign:
        return None  # two vectors side by side are no sum
    factors = [before.removeprefix(sign).strip(), term.after]
    if any(len(split_top(text, _SIGN)) > 1 for text in factors):
        return None  # a term that is no vector
    trees = [number(1) if not text else parse_expression(text) for text in factors]
    if trees[0] is None or trees[1] is None:
        return None
    product = Node("*", (trees[0], trees[1]))
    return Node("neg", (product,)) if sign == "-" else product
