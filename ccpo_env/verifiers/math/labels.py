"""Labels of answers: the names that may stand before an equals sign and be omitted."""

from __future__ import annotations

import re

from ccpo_env.verifiers.math.reading import Reading

NAME = r"(?:[A-Za-z]|\\[a-zA-Z]+)(?:_\s*(?:\w|\{[^{}]*\}))?'*"
_ACCENT = (
    r"\\(?:overline|vec|hat|bar|mathbf|mathcal|overrightarrow|operatorname|mathrm)\s*\{[^{}]*\}"
)
_FUNCTION = r"\\(?:sin|cos|tan|cot|sec|csc|det|arg|min|max|gcd)(?![a-z])"
_SEGMENT = r"\|?[A-Z]{1,4}\|?"
_LABEL = re.compile(
    rf"(?:\\text\s*\{{[^{{}}=]*\}}\s*:?|[A-Z]+|[A-Za-z]{{3,}}(?: [A-Za-z]+)*"
    rf"|m?\s*\\(?:angle|triangle)\s*[A-Z]+|[\[|]+[A-Z]+[\]|]+|\|(?:{_ACCENT}|{NAME})\|"
    rf"|\\frac\s*\{{{_SEGMENT}\}}\s*\{{{_SEGMENT}\}}|[A-Z]{{2,4}}\s*\+\s*[A-Z]{{2,4}}"
    rf"|{_SEGMENT}\s*:\s*{_SEGMENT}|[a-z]:[a-z]"
    rf"|{_FUNCTION}\s*\(?\s*(?:\\angle\s*)?(?:{NAME}|[A-Z]{{1,3}})\s*\)?"
    rf"|\\Delta\s*{NAME}|(?:{NAME}|{_ACCENT})(?:\^\s*\{{?\s*(?:-1|T|\\prime|\\circ)\s*\}}?)?"
    rf"(?:\s*\([^()]*\))?|[A-Z]?\s*\((?:\s*{NAME}\s*[,)])+)"
)
_DERIVED = re.compile(r"'|\^\s*\{?\s*(?:-1|\\prime)\s*\}?")  # f' and f^{-1} differ from f
_DIGITS = re.compile(r"\d+", re.ASCII)


def is_label(reading: Reading) -> bool:
    """Return whether a reading is a name, such as Area, f(x), dy/dx and f(2x)."""
    if _LABEL.fullmatch(reading.text):
        return True
    return reading.tree is not None and reading.tree.name in ("symbol", "call")


def are_other_names(first: Reading, second: Reading) -> bool:
    """Return whether two different labels can name one value: f(x) and y, Area and A.

    Two symbols cannot, nor can f and f', f(2) and f(3), or labels with different numbers.
    """
    plain = [_DERIVED.sub("", reading.form) for reading in (first, second)]
    if plain[0] == plain[1] or set(_DIGITS.findall(plain[0])) != set(_DIGITS.findall(plain[1])):
        return False
    return any(map(_is_word, (first, second))) and not all(map(_is_call, (first, second)))


def _is_word(reading: Reading) -> bool:
    return reading.tree is None or reading.tree.name == "call"


def _is_call(reading: Reading) -> bool:
    return reading.tree is not None and reading.tree.name == "call"
