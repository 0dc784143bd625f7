r"""Convert Unicode characters and HTML to LaTeX: `√2`, `½`, `x²`, `&lt;`, zero-width spaces."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

_SIGNS = {
    "-": "\u2212\u2010\u2011\u2012\u2013\u2014\ufe63",
    "/": "\u2044\u2215",
    "|": "\u2223",
    "'": "\u2032\u2019",
    "''": "\u2033",
    '"': "\u201c\u201d\u201e\u300c\u300d",
    ",": "\u3001\u066c",
    ".": "\u3002\uff61\u066b",
    ":": "\u2236",
    r"\$": "\uff04",
    r"\{": "\uff5b",
    r"\}": "\uff5d",
    r"\times ": "\u00d7\u2217\u2a2f",
    r"\cdot ": "\u00b7\u22c5\u2219\u2022\u30fb",
    r"\div ": "\u00f7",
    r"\pm ": "\u00b1",
    r"\mp ": "\u2213",
    r"\infty ": "\u221e",
    r"\cup ": "\u222a",
    r"\cap ": "\u2229",
    r"\in ": "\u2208",
    r"\notin ": "\u2209",
    r"\subset ": "\u2282",
    r"\subseteq ": "\u2286",
    r"\setminus ": "\u2216",
    r"\neq ": "\u2260",
    r"\leq ": "\u2264\u2a7d\u2266",
    r"\geq ": "\u2265\u2a7e\u2267",
    r"\approx ": "\u2248",
    r"\equiv ": "\u2261",
    r"\emptyset ": "\u2205\u2300",
    r"\mathbb{C}": "\u2102",
    r"\mathbb{N}": "\u2115",
    r"\mathbb{Q}": "\u211a",
    r"\mathbb{R}": "\u211d",
    r"\mathbb{Z}": "\u2124",
    r"\ldots ": "\u2026\u22ef",
    r"\langle ": "\u27e8\u2329\u3008",
    r"\rangle ": "\u27e9\u232a\u3009",
    r"\lfloor ": "\u230a",
    r"\rfloor ": "\u230b",
    r"\lceil ": "\u2308",
    r"\rceil ": "\u2309",
    r"\| ": "\u2016",
    r"\therefore ": "\u2234",
    r"\Rightarrow ": "\u21d2",
    r"\to ": "\u2192",
    r"\angle ": "\u2220",
    r"\triangle ": "\u25b3",
    r"\partial ": "\u2202",
    r"\int ": "\u222b",
    r"\sum ": "\u2211",
    r"\prod ": "\u220f",
    r"\land ": "\u2227",
    r"\lor ": "\u2228",
    r"\circ ": "\u2218",
    r"\text{ ohm}": "\u2126",
    r"\text{ cm}": "\u339d",
    r"\text{ mm}": "\u339c",
    r"\text{ km}": "\u339e",
    r"\text{ kg}": "\u338f",
    r"\text{ m}^2": "\u33a1",
    r"\text{ m}^3": "\u33a5",
    r"^{\circ}": "\u00b0\u00ba\u02da",
    r"^{\circ}C": "\u2103",
    r"^{\circ}F": "\u2109",
    r"\ell ": "\u2113",
    r"\alpha ": "\u03b1",
    r"\beta ": "\u03b2",
    r"\gamma ": "\u03b3",
    r"\delta ": "\u03b4",
    r"\epsilon ": "\u03b5\u03f5",
    r"\zeta ": "\u03b6",
    r"\eta ": "\u03b7",
    r"\theta ": "\u03b8\u03d1",
    r"\kappa ": "\u03ba",
    r"\lambda ": "\u03bb",
    r"\mu ": "\u03bc\u00b5",
    r"\nu ": "\u03bd",
    r"\xi ": "\u03be",
    r"\pi ": "\u03c0",
    r"\rho ": "\u03c1",
    r"\sigma ": "\u03c3",
    r"\tau ": "\u03c4",
    r"\phi ": "\u03c6\u03d5",
    r"\chi ": "\u03c7",
    r"\psi ": "\u03c8",
    r"\omega ": "\u03c9",
    r"\Gamma ": "\u0393",
    r"\Delta ": "\u0394\u2206",
    r"\Theta ": "\u0398",
    r"\Lambda ": "\u039b",
    r"\Sigma ": "\u03a3",
    r"\Phi ": "\u03a6",
    r"\Psi ": "\u03a8",
    r"\Omega ": "\u03a9",
}
_LATEX = {sign: latex for latex, signs in _SIGNS.items() for sign in signs}
# full-width signs, and bold, italic, script and double-struck letters and digits
_STYLED = (("\uff01", "\uff5e"), ("\u210a", "\u2149"), ("\U0001d400", "\U0001d7ff"))
_IGNORED = frozenset({"Cf", "Cc", "Me"})  # zero-width, direction marks, byte order marks, controls
_SUPERSCRIPTS = (
    "\u2070\u00b9\u00b2\u00b3\u2074-\u207f\u2071\u02b0-\u02b8\u02e1-\u02e3"
    "\u1d2c-\u1d61\u1d9c-\u1dbf"
)
_SUPERSCRIPT_RUN = re.compile(f"[{_SUPERSCRIPTS}]+")
_SUBSCRIPT_RUN = re.compile("[\u2080-\u209c\u1d62-\u1d6a\u2c7c]+")
_VULGAR = re.compile("[\u00bc-\u00be\u2150-\u215e]")
_OVERLINED = re.compile("(?:\\d\u0305)+")
_DEGREES = {"\u221a": "", "\u221b": "[3]", "\u221c": "[4]"}
_RADICAL = re.compile("([\u221a\u221b\u221c])\\s*(?:(\\d+|[A-Za-z])|(?=[({\\\\]))")

_ENTITY = re.compile(
    r"&(?:(?:#x[0-9A-Fa-f]{1,6}|#\d{1,7}|[A-Za-z][A-Za-z0-9]{1,31});|(?:lt|gt|nbsp)(?![A-Za-z]))"
)
_TAGGED = re.compile(
    r"<(b|i|u|p|em|strong|span|div|code|math|mark|answer|sup|sub)(?:\s[^<>]{0,200})?>([^<>]*)</\1\s*>"
)
_BREAK = re.compile(r"<br\s*/?>")
_TAG_MACROS = {"sup": "^", "sub": "_"}
_MAX_NESTED_TAGS = 4


def from_html(text: str) -> str:
    """Return a text with HTML entities as characters, and without the tags around a text."""
    if "&" in text:
        for _ in range(2):  # &amp;lt; is escaped twice
            text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    if "</" in text:
        for _ in range(_MAX_NESTED_TAGS):
            text = _TAGGED.sub(_untagged, text)
    return _BREAK.sub(" ", text) if "<br" in text else text


def _untagged(tagged: re.Match[str]) -> str:
    macro = _TAG_MACROS.get(tagged[1])
    return f"{macro}{{{tagged[2]}}}" if macro else tagged[2]


def from_unicode(text: str) -> str:
    """Return a text with the characters that mean mathematics written as LaTeX or ASCII.

    Characters without a width or a shape are dropped; digits of all scripts become 0 to 9.
    """
    text = unicodedata.normalize("NFC", text)
    text = _RADICAL.sub(_radical, text)
    text = _OVERLINED.sub(lambda run: f"\\overline{{{run[0][::2]}}}", text)
    text = _SUPERSCRIPT_RUN.sub(lambda run: "^{" + _digits(run[0]) + "}", text)
    text = _SUBSCRIPT_RUN.sub(lambda run: "_{" + _digits(run[0]) + "}", text)
    text = _VULGAR.sub(lambda sign: _fraction(sign[0]), text)
    return "".join(map(_character, text))


@lru_cache(maxsize=4096)
def _character(sign: str) -> str:
    """Return the LaTeX of one character; most letters stay."""
    if sign.isascii():
        return sign
    if sign in _LATEX:
        return _LATEX[sign]
    category = unicodedata.category(sign)
    if category in _IGNORED or "\ufe00" <= sign <= "\ufe0f":
        return ""
    if category == "Zs":
        return " "
    if category == "Nd":
        return str(unicodedata.decimal(sign))
    if any(first <= sign <= last for first, last in _STYLED):
        plain = unicodedata.normalize("NFKC", sign)
        return _LATEX.get(plain, plain if plain.isascii() else sign)
    return sign


def _radical(sign: re.Match[str]) -> str:
    return f"\\sqrt{_DEGREES[sign[1]]}" + (f"{{{sign[2]}}}" if sign[2] else "")


def _digits(run: str) -> str:
    return unicodedata.normalize("NFKC", run).replace("\u2212", "-")


def _fraction(sign: str) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", sign).partition("\u2044")
    return f"\\frac{{{top}}}{{{bottom}}}"
