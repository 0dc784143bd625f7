r"""Write basis vectors in one way: `\mathbf{j}`, `\vec j` and `\hat{\jmath}` are `\hat{j}`."""

from __future__ import annotations

import re

_STYLE = (
    r"\\(?:mathbf|mathrm|mathit|boldsymbol|bm|pmb|vec|hat|widehat|overrightarrow|bf)(?![A-Za-z])"
)
_VECTOR = re.compile(
    rf"(?P<style>{_STYLE})\s*(?P<brace>\{{?)\s*(?:{_STYLE}\s*)?(?P<inner>\{{?)\s*"
    r"\\?(?P<name>[ijk])(?:math)?(?![A-Za-z])\s*(?(inner)\}?)\s*(?(brace)\}?)"
)
_ARROWS = ("\\vec", "\\hat", "\\widehat", "\\overrightarrow")


def with_hats(text: str) -> str:
    r"""Return a text with its basis vectors written `\hat{i}`.

    A bold i alone is the imaginary unit; beside a bold j or k, or with an arrow or a hat, it is a
    basis vector. Roman letters are never basis vectors.
    """
    found = [m for m in _VECTOR.finditer(text) if "\\mathrm" not in m[0] or _is_arrow(m)]
    if not any(_is_arrow(match) or match["name"] != "i" for match in found):
        return text
    return _VECTOR.sub(_with_hat, text)


def _is_arrow(match: re.Match[str]) -> bool:
    return any(arrow in match[0] for arrow in _ARROWS)


def _with_hat(match: re.Match[str]) -> str:
    is_balanced = match[0].count("{") == match[0].count("}")
    is_roman = "\\mathrm" in match[0] and not _is_arrow(match)
    return f"\\hat{{{match['name']}}}" if is_balanced and not is_roman else match[0]
