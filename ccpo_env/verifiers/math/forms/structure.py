r"""Split the text of an answer: lists, tuples, sets, matrices, sides of a relation."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from ccpo_env.verifiers.math.forms.normalize import unwrapped

MAX_PARTS = 64
"""Largest number of parts of a list, or entries of a matrix, that are compared."""
_MAX_SIGNS = 3

_OPEN = frozenset({"(", "[", "{", "\\{", "\\langle"})
_CLOSING = frozenset({")", "]", "}", "\\}", "\\rangle"})
_BRACKETS = r"\\[{}]|\\[lr]angle(?![A-Za-z])|[()\[\]{}]"
COMMA = re.compile(rf"{_BRACKETS}|(?P<separator>[,;])")
EQUALS = re.compile(rf"{_BRACKETS}|(?P<separator>(?<![<>!])=)")
CUP = re.compile(rf"{_BRACKETS}|(?P<separator>\\cup(?![A-Za-z])|\\text\s*\{{\s*or\s*\}}|\bor\b)")
RELATION = re.compile(rf"{_BRACKETS}|(?P<separator><|>|\\(?:leq|geq|neq)(?![A-Za-z])|(?<![<>!])=)")
_ANY_BRACKET = re.compile(_BRACKETS)
_MATRIX = re.compile(
    r"(?P<scalar>[^&]*?)(?P<opened>[(\[|]?)\s*\\begin\s*\{(?P<kind>[pbBvV]?matrix|smallmatrix|array)\}"
    r"(?:\s*\{[lcr| ]*\})?(?P<cells>.*)\\end\s*\{(?P=kind)\}\s*[)\]|]?",
    re.DOTALL,
)
_ROW = re.compile(r"\[([^\[\]]+)\]")
_ROWS = re.compile(r"\[\s*(\[[^\[\]]+\](?:\s*,\s*\[[^\[\]]+\])*)\s*,?\s*\]")
_AND = re.compile(
    r"\s*,?\s*(?:\\text\s*\{\s*,?\s*(?:and|or)\s*\}|\\&|(?:(?<=[\s\d)}])|^)\b(?:and|or)(?=[\s\d({\\]))"
)
_LISTED_WORDS = re.compile(r"\\text\s*\{([^{}]*(?:,| and | or )[^{}]*)\}")
_MEMBER_OF_SET = re.compile(
    r"^(?:[A-Za-z](?:_\w)?|\([A-Za-z](?:_\w)?(?:\s*,\s*[A-Za-z](?:_\w)?)+\))\s*\\in\s*(?=\\\{)"
)
_SETS = re.compile(r"\\\{[^{}]*\\\}(?:\s*\\cup\s*\\\{[^{}]*\\\})+")
_JOINED_SETS = re.compile(r"\\\}\s*\\cup\s*\\\{")
_SIGNS = re.compile(r"\\[pm][pm](?![A-Za-z])")
_GROUPED = r"(?<![\d.])[1-9]\d{0,2}(?:,\d{3})+(?!\d)"
_DIGIT_GROUPS = re.compile(rf"\([^()]*\)|{_GROUPED}", re.ASCII)  # what is in brackets stays
_PAIR = re.compile(r"[1-9]\d{0,2},\d{3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Parts:
    r"""The texts between commas, and the brackets around them.

    Args:
        opened: "(", "[", `\{` or "" for a bare list.
        items: The texts between the commas.
        closed: ")", "]", `\}` or "".
    """

    opened: str
    items: tuple[str, ...]
    closed: str

    @property
    def is_unordered(self) -> bool:
        """Whether the parts are a list or a set, in any order."""
        return self.opened in ("", "\\{")


def split_top(text: str, separators: re.Pattern[str]) -> list[str]:
    r"""Return the parts between separators outside brackets, of any kind: `[0, 1)` is one."""
    return split_signs(text, separators)[0]


def split_signs(text: str, separators: re.Pattern[str]) -> tuple[list[str], list[str]]:
    """Return the parts between separators outside all brackets, and the separators."""
    parts, signs, start, depth = [], [], 0, 0
    for token in separators.finditer(text):
        name = token[0]
        if name in _OPEN:
            depth += 1
        elif name in _CLOSING:
            depth -= 1
        elif depth == 0:
            parts.append(text[start : token.start()].strip())
            signs.append(name)
            start = token.end()
    return [*parts, text[start:].strip()], signs


def split_parts(text: str) -> Parts:
    """Return the parts of a tuple, set or list; any other text is its own only part."""
    if "\\in" in text:
        text = _MEMBER_OF_SET.sub("", text)
    if "\\cup" in text and "\\{" in text:
        text = _JOINED_SETS.sub(",", text) if _SETS.fullmatch(text) else text
    for opened in ("(", "[", "\\{", "\\langle"):
        if not text.startswith(opened):
            continue
        closed = next((c for c in (")", "]", "\\}", "\\rangle") if text.endswith(c)), "")
        inner = text[len(opened) : len(text) - len(closed)].strip()
        is_odd = (opened == "\\{") != (closed == "\\}")
        if not closed or is_odd or not _is_balanced(inner):
            break
        if opened == "\\langle":
            opened, closed = "(", ")"
        if opened == "(" and "\\" in inner and len(points := _signed(text)) > 1 and "," in inner:
            return Parts("", tuple(points), "")
        is_pair = _PAIR.fullmatch(inner) is not None  # (2,100) is a pair, not 2100
        return Parts(opened, tuple(inner.split(",")) if is_pair else _items(inner), closed)
    return Parts("", _items(text), "")


def _is_balanced(text: str) -> bool:
    depth = 0
    for token in _ANY_BRACKET.finditer(text):
        depth += 1 if token[0] in _OPEN else -1
        if depth < 0:
            return False
    return depth == 0


def _items(text: str) -> tuple[str, ...]:
    r"""Return the parts of a list; `1 \pm x` counts as two, and so does `(\pm 1, 0)`."""
    if "\\text" in text:
        text = _LISTED_WORDS.sub(r"\1", text)
    if "and" in text or "or" in text or "\\&" in text:
        text = _AND.sub(",", text)
    if "," in text:
        text = _DIGIT_GROUPS.sub(_ungrouped, text)
    items: list[str] = []
    for item in split_top(text, COMMA):
        is_point = item.startswith("(") and item.endswith(")")
        is_signed = "\\" in item and ("," not in item or is_point)
        items.extend(_signed(item) if is_signed else [item])
    return tuple(items)


def _ungrouped(match: re.Match[str]) -> str:
    return match[0] if match[0].startswith("(") else match[0].replace(",", "")


def _signed(item: str) -> list[str]:
    """Return an item with each choice of its signs."""
    signs = _SIGNS.findall(item)
    num_free = signs.count("\\pm") or 1
    if not signs or num_free > _MAX_SIGNS:
        return [item]
    is_linked = "\\mp" in signs
    choices = itertools.product("+-", repeat=1 if is_linked else num_free)
    return [_with_signs(item, choice * len(signs) if is_linked else choice) for choice in choices]


def _with_signs(item: str, choice: tuple[str, ...]) -> str:
    r"""Return an item with its signs chosen; `\mp` takes the opposite sign."""
    signs = iter(choice)

    def chosen(sign: re.Match[str]) -> str:
        plus_or_minus = next(signs)
        return plus_or_minus if sign[0] == "\\pm" else "-" if plus_or_minus == "+" else "+"

    return _SIGNS.sub(chosen, item)


@dataclass(frozen=True, slots=True)
class Matrix:
    """The cells of a matrix.

    Args:
        rows: The texts of the cells, row by row.
        scalar: The text of the factor before it; empty for none.
        is_determinant: Whether it is enclosed in bars.
    """

    rows: tuple[tuple[str, ...], ...]
    scalar: str
    is_determinant: bool


def read_matrix(text: str) -> Matrix | None:
    """Return the matrix that a text consists of, with or without a factor, else None."""
    if text.startswith("[[") or (text.startswith("[") and _ROWS.fullmatch(text)):
        return _read_rows(text)
    if "\\begin" not in text:
        return None
    match = _MATRIX.fullmatch(text)
    if match is None or text.count("\\begin") > 1:
        return None
    rows = [tuple(cell.strip() for cell in row.split("&")) for row in match["cells"].split("\\\\")]
    if len(rows) > 1 and rows[-1] == ("",):
        rows.pop()
    is_determinant = match["kind"] in ("vmatrix", "Vmatrix") or match["opened"] == "|"
    return Matrix(tuple(rows), match["scalar"].strip(), is_determinant)


def _read_rows(text: str) -> Matrix | None:
    """Return the matrix that is written as a list of rows, as in Python: [[1, 2], [3, 5]]."""
    match = _ROWS.fullmatch(text)
    if match is None:
        return None
    rows = [_items(row[1]) for row in _ROW.finditer(match[1])]
    return Matrix(tuple(rows), "", is_determinant=False)


_SENTENCE = re.compile(r"(?:[^\W_]|[ ,.'/?!\"-])+")
_LONG_WORD = re.compile(r"[A-Za-z]{3}|[^\x00-\x7f\W\d_]")


def is_sentence(text: str) -> bool:
    r"""Return whether a text is words: in `\text`, or with a word of three letters."""
    plain = unwrapped(text)
    if _SENTENCE.fullmatch(plain) is None:
        return False
    return (plain != text and re.search("[A-Za-z]{2}", plain) is not None) or (
        _LONG_WORD.search(plain) is not None
    )
