r"""Convert plain-text mathematics to LaTeX: `x**2`, `sqrt(2)`, `4*pi`, `np.arcsin(1)`."""

from __future__ import annotations

import re

from ccpo_env.verifiers.math.text.characters import from_html, from_unicode
from ccpo_env.verifiers.math.text.languages import JOINTS, from_languages
from ccpo_env.verifiers.math.text.rules import Rules, rule

_WORD = r"(?<![A-Za-z\\])"  # a name that is neither a macro nor the end of a longer name
_FUNCTIONS = "arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|exp"
_ROOT_OF_GROUP = re.compile(rf"(?:{_WORD}|\\)(sqrt(?:\[\w\])?|cbrt)\s*\(([^()]*)\)")
_MAX_NESTED_ROOTS = 8
_SCALES = {
    "dozen": "12",
    "hundred": "10^{2}",
    "thousand": "10^{3}",
    "lakh": "10^{5}",
    "million": "10^{6}",
    "crore": "10^{7}",
    "billion": "10^{9}",
    "trillion": "10^{12}",
}
_NAMES = {"pi": r"\pi ", "infinity": r"\infty ", "inf": r"\infty ", "oo": r"\infty "}


def _repeating_fraction(decimal: re.Match[str]) -> str:
    whole, fixed, repeated = decimal.groups()
    top = int(whole + fixed + repeated) - int((whole + fixed) or 0)
    return f"\\frac{{{top}}}{{{'9' * len(repeated)}{'0' * len(fixed)}}}"


def _dotted(decimal: re.Match[str]) -> str:
    """Return a decimal with dots over its repeated digits in overline notation."""
    first, between, last = decimal[2], decimal[3] or "", decimal[4] or ""
    return f"{decimal[1]}\\overline{{{first}{between}{last}}}"


_MODULE = re.compile(r"(?<![A-Za-z.\\])(?:np|numpy|c?math|sympy|sp|torch|scipy)\.(?=[A-Za-z])")
_PYTHON = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}


def _nested_rows(rows: re.Match[str]) -> str:
    """Return a list of rows of one length as a matrix."""
    cells = [row.split(",") for row in re.findall(r"\[([^\[\]]*)\]", rows[1])]
    if len({len(row) for row in cells}) > 1:
        return rows[0]
    lines = ["&".join(row) for row in cells]
    return r"\begin{pmatrix}" + r"\\".join(lines) + r"\end{pmatrix}"


_PLAIN = Rules(
    *JOINTS,
    rule("asin acos atan", rf"{_WORD}(asin|acos|atan)(?=\s*\()", lambda name: _PYTHON[name[1]]),
    rule("log10 log2", rf"{_WORD}log(10|2)(?=\s*\()", r"\\log_{\1}"),
    rule("factorial", rf"{_WORD}factorial\s*\(([^()]*)\)", r"(\1)!"),
    rule(
        "Rational Fraction",
        rf"{_WORD}(?:Rational|Fraction)\s*\(\s*(-?\d+)\s*,\s*(\d+)\s*\)",
        r"\\frac{\1}{\2}",
    ),
    rule(
        "comb binomial", rf"{_WORD}(?:comb|binomial)\s*\(([^(),]*),([^(),]*)\)", r"\\binom{\1}{\2}"
    ),
    rule("pow", rf"{_WORD}pow\s*\(([^(),]*),([^(),]*)\)", r"(\1)^{\2}"),
    rule("abs", rf"{_WORD}abs\s*\(([^()]*)\)", r"|\1|"),
    rule("array Matrix", rf"{_WORD}(?:array|Matrix)\s*\(\s*(\[.*\])\s*\)", r"\1"),
    rule(
        "[", r"^\s*\$?\s*\[\s*(\[[^\[\]]*\](?:\s*,\s*\[[^\[\]]*\])+)\s*\]\s*\$?\s*$", _nested_rows
    ),
    rule("**", r"^\s*\*\*(.*)\*\*\s*$", r"\1"),
    rule(
        r"\dot",
        r"(\d*\.\d*)\\dot\s*\{?(\d)\}?(?:(\d*)\\dot\s*\{?(\d)\}?)?",
        _dotted,
    ),
    rule(
        r"\overline \bar",
        r"(\d{0,40})\.(\d{0,40})\\(?:overline|bar)\s*\{(\d{1,40})\}",
        _repeating_fraction,
    ),
    rule(
        "undred illion housand ozen akh rore",
        rf"(?<=\d)\s*(\\text\s*\{{)?\s*(?i:({'|'.join(_SCALES)})s?)(?![A-Za-z])",
        lambda scale: f" \\times {_SCALES[scale[2].lower()]}{scale[1] or ''}",
    ),
    rule(
        "sin cos tan cot sec csc log ln exp",
        rf"{_WORD}({_FUNCTIONS})(?=\s*[\d({{\\^_]|\s+[A-Za-z](?![A-Za-z]))",
        r"\\\1",
    ),
    rule(
        "pi inf oo",
        rf"{_WORD}(pi|infinity|inf|oo)(?![A-Za-z])",
        lambda name: _NAMES[name[1]],
    ),
    rule("**", r"\*\*\s*(-?\d+(?:\.\d+)?|[A-Za-z](?![A-Za-z]))", r"^{\1}"),
    rule("**", r"\*\*", "^"),
    rule(":=", r":=", "="),
    # x^10 and a_10 in plain text; a tower such as 10^10^10 stays as it is
    rule("^", r"\^\s*([+-]?(?:\d{2,}|\d+(?=\.\d))(?:\.\d+)?)(?![\d.]*\s*\^)", r"^{\1}"),
    rule("_", r"(?<![A-Za-z\\])([A-Za-z]|(?<=\d))\s*_\s*(\d{2,})(?![\d.]|\s*\^)", r"\1_{\2}"),
    rule("log_", r"log_(\d{2,})(?=\s*[({A-Za-z\\]|\s+\d)", r"log_{\1}"),
    rule("<=", r"(?<![<>=!])<=", r"\\leq "),
    rule(">=", r"(?<![<>=!])>=", r"\\geq "),
    rule("!=", r"!=(?!=)", r"\\neq "),
    rule("...", r"\.{3}", r"\\ldots "),
    rule("+-", r"\+/-|\+-(?=\s*[\d\\])", r"\\pm "),
)


def to_latex(text: str) -> str:
    """Return a text with plain-text and Unicode notation converted to LaTeX.

    Names are converted only without an adjacent letter or backslash, so words are unchanged.
    """
    if "&" in text or "</" in text or "<br" in text:
        text = from_html(text)
    if not text.isascii():
        text = from_languages(from_unicode(text))
    if "." in text:
        text = _MODULE.sub("", text)
    if "rt" in text and "(" in text:
        for _ in range(_MAX_NESTED_ROOTS):
            text, num_roots = _ROOT_OF_GROUP.subn(_root_of_group, text)
            if not num_roots:
                break
        text = re.sub(rf"{_WORD}sqrt(?=\s*\()", r"\\sqrt", text)
    return _PLAIN.rewrite(text)


def _root_of_group(root: re.Match[str]) -> str:
    name = "sqrt[3]" if root[1] == "cbrt" else root[1]
    return f"\\{name}{{{root[2]}}}"
