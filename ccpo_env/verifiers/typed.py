r"""Compare two answers by what they are: a value, a measure, a list, an interval, a matrix.

Every rule returns True, False, or None when it does not apply or cannot tell; None leaves the
answers to math-verify.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from ccpo_env.verifiers.expression import Node, parse_expression
from ccpo_env.verifiers.normalize import MAX_CHARS, has_long_number, same_number, same_text
from ccpo_env.verifiers.units import split_unit, units_agree
from ccpo_env.verifiers.values import free_symbols, same_equation, same_value

MAX_PARTS = 64
"""Most parts of a list and entries of a matrix that are compared here."""

_MATRIX = re.compile(
    r"[(\[]?\s*\\begin\{(?P<kind>[pbBv]?matrix|array)\}(?:\{[lcr| ]*\})?(?P<cells>.*)"
    r"\\end\{(?P=kind)\}\s*[)\]]?",
    re.DOTALL,
)
_AND = re.compile(r"\\text\s*\{\s*(?:and|or)\s*\}|(?<=[\s\d)}])(?:and|or)(?=[\s\d({\\])")
_CLOSE = {"(": ")", "[": "]", "\\{": "\\}"}
_BRACKET = re.compile(r"\\[{}]|[()\[\]{},]|\\cup(?![A-Za-z])|(?<![<>!])=")
_LABEL = re.compile(
    r"\s*\\text\s*\{[^{}=]*\}\s*|\s*\|[A-Z]+\|\s*|\s*\\frac\s*\{[A-Z]+\}\s*\{[A-Z]+\}\s*"
    r"|\s*\((?:\s*[A-Za-z](?:_\w|_\{\w+\})?\s*[,)])+\s*"
    r"|\s*(?:\\angle|\\triangle)?\s*(?:[A-Za-z]+|\\[a-zA-Z]+)(?:_\w|_\{\w+\})?(?:\([a-z]\))?\s*"
)
_MEMBER = re.compile(r"^\s*[A-Za-z]\s*\\in(?![A-Za-z])\s*(?=[\[(]|\\\{)")
_STYLED = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf|it)|mbox)\s*\{([^{}]*)\}")
_SENTENCE = re.compile(r"[A-Za-z0-9 ,.'-]+")
_LONG_WORD = re.compile(r"[A-Za-z]{4}")
_INFINITY = re.compile(r"\s*([+-]?)\s*\\infty\s*")
_QUALIFIED = re.compile(
    r"\d\s*\\text\s*\{[^{}]*\b(?:or|more|less|fewer|least|most|not|than|only|except|if)\b[^{}]*\}\s*$"
)
_REALS = re.compile(r"\s*\\mathbb\s*\{R\}\s*")
_SIGN = r"(<|>|\\(?:l|g)(?:eq?(?:slant)?|t)(?![A-Za-z]))"
_RELATION = re.compile(_SIGN)
_VARIABLE = re.compile(r"\s*([A-Za-z]|\\(?!infty)[a-z]+)(?:\([a-z]\))?\s*")
_BUILDER = re.compile(r"\s*\\\{\s*[A-Za-z]\s*(?:\\mid|\||:)(.*)\\\}\s*", re.DOTALL)
_PM = re.compile(r"\\pm(?![A-Za-z])")
_DIGIT_GROUP = re.compile(r"\d,\s?\d{3}(?!\d)", re.ASCII)
_RATIO = re.compile(r"\s*(\d+)\s*:\s*(\d+)\s*", re.ASCII)


def same_typed(answer: str, gold: str) -> bool | None:
    """Return whether two cleaned answers are the same mathematics, or None if undecided."""
    if max(len(answer), len(gold)) > MAX_CHARS or has_long_number(answer + gold):
        return None
    answer, gold = _MEMBER.sub("", answer), _MEMBER.sub("", gold)
    if "\\text" not in answer + gold:
        answer, gold = as_interval(answer), as_interval(gold)
    answer, gold = _AND.sub(",", answer), _AND.sub(",", gold)
    if (equal := _same_matrix(answer, gold)) is not None:
        return equal
    if (equal := _same_equation(answer, gold)) is not None:
        return equal
    equal = _same_parts(answer, gold)
    return False if equal is None and _are_sentences(answer, gold) else equal


def _are_sentences(a: str, b: str) -> bool:
    r"""Return whether two texts are words: one in `\text`, or not products of the same letters."""
    plain = [_STYLED.sub(r"\1", text) for text in (a, b)]
    if "\\text" in a + b and all(_SENTENCE.fullmatch(text) for text in plain):
        return True
    is_text = all(_SENTENCE.fullmatch(text) for text in plain)
    is_text = is_text and any(_LONG_WORD.search(text) for text in plain)
    return is_text and sorted(plain[0].casefold()) != sorted(plain[1].casefold())


def as_interval(text: str) -> str:
    """Return an inequality that bounds one letter, or all reals, as an interval."""
    if _REALS.fullmatch(text):
        return r"(-\infty,\infty)"
    builder = _BUILDER.fullmatch(text)
    parts = _RELATION.split(builder[1] if builder else text)
    if len(parts) not in (3, 5) or "," in text or "=" in text:
        return text
    if len(parts) == 3:
        below = [parts[0], *parts[1:]] if _VARIABLE.fullmatch(parts[2]) else None
        parts = [*below, "<", r"\infty"] if below else parts
        if below is None and _VARIABLE.fullmatch(parts[0]):
            parts = [r"-\infty", "<", *parts] if _is_less(parts[1]) else [r"\infty", ">", *parts]
        elif below is not None and not _is_less(below[1]):
            parts = [*below, ">", r"-\infty"]
    if len(parts) != 5 or not _VARIABLE.fullmatch(parts[2]):
        return text
    if _is_less(parts[1]) != _is_less(parts[3]):
        return text
    parts = parts if _is_less(parts[1]) else parts[::-1]
    opened = "[" if "e" in parts[1] else "("
    return f"{opened}{parts[0]},{parts[4]}{']' if 'e' in parts[3] else ')'}"


def _is_less(sign: str) -> bool:
    return sign == "<" or sign.startswith("\\l")


def split_top(text: str, separator: str) -> list[str]:
    r"""Return the parts between separators outside all brackets; `[0, 1)` is a bracket."""
    parts, start, depth = [], 0, 0
    for token in _BRACKET.finditer(text):
        name = token[0]
        if name in ("(", "[", "{", "\\{"):
            depth += 1
        elif name in (")", "]", "}", "\\}"):
            depth -= 1
        elif name == separator and depth == 0:
            parts.append(text[start : token.start()])
            start = token.end()
    return [*parts, text[start:]]


def _same_parts(a: str, b: str) -> bool | None:
    a, b = a.strip(), b.strip()
    (open_a, inner_a, close_a), (open_b, inner_b, close_b) = _unwrap(a), _unwrap(b)
    items_a, items_b = _items(inner_a), _items(inner_b)
    is_list_a, is_list_b = (open_a in ("", "\\{")), (open_b in ("", "\\{"))
    if len(items_a) == len(items_b) == 1:
        unions = split_top(a, r"\cup"), split_top(b, r"\cup")
        if len(unions[0]) > 1 or len(unions[1]) > 1:
            # Ends that meet may be written as one interval, so a difference decides nothing.
            return _match(unions[0], unions[1], _same_parts) or None
        if "\\{" in (open_a, open_b):
            a, b = (inner_a if is_list_a else a), (inner_b if is_list_b else b)
        return _same_single(a, b)
    if 1 in (len(items_a), len(items_b)) or is_list_a != is_list_b:
        return _same_kinds((items_a, is_list_a, a), (items_b, is_list_b, b))
    if is_list_a:
        return _match(items_a, items_b, _same_parts)
    if (open_a, close_a) != (open_b, close_b):
        return False
    if len(items_a) != len(items_b) or len(items_a) > MAX_PARTS:
        return False if len(items_a) != len(items_b) else None
    return _all(_same_parts(x, y) for x, y in zip(items_a, items_b, strict=True))


def _items(text: str) -> list[str]:
    r"""Return the parts of a list; `1 \pm x` is two of them."""
    parts = []
    for item in split_top(text, ","):
        signed = [_PM.sub(sign, item) for sign in "+-"] if len(_PM.findall(item)) == 1 else [item]
        parts.extend(signed)
    return parts


def _same_kinds(
    first: tuple[list[str], bool, str], second: tuple[list[str], bool, str]
) -> bool | None:
    """Compare a list with one thing, and with a tuple or an interval."""
    for (items, is_list, _), (others, _, other) in ((first, second), (second, first)):
        if is_list and len(items) > 1:
            if _DIGIT_GROUP.search(",".join(items)):
                return None  # or a number
            if len(others) == 1 or items[0].strip().startswith("("):
                return _match(items, [other], _same_parts)
            return False if "[" in other or "]" in other else None
    bracketed = first if len(first[0]) > 1 else second
    single = (second if bracketed is first else first)[2]
    return None if bracketed[1] or parse_expression(single) is None else False


def _unwrap(text: str) -> tuple[str, str, str]:
    """Return the brackets around a whole text, if they hold more than an expression does."""
    for opened in _CLOSE:
        if not text.startswith(opened):
            continue
        closed = next((c for c in (")", "]", "\\}") if text.endswith(c)), "")
        inner = text[len(opened) : len(text) - len(closed)]
        if not closed or (opened == "\\{") != (closed == "\\}"):
            break
        if _is_balanced(inner):
            return opened, inner, closed
    return "", text, ""


def _is_balanced(text: str) -> bool:
    depth = 0
    for token in _BRACKET.finditer(text):
        depth += (token[0] in ("(", "[", "{", "\\{")) - (token[0] in (")", "]", "}", "\\}"))
        if depth < 0:
            return False
    return depth == 0


def _match(
    first: Sequence[str], second: Sequence[str], same: Callable[[str, str], bool | None]
) -> bool | None:
    """Return whether two unordered lists hold the same things; one thing counts once."""
    if max(len(first), len(second)) > MAX_PARTS:
        return None
    if len(first) != len(second):
        return _match_sets(first, second, same)
    rest, undecided = list(second), False
    for part in first:
        verdicts = [same(part, other) for other in rest]
        if True in verdicts:
            rest.pop(verdicts.index(True))
        elif None in verdicts:
            undecided = True
        else:
            return None if undecided else False
    return None if undecided else True


def _match_sets(
    first: Sequence[str], second: Sequence[str], same: Callable[[str, str], bool | None]
) -> bool | None:
    """Return whether each thing of either list is in the other one."""
    table = [[same(part, other) for other in second] for part in first]
    lines = [*table, *(list(column) for column in zip(*table, strict=True))]
    if any(verdict is True for line in lines for verdict in line) and all(
        True in line for line in lines
    ):
        return True
    return False if any(set(line) == {False} for line in lines) else None


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    found = list(verdicts)
    if False in found:
        return False
    return None if None in found else True


def _same_single(a: str, b: str) -> bool | None:
    if same_text(a, b):
        return True
    infinite = _INFINITY.fullmatch(a), _INFINITY.fullmatch(b)
    if infinite[0] or infinite[1]:
        return _same_infinity(*infinite, finite=b if infinite[0] else a)
    if bool(_QUALIFIED.search(a)) != bool(_QUALIFIED.search(b)):
        return False
    (value_a, unit_a), (value_b, unit_b) = split_unit(a), split_unit(b)
    if not units_agree(unit_a, unit_b):
        return False
    if "%" in (unit_a, unit_b) and unit_a != unit_b:
        return _same_percent(value_a, value_b) if unit_a else _same_percent(value_b, value_a)
    if same_text(value_a, value_b):
        return True
    ratio_a, ratio_b = _RATIO.fullmatch(value_a), _RATIO.fullmatch(value_b)
    if ratio_a and ratio_b:
        if unit_a or unit_b:  # times of the day
            return ratio_a.groups() == ratio_b.groups()
        products = int(ratio_a[1]) * int(ratio_b[2]), int(ratio_a[2]) * int(ratio_b[1])
        return None if products[0] == products[1] else False
    equal = same_number(value_a, value_b)
    if equal is not None:
        return equal
    trees = parse_expression(value_a), parse_expression(value_b)
    return None if trees[0] is None or trees[1] is None else same_value(*_pair(trees))


def _same_infinity(
    first: re.Match[str] | None, second: re.Match[str] | None, *, finite: str
) -> bool | None:
    if first and second:
        return (first[1] == "-") == (second[1] == "-")
    return None if parse_expression(finite) is None else False


def _pair(trees: Sequence[Node | None]) -> tuple[Node, Node]:
    first, second = trees
    assert first is not None
    assert second is not None
    return first, second


def _same_percent(marked: str, bare: str) -> bool | None:
    """Return whether a percentage is a number: its hundredth or, from 1 % on, its sign dropped."""
    trees = parse_expression(marked), parse_expression(bare)
    if trees[0] is None or trees[1] is None:
        return None
    hundred = parse_expression("100")
    assert hundred is not None
    is_value = same_value(trees[0], Node("*", (hundred, trees[1])))
    if is_value or trees[0].name in ("number", "neg"):
        return is_value or same_number(marked + "\\%", bare)
    return is_value or (None if trees[0].symbols() else False)


def _same_matrix(a: str, b: str) -> bool | None:
    matrices = [_MATRIX.fullmatch(text.strip()) for text in (a, b)]
    if matrices[0] is None or matrices[1] is None:
        return None
    rows = [_cells(matrix["cells"]) for matrix in matrices if matrix]
    if [len(row) for row in rows[0]] != [len(row) for row in rows[1]]:
        return False
    cells = [[cell for row in table for cell in row] for table in rows]
    if len(cells[0]) > MAX_PARTS or any("\\begin" in cell for cell in cells[0] + cells[1]):
        return None
    return _all(_same_single(x.strip(), y.strip()) for x, y in zip(*cells, strict=True))


def _cells(text: str) -> list[list[str]]:
    rows = [row.split("&") for row in text.split("\\\\")]
    return rows[:-1] if len(rows) > 1 and not "".join(rows[-1]).strip() else rows


def _same_equation(a: str, b: str) -> bool | None:
    sides_a, sides_b = split_top(a, "="), split_top(b, "=")
    if len(sides_a) == len(sides_b) == 1:
        return None
    if min(len(sides_a), len(sides_b)) == 1:
        sides, value = (sides_a, b) if len(sides_b) == 1 else (sides_b, a)
        equal = _same_labelled(sides, value)
        if equal is None and sides is sides_b and len(sides) == 2:
            left, right = parse_expression(sides[0]), parse_expression(value)
            is_bare = left and right and not right.symbols() and left.name == "+"
            if left and is_bare and len(left.symbols()) > 1:
                return False
        if equal is None and len(sides) == 2:
            is_neither = all(_same_parts(side, value) is False for side in sides)
            return False if is_neither else None
        return equal
    if len(sides_a) == len(sides_b) == 2:
        trees = [parse_expression(side) for side in sides_a + sides_b]
        if None in trees:
            return None
        return same_equation(_pair(trees[:2]), _pair(trees[2:]))
    # a = b = c says the same in any order; other chains are left to math-verify
    return _match(sides_a, sides_b, _same_parts) or None


def _same_labelled(sides: Sequence[str], value: str) -> bool | None:
    """Return True if a chain starts with a label and all that follows is the value."""
    if not _LABEL.fullmatch(sides[0]):
        return None
    equal = _all(_same_parts(side, value) for side in sides[1:])
    trees = [parse_expression(side) for side in (*sides[1:], value)]
    are_numbers = all(tree is not None and not free_symbols(tree) for tree in trees)
    return equal if equal or are_numbers else None
