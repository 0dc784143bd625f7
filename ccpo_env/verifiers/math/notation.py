r"""Convert plain-text and Unicode mathematics to LaTeX: `x**2`, `sqrt(2)`, `√2`, `4*pi`, `½`."""

from __future__ import annotations

import re
import unicodedata

from ccpo_env.verifiers.math.rules import Rules, rule

_SIGNS = {
    "-": "\u2212\u2010\u2011\u2013\u2014\uff0d\ufe63",
    "+": "\uff0b",
    "=": "\uff1d",
    "/": "\u2044\u2215\uff0f",
    "|": "\u2223\uff5c",
    "<": "\uff1c",
    ">": "\uff1e",
    "(": "\uff08",
    ")": "\uff09",
    "[": "\uff3b",
    "]": "\uff3d",
    ",": "\uff0c\u3001",
    ";": "\uff1b",
    ":": "\uff1a\u2236",
    "%": "\uff05",
    "'": "\u2032\u2019",
    '"': "\u201c\u201d",
    " ": "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    r"\$": "\uff04",
    r"\times ": "\u00d7\u2217",
    r"\cdot ": "\u00b7\u22c5\u2219\u2022",
    r"\div ": "\u00f7",
    r"\pm ": "\u00b1",
    r"\infty ": "\u221e",
    r"\cup ": "\u222a",
    r"\cap ": "\u2229",
    r"\in ": "\u2208",
    r"\setminus ": "\u2216",
    r"\neq ": "\u2260",
    r"\leq ": "\u2264\u2a7d\u2266",
    r"\geq ": "\u2265\u2a7e\u2267",
    r"\approx ": "\u2248",
    r"\emptyset ": "\u2205",
    r"\mathbb{R}": "\u211d",
    r"\ldots ": "\u2026",
    r"\langle ": "\u27e8",
    r"\rangle ": "\u27e9",
    r"\therefore ": "\u2234",
    r"\angle ": "\u2220",
    r"\text{ ohm}": "\u2126",
    r"^{\circ}": "\u00b0\u00ba",
    r"\alpha ": "\u03b1",
    r"\beta ": "\u03b2",
    r"\gamma ": "\u03b3",
    r"\delta ": "\u03b4",
    r"\epsilon ": "\u03b5",
    r"\theta ": "\u03b8",
    r"\lambda ": "\u03bb",
    r"\mu ": "\u03bc",
    r"\pi ": "\u03c0",
    r"\rho ": "\u03c1",
    r"\sigma ": "\u03c3",
    r"\tau ": "\u03c4",
    r"\phi ": "\u03c6\u03d5",
    r"\omega ": "\u03c9",
    r"\Delta ": "\u0394",
    r"\Omega ": "\u03a9",
}
_UNICODE = str.maketrans({sign: latex for latex, signs in _SIGNS.items() for sign in signs})
_SUPERSCRIPTS = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
_SUPERSCRIPT_RUN = re.compile(f"\u207b?[{_SUPERSCRIPTS}\u207f\u2071]+")
_SUBSCRIPT_RUN = re.compile("[\u2080-\u2089]+")
_VULGAR = re.compile("[\u00bc-\u00be\u2150-\u215e]")
_DEGREES = {"\u221a": "", "\u221b": "[3]", "\u221c": "[4]"}
_RADICAL = re.compile("([\u221a\u221b\u221c])\\s*(?:(\\d+|[A-Za-z])|(?=[({\\\\]))")
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


_PLAIN = Rules(
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
    if not text.isascii():
        text = _from_unicode(text)
    if "rt" in text and "(" in text:
        for _ in range(_MAX_NESTED_ROOTS):
            text, num_roots = _ROOT_OF_GROUP.subn(_root_of_group, text)
            if not num_roots:
                break
        text = re.sub(rf"{_WORD}sqrt(?=\s*\()", r"\\sqrt", text)
    return _PLAIN.rewrite(text)


def _from_unicode(text: str) -> str:
    text = _RADICAL.sub(_radical, text)
    text = _SUPERSCRIPT_RUN.sub(lambda run: "^{" + _digits(run[0]) + "}", text)
    text = _SUBSCRIPT_RUN.sub(lambda run: "_{" + _digits(run[0]) + "}", text)
    text = _VULGAR.sub(lambda sign: _fraction(sign[0]), text)
    return text.translate(_UNICODE)


def _radical(sign: re.Match[str]) -> str:
    return f"\\sqrt{_DEGREES[sign[1]]}" + (f"{{{sign[2]}}}" if sign[2] else "")


def _root_of_group(root: re.Match[str]) -> str:
    name = "sqrt[3]" if root[1] == "cbrt" else root[1]
    return f"\\{name}{{{root[2]}}}"


def _digits(run: str) -> str:
    return unicodedata.normalize("NFKC", run).replace("\u2212", "-")


def _fraction(sign: str) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", sign).partition("\u2044")
    return f"\\frac{{{top}}}{{{bottom}}}"
