"""Plain text of a response: one way to write letters, brackets and negations."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
import unicodedata

_SUPERSCRIPTS = str.maketrans({c: f"^{d}" for c, d in zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True)})
_LETTERS_IN_SHAPES = {
    chr(first + place): chr(ord("A") + place)
    for first in (0x1F130, 0x1F150, 0x1F170, 0x1F1E6)  # squared, black circled and squared, flags
    for place in range(26)
}
_SIGNS = str.maketrans(
    {
        **_LETTERS_IN_SHAPES,
        **dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufe0e\ufe0f\u20e3\u00ad", ""),
        **dict.fromkeys("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", ""),
        **dict.fromkeys("‘’ʼ´′", "'"),
        **dict.fromkeys("“”„‟«»‹›″", '"'),
        **dict.fromkeys("‐‑‒−", "-"),
        **dict.fromkeys("➜➡➔➞⟶⟹➤►▶", "→"),
        "\t": " ",
        "\r": "\n",
    }
)
_STRUCK = re.compile(
    r"~~(?=[^~\s])|<(?:s|del|strike)>|"
    r"\\(?:neg|lnot|neq|ne|not|cancel|xcancel|bcancel|sout|st|overline|cancelto)(?![A-Za-z])",
    re.IGNORECASE,
)
_STYLE = re.compile(
    r"</?(?:b|strong|i|em|u|p|span|mark|code|font|center|div|big|sup|sub|h[1-6]|li|ul|ol)"
    r"(?:\s[^<>]{0,80})?>|</(?:s|del|strike)>|<\|[^|<>\n]{1,40}\|>|<end_of_turn>|<eos>|"
    r"\\(?:text|math|mbox|hbox|operatorname|textstyle|displaystyle|bf|rm|it|sf|tt|large|Large|huge|"
    r"fbox|underline|emph|tag|color|left|right|big)[A-Za-z]*\*?(?![A-Za-z])|\\[()\[\]]|\\?\$|~~|"
    r"\\(?=(?:log|ln|exp|sin|cos|tan|lim|max|min)(?![A-Za-z]))",
    re.IGNORECASE,
)
_GREEK = dict(
    zip(
        "alpha beta gamma delta epsilon theta lambda mu pi rho sigma tau phi omega Delta".split(),  # noqa: SIM905
        "αβγδεθλμπρστφωΔ",
        strict=True,
    )
)
_FRACTION = re.compile(r"\\[dt]?frac\s*(?:\{([^{}]{1,40})\}\s*\{([^{}]{1,40})\}|(\d)(\d))")
_TIMES = re.compile(r"\\(?:cdot|times)(?![A-Za-z])")
_GREEK_NAME = re.compile(rf"\\({'|'.join(_GREEK)})(?![A-Za-z])\s?")
_COLOR = re.compile(r"\\(?:text)?color\s*\{[^{}]{0,30}\}")
_AND = re.compile(r"\\(?:land|wedge|cap|cup|lor|vee)(?![A-Za-z])")
_SPACE = re.compile(
    r"\\(?:quad|qquad|hspace|enspace|thinspace)(?![A-Za-z])|\\[,;:! ]|&nbsp;|(?<=[\w.:)}])~"
)
_BREAK = re.compile(r"<br\s?/?>|\\\\|\\n(?![A-Za-z])", re.IGNORECASE)
_BLANKS = re.compile(r"[^\S\n]{2,}")
_BLANK_LINES = re.compile(r"\n\s*\n")
_RUN = re.compile(r"([^\w\s]|_)\1{4,}")
_COMPLEMENT = re.compile(r"(?<![\w.:)}])~(?=[A-Z](?![A-Za-z]))")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


def _quotient(found: re.Match[str]) -> str:
    """Return a fraction in one line, with brackets around what is more than a number or a name."""
    parts = [part.strip() for part in found.groups() if part is not None]
    return "/".join(part if part.isalnum() else f"({part})" for part in parts)


def plain(text: str) -> str:
    r"""Return text without styles, with one way to write each letter and sign.

    Compatibility characters (full-width, circled, mathematical letters) become plain ones, styles
    of LaTeX and HTML vanish, struck text and `\neg` become "not". Lines and Markdown are kept.
    """
    if text.isascii():
        found = text.translate(_ASCII_SIGNS)
    else:
        found = unicodedata.normalize("NFKC", text.translate(_SUPERSCRIPTS).translate(_SIGNS))
        found = found.translate(_SIGNS)
    if "\\" in found or "<" in found or "~" in found or "&" in found or "$" in found:
        found = _STRUCK.sub(" not ", found)
        found = _GREEK_NAME.sub(lambda own: _GREEK[own[1]], found)
        found = _TIMES.sub("×", _FRACTION.sub(_quotient, found))
        found = _AND.sub(" and ", found)
        found = _BREAK.sub("\n", found)
        found = _STYLE.sub("", _COLOR.sub("", found))
        found = _SPACE.sub(" ", found).replace("&amp;", "&").replace("\\&", "&")
        found = found.replace("&lt;", "<").replace("&gt;", ">").replace("\\%", "%")
    if "," in found:
        found = _THOUSANDS.sub("", found)
    if "~" in found:
        found = _COMPLEMENT.sub(" not ", found)
    found = _RUN.sub(r"\1\1\1\1", _BLANK_LINES.sub("\n\n", _BLANKS.sub(" ", found)))
    found = found.replace("^{", "^")
    return found.replace("\\{", " ").replace("\\}", " ").replace("{", " ").replace("}", " ")


_ASCII_SIGNS = {ord("\t"): " ", ord("\r"): "\n"}
