r"""Write plain text and Unicode mathematics as LaTeX: `x**2`, `sqrt(2)`, `√2`, `4*pi`, `½`."""

from __future__ import annotations

import re
import unicodedata

_SUPERSCRIPTS = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
_SUPERSCRIPT_RUN = re.compile(f"\u207b?[{_SUPERSCRIPTS}]+")
_SUBSCRIPT_RUN = re.compile("[\u2080-\u2089]+")
_VULGAR = re.compile("[\u00bc-\u00be\u2150-\u215e]")
_WORD = r"(?<![A-Za-z\\])"  # a name that is neither a macro nor the end of a longer name
_ROOT_OF_GROUP = re.compile(rf"(?:\u221a|{_WORD}sqrt)\s*\(([^()]*)\)")
_MAX_NESTED_ROOTS = 8
_REPEATING = re.compile(r"(\d{0,40})\.(\d{0,40})\\(?:overline|bar)\s*\{(\d{1,40})\}", re.ASCII)
_SCALE = re.compile(r"(?<=\d)\s*(\\text\s*\{)?\s*(thousand|million|billion|trillion)(?![A-Za-z])")
_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_PLAIN = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"\u221a\s*(\d+|[A-Za-z])", r"\\sqrt{\1}"),
        (r"\u221a", r"\\sqrt"),
        (rf"{_WORD}sqrt(?=\s*\()", r"\\sqrt"),
        (rf"{_WORD}(sin|cos|tan|ln|exp)(?=\s*\()", r"\\\1"),
        (rf"{_WORD}pi(?![A-Za-z])", r"\\pi "),
        (rf"{_WORD}(?:infinity|oo)(?![A-Za-z])", r"\\infty "),
        (r"\*\*\s*(-?\d+(?:\.\d+)?|[A-Za-z](?![A-Za-z]))", r"^{\1}"),
        (r"\*\*", "^"),
        (r"(?<![<>=!])<=", r"\\leq "),
        (r"(?<![<>=!])>=", r"\\geq "),
        (r"!=(?!=)", r"\\neq "),
        (r"\\math(?:rm|it|bf|sf)\s*\{\s*([eij])\s*\}", r"{\1}"),
        (r"\(([0-9A-F]*[0-9][0-9A-F]*)\)\s*_", r"\1_"),
        (r"\\varnothing(?![A-Za-z])|\\\{\s*\\\}", r"\\emptyset "),
        (r"\\(?:R(?![A-Za-z])|mathbb\s*R(?![A-Za-z]))", r"\\mathbb{R}"),
        (r"[\u20ac\u00a3\u00a5]\s*(?=[\d.])|(?<=\d)\s*[\u20ac\u00a3\u00a5\u00a2]", ""),
        (
            r"^\s*\\text\s*\{\s*(?:[Tt]he )?(?:[Ff]inal )?[Aa]nswer(?: is)?:?\s*\}",
            "",
        ),
    ]
]


def to_latex(text: str) -> str:
    """Return a text with plain and Unicode notation written as LaTeX.

    Names count only where no letter or backslash stands beside them, so words stay as they are.
    """
    text = _SUPERSCRIPT_RUN.sub(lambda run: "^{" + _digits(run[0]) + "}", text)
    text = _SUBSCRIPT_RUN.sub(lambda run: "_{" + _digits(run[0]) + "}", text)
    text = _VULGAR.sub(lambda sign: _fraction(sign[0]), text)
    for _ in range(_MAX_NESTED_ROOTS):
        text, num_roots = _ROOT_OF_GROUP.subn(r"\\sqrt{\1}", text)
        if not num_roots:
            break
    text = _REPEATING.sub(_repeating_fraction, text)
    text = _SCALE.sub(lambda scale: f" \\times 10^{{{_SCALES[scale[2]]}}}{scale[1] or ''}", text)
    for pattern, replacement in _PLAIN:
        text = pattern.sub(replacement, text)
    return text


def _digits(run: str) -> str:
    return unicodedata.normalize("NFKC", run).replace("\u2212", "-")


def _fraction(sign: str) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", sign).partition("\u2044")
    return f"\\frac{{{top}}}{{{bottom}}}"


def _repeating_fraction(decimal: re.Match[str]) -> str:
    whole, fixed, repeated = decimal.groups()
    top = int(whole + fixed + repeated) - int((whole + fixed) or 0)
    return f"\\frac{{{top}}}{{{'9' * len(repeated)}{'0' * len(fixed)}}}"
