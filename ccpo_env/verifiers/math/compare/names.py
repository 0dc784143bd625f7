r"""Compare the names of quantities: `\angle CBA` is `\angle ABC`, `\max f` is not `\min f`."""

from __future__ import annotations

import re

from ccpo_env.verifiers.math.forms.normalize import unwrapped
from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.syntax.marks import has_other_marks

_DERIVED = re.compile(r"'|\^\s*\{?\s*(?:-1|\\prime)\s*\}?")  # f' and f^{-1} differ from f
_DIGITS = re.compile(r"\d+", re.ASCII)
_STYLE = re.compile(r"\\(?:vec|mathbf|mathrm|overrightarrow|boldsymbol)(?![A-Za-z])\s*|[\s{}]")
_SEGMENT_BAR = re.compile(r"\\overline\s*\{\s*([A-Z]{2})\s*\}")
_SEGMENT = re.compile(r"\|([A-Z]{2})\||\b([A-Z]{2})\b")
_ANGLE = re.compile(r"m?\\(?:measured)?angle([A-Z]{1,3})")
_FIGURE = re.compile(r"\\triangle([A-Z]{3})|(?<![A-Za-z])\[([A-Z]{3,6})\]")
_OPERAND = r"(?:\\[A-Za-z]+|[A-Za-z0-9]'?)"
_COMMUTING = re.compile(
    rf"(?<![\w\\'])({_OPERAND})(\\cap|\\cup|\\cdot|\+)({_OPERAND})(?![\w'+]|\\c)"
)
_SYNONYMS = (
    (re.compile(r"\\mid(?![A-Za-z])"), "|"),
    (re.compile(r"\\Pr(?![A-Za-z])|\\math(?:bb|cal)(?:P|\{P\})"), "P"),
    (re.compile(r"\\math(?:bb|cal)(?:E|\{E\})"), "E"),
    (re.compile(r"\\lVert|\\rVert|\|\|"), r"\\|"),
    (re.compile(r"(?<![A-Za-z\\])n\(([^()]+)\)|\\#([A-Z])"), r"|\1\2|"),
    (re.compile(r"(?<=[A-Za-z}])\[([^\[\]]+)\]"), r"(\1)"),
)
_OPERATOR = re.compile(r"\\?(max|min|sup|inf|deg|dim|ker|arg|det)(?:imum|imal|ree)?(?![a-z])")
_VERTEX = re.compile(r"(?:angle)?[A-Z]")
_VECTOR = re.compile(r"\\(?:vec|mathbf|overrightarrow|boldsymbol)(?![A-Za-z])")
_ARROW = re.compile(r"\\(?:vec|overrightarrow)\s*\{\s*([A-Z]{2})\s*\}")
_DIRECTED = re.compile(r"vector[A-Z]{2}")
_ARTICLES = frozenset({"the", "a", "an"})


def same_name(first: Reading, second: Reading) -> bool:
    """Return whether two labels are one name, up to style and the order of the points in it."""
    names = _canonical(first), _canonical(second)
    if names[0] == names[1] or first.form == second.form:
        return True
    are_vertices = all(map(_VERTEX.fullmatch, names))
    return are_vertices and names[0][-1] == names[1][-1]  # the angle A


def are_other_figures(first: Reading, second: Reading) -> bool:
    r"""Return whether two names, read as products, name other things: [ABCD] and [ABDC].

    So do the scalar and the vector product of vectors, and vectors in the other direction.
    """
    if _FIGURE.fullmatch(first.text) and _FIGURE.fullmatch(second.text):
        return not same_name(first, second)
    if not _VECTOR.search(first.text + second.text):
        return False
    are_crossed = ["\\times" in reading.text for reading in (first, second)]
    if are_crossed[0] != are_crossed[1]:
        return True
    names = _canonical(first), _canonical(second)
    is_directed = are_crossed[0] or all(map(_DIRECTED.fullmatch, names))
    return is_directed and names[0] != names[1]


def are_other_names(first: Reading, second: Reading) -> bool:
    r"""Return whether two different labels can name one value: f(x) and y, Area and A.

    Two symbols cannot, nor can f and f', f(2) and f(3), labels with different numbers, two
    different words, or two different notations: `\angle A` and `\angle B`.
    """
    plain = [_DERIVED.sub("", reading.form) for reading in (first, second)]
    if plain[0] == plain[1] or set(_DIGITS.findall(plain[0])) != set(_DIGITS.findall(plain[1])):
        return False
    if has_other_marks(first.text, second.text) or all(map(_is_point, (first, second))):
        return False
    kinds = _kind(first), _kind(second)
    if kinds == ("words", "words"):
        return _says_more(first, second) or _says_more(second, first)
    if kinds[0] == kinds[1] or set(kinds) == {"call", "notation"}:
        return False
    if "notation" not in kinds:
        return "words" in kinds or "call" in kinds
    notation, other = (first, second) if kinds[0] == "notation" else (second, first)
    if _kind(other) == "words":
        return _operator(notation) in (None, _operator(other))
    is_symbol = other.tree is not None and other.tree.name == "symbol"
    return is_symbol and not _are_other_vertices(first, second)


def _kind(reading: Reading) -> str:
    if reading.tree is not None:
        return "call" if reading.tree.name == "call" else "symbols"
    return "words" if reading.is_words else "notation"


def _is_point(reading: Reading) -> bool:
    return reading.text.endswith(")") and len(reading.text.split(",")) > 1


def _are_other_vertices(first: Reading, second: Reading) -> bool:
    """Return whether both are named by one capital letter, such as an angle, and not the same."""
    names = _canonical(first), _canonical(second)
    return names[0][-1] != names[1][-1] and all(_VERTEX.fullmatch(name) for name in names)


def _operator(reading: Reading) -> str | None:
    match = _OPERATOR.match(reading.form)
    return match[1] if match else None


def _says_more(first: Reading, second: Reading) -> bool:
    """Return whether a name in words goes on with "of": area, the area of the triangle."""
    words, others = (
        [word for word in reading.form.casefold().split() if word not in _ARTICLES]
        for reading in (first, second)
    )
    return others == words or others[: len(words) + 1] == [*words, "of"]


def _canonical(reading: Reading) -> str:
    """Return a name without style, its points and operands in a fixed order."""
    text = unwrapped(reading.text)
    text = _ARROW.sub(r"vector\1", _SEGMENT_BAR.sub(r"\1", text))
    for pattern, synonym in _SYNONYMS:
        text = pattern.sub(synonym, text)
    text = _STYLE.sub("", text)
    text = _ANGLE.sub(lambda match: "angle" + min(match[1], match[1][::-1]), text)
    text = _FIGURE.sub(lambda match: "area" + _turned(match[1] or match[2]), text)
    text = _SEGMENT.sub(lambda match: "".join(sorted(match[1] or match[2])), text)
    return _COMMUTING.sub(lambda match: match[2].join(sorted((match[1], match[3]))), text).replace(
        "S_area", "area"
    )


def _turned(points: str) -> str:
    """Return the first of all orders in which the corners of a figure may be named."""
    orders = (points, points[::-1])
    return min(order[index:] + order[:index] for order in orders for index in range(len(points)))
