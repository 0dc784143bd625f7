r"""Remove font styles around mathematics: `\mathbf{2^{32}}`, `x=\underline{\frac12}`."""

from __future__ import annotations

import re

_STYLE = re.compile(
    r"(?<!\\)\\(?P<name>math(?:rm|bf|it|sf|tt|normal)|text(?:bf|it|rm|sf|tt|normal|md|up|sl|sc)?"
    r"|emph|uline|underline|boldsymbol|pmb|bm|[fmh]?box|framebox)\s*\{"
)
_BARE_STYLE = re.compile(r"\\(?:math|text)(?:rm|bf|it|sf|tt|normal)\s*(?=\d)")
_ROMAN = frozenset({"mathrm", "text", "textrm", "textnormal", "mbox", "hbox"})
_BRACE = re.compile(r"\\[{}]|[{}]")
_MATHEMATICS = re.compile(r"[\d^_=+<>]|\\[A-Za-z]|^\s*[(\[]")
_VALUE = re.compile(r"\s*[-+(]?\s*(?:\d|\\frac\s*\{?\d|\\sqrt|\\pi)")
_NAME = re.compile(r"\s*\\?[A-Za-z]+\s*(?:_\s*(?:\w|\{[^{}]*\}))?\s*")
_MAX_STYLES = 64


def without_styles(text: str) -> str:
    r"""Return a text without the style macros around mathematics; their braces go if they can.

    Note: A style of a name is kept, as the vector `\mathbf{v}` is not v, and so are words and
        units, as in `5\mathrm{m^2}`.
    """
    text = _BARE_STYLE.sub("", text)
    start = 0
    for _ in range(_MAX_STYLES):
        style = _STYLE.search(text, start)
        if style is None:
            break
        end = _closing(text, style.end())
        if end is None:
            break
        before, inner, after = text[: style.start()], text[style.end() : end], text[end + 1 :]
        if _is_mathematics(inner, style["name"], is_all=not before.strip() and not after.strip()):
            text = before + _embedded(before, inner, after) + after
            start = style.start()
        else:
            start = style.end()
    return text


def _closing(text: str, start: int) -> int | None:
    """Return the position of the brace that closes a group; None if there is none."""
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.start()
    return None


def _is_mathematics(inner: str, style: str, *, is_all: bool) -> bool:
    if _NAME.fullmatch(inner) or _MATHEMATICS.search(inner) is None:
        return False
    return is_all or style not in _ROMAN or _VALUE.match(inner) is not None


def _embedded(before: str, inner: str, after: str) -> str:
    """Return the content of a group, with braces where it is an argument or a factor."""
    is_argument = before.rstrip().endswith(("^", "_", "}")) or re.search(r"\\[A-Za-z]+\s*$", before)
    is_factor = re.match(r"\s*(?:[\^_({\w!]|\\(?!text|math|,|\\))", after)
    is_closed = inner.lstrip().startswith("(") and inner.rstrip().endswith(")")
    needs_braces = is_argument or (is_factor and not is_closed)
    return "{" + inner + "}" if needs_braces else f" {inner} "
