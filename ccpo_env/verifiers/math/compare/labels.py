"""Labels of answers: the names that may stand before an equals sign and be omitted."""

from __future__ import annotations

import re

from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.syntax.tree import CONSTANTS, Node, free_symbols

_NAME = r"(?:[A-Za-z]|\\[a-zA-Z]+)(?:_\s*(?:\w|\{[^{}]*\}))?'*"
_ACCENT = (
    r"\\(?:overline|vec|hat|bar|mathbf|mathcal|overrightarrow|operatorname|mathrm)\s*\{[^{}]*\}"
)
_FUNCTION = r"\\(?:sin|cos|tan|cot|sec|csc|det|arg|min|max|gcd)(?![a-z])"
_SEGMENT = r"\|?[A-Z]{1,4}\|?"
_LABEL = re.compile(
    rf"(?:\\text\s*\{{[^{{}}=]*\}}\s*:?|[A-Z]+|[A-Za-z]{{3,}}(?: [A-Za-z]+)*"
    rf"|m?\s*\\(?:(?:measured)?angle|triangle)\s*[A-Z]+|[\[|]+[A-Z]+[\]|]+|\|(?:{_ACCENT}|{_NAME})\|"
    rf"|\\frac\s*\{{{_SEGMENT}\}}\s*\{{{_SEGMENT}\}}|[A-Z]{{2,4}}\s*\+\s*[A-Z]{{2,4}}"
    rf"|{_SEGMENT}(?:\s*:\s*{_SEGMENT})+|[a-z](?::[a-z])+"
    rf"|{_FUNCTION}\s*\(?\s*(?:\\angle\s*)?(?:{_NAME}|[A-Z]{{1,3}})\s*\)?"
    rf"|\\Delta\s*{_NAME}|(?:{_NAME}|{_ACCENT})(?:\^\s*\{{?\s*(?:-1|T|\\prime|\\circ)\s*\}}?)?"
    rf"(?:\s*\([^()]*\))?|[A-Z]?\s*\((?:\s*{_NAME}\s*[,)])+)"
)
# E[X], P(A|B), \\operatorname{Var}(X), |A|, \\|v\\|, [ABC], A \\cap B
_OPERATOR = (
    r"(?:\\(?:mathbb|mathcal|mathrm|mathbf|mathsf|operatorname|text)\s*(?:\{[^{}]*\}|[A-Z])"
    r"|\\(?:Pr|det|dim|ker|deg|max|min|sup|inf)(?![A-Za-z])|[A-Z]|[A-Z]?[a-z]{2,7})"
)
_SUBSCRIPT = r"(?:\s*_\s*(?:\w|\\[a-z]+|\{[^{}]*\}))?"
_POWER = r"(?:\s*\^\s*\{?\s*\d\s*\}?)?"
_INNER = r"(?:[^()\[\]]|\([^()]*\))+"
_OF_SOMETHING = re.compile(
    rf"{_OPERATOR}{_SUBSCRIPT}{_POWER}\s*(?:\({_INNER}\)|\[{_INNER}\])"
    rf"|(?:\\\||\|{{1,2}})\s*(?:{_ACCENT}|[A-Za-z]"
    r"|\\(?:cap|cup|cdot|times|mathbf|vec|alpha|beta)|[ +-])+"
    rf"(?:\\\||\|{{1,2}}){_SUBSCRIPT}{_POWER}"
    r"|\\(?:dim|deg|ker|#)\s*[A-Za-z]"
    rf"|\\(?:max|min|sup|inf){_SUBSCRIPT}\s*{_NAME}(?:\([^()]*\))?"
    r"|\\text\s*\{[^{}=]*\}\s*\\(?:triangle|angle|odot|square)\s*[A-Z]{1,5}"
    r"|[A-Z]'?(?:\s*\\(?:cap|cup|setminus|times|triangle)(?![A-Za-z])\s*[A-Z]'?)+"
)
_UNKNOWNS = frozenset("xyz")
_TRIGONOMETRIC = frozenset({"sin", "cos", "tan", "cot", "sec", "csc"})


_VOID = re.compile(  # what turns a name into a denial, or is none
    r"\\(?:lnot|neg|not|n?sim|simeq|cong|propto|approx|pm|mp|nabla|[xb]?cancel)(?![A-Za-z])"
    r"|\b(?:not|false|wrong|incorrect|never|cannot|except|unequal|nor|neither)\b"
)


def is_denied(reading: Reading) -> bool:
    r"""Return whether a reading says that it is not: `\text{It is false that } x`."""
    return _VOID.search(reading.text) is not None


def is_label(reading: Reading) -> bool:
    """Return whether a reading is a name, such as Area, f(x), dy/dx and f(2x)."""
    if is_denied(reading):
        return False
    if _LABEL.fullmatch(reading.text) or _OF_SOMETHING.fullmatch(reading.text):
        return True
    return reading.tree is not None and reading.tree.name in ("symbol", "call")


def is_named_value(reading: Reading) -> bool:
    r"""Return whether a reading can be a name in an answer: m+n, \\frac{m}{n}, \\sigma^2, ab.

    It combines names without numbers, and is no power of x, y or z: `2x+z=1` and `x^2=4` are
    equations, while `m+n=42` tells the value of m+n.
    """
    return reading.tree is not None and _is_name(reading.tree)


def _is_name(tree: Node) -> bool:
    if tree.name in ("symbol", "call"):
        return tree.symbol not in CONSTANTS
    if tree.name == "^":
        base, power = tree.args
        is_unknown = base.symbol in _UNKNOWNS or base.name not in ("symbol", "abs", *_TRIGONOMETRIC)
        return not is_unknown and power.name == "number" and _is_name(base)
    if tree.name == "+":
        second = tree.args[1]
        return _is_name(tree.args[0]) and _is_name(
            second.args[0] if second.name == "neg" else second
        )
    if tree.name in _TRIGONOMETRIC:
        return bool(free_symbols(tree))
    return tree.name in ("*", "/", "abs", "conj", "gcd", "lcm") and all(map(_is_name, tree.args))
