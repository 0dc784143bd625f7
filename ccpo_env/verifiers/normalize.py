"""Bring two answers to one form: the same text, or the same number, exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from ccpo_env.verifiers.notation import to_latex

MAX_CHARS = 4096
"""Longest answer that is read as anything but characters."""
MAX_DIGITS = 256
"""Longest run of digits, and largest power of ten, that is read as a number."""

_UNICODE = str.maketrans(
    {
        "\u2212": "-",
        "\u2013": "-",
        "\uff05": "%",
        "\u00a0": " ",
        "\u00d7": r"\times ",
        "\u00b7": r"\cdot ",
        "\u00f7": r"\div ",
        "\u00b1": r"\pm ",
        "\u03c0": r"\pi ",
        "\u221e": r"\infty ",
        "\u222a": r"\cup ",
        "\u2229": r"\cap ",
        "\u2208": r"\in ",
        "\u2260": r"\neq ",
        "\u2264": r"\leq ",
        "\u2265": r"\geq ",
        "\u00b0": r"^{\circ}",
    }
)
_MACRO = r"(?<!\\)\\"  # a backslash that is not the second half of a row break
_CLEANING = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (_MACRO + r"(?:left|right)\s*\.", ""),
        (_MACRO + r"(?:(?:text)?color\s*\{[^{}]*\}|boldsymbol(?![A-Za-z]))", ""),
        (_MACRO + r"(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle)(?![A-Za-z])", ""),
        (_MACRO + r"[()\[\]!]|\\?\$", ""),
        (_MACRO + r"(?:[,;: ]|$|q?quad(?![A-Za-z]))|~", " "),
        (_MACRO + r"[dtc]frac(?![A-Za-z])", r"\\frac"),
        (_MACRO + r"degree(?![A-Za-z])", r"^{\\circ}"),
        (r"\{([,:])\}", r"\1"),
        # Text behind a number is read as its unit, which a second number must not pass for.
        (_MACRO + r"text\s*\{([^{}0-9]*[0-9][^{}]*)\}", r" \1 "),
        (r"\s+", " "),
    ]
]
_WRAPPER = re.compile(_MACRO + r"(?:text(?:bf|it|rm)?|math(?:rm|bf|it|sf)|mbox)\s*\{([^{}]*)\}")
_LONE_TOKEN = re.compile(r"\{([A-Za-z0-9])\}")
_IDLE_SPACE = re.compile(r"(?<![A-Za-z0-9])\s+|\s+(?![A-Za-z0-9])")
_BRACKETED_LETTER = re.compile(r"\(([A-Za-z])\)")
# "(A) 42" and "B. Paris", not "(A) or (B)" and not the product "(A) + B"
_LETTERED = re.compile(
    r"(?:\(([A-Z])\)|([A-Z])[).:])\s+(?!(?:or|and|not)\b)[\w\\-](?:(?!\([A-Z]\)|\s(?:or|and)\s).)*",
    re.IGNORECASE | re.DOTALL,
)
_WORDS = re.compile(r"[A-Za-z ]+")


def clean(text: str) -> str:
    r"""Return LaTeX without what never changes its meaning.

    That is delimiters, `\left` and `\right`, sizes, colours, kinds of space, `\dfrac` for `\frac`,
    and one full stop at the end. Unicode signs and plain notation become macros.
    """
    text = to_latex(text).translate(_UNICODE)
    for pattern, replacement in _CLEANING:
        text = pattern.sub(replacement, text)
    return text.strip().removesuffix(".").rstrip()


def same_text(first: str, second: str) -> bool:
    """Return whether two answers are written the same way, up to style and spacing.

    Note: Upper and lower case differ, except in answers that are words or a single letter.
        Texts longer than MAX_CHARS must be equal character by character.
    """
    if max(len(first), len(second)) > MAX_CHARS:
        return first.strip() == second.strip()
    a, b = _written_form(first), _written_form(second)
    return a == b or _is_letter_of(a, second) or _is_letter_of(b, first)


def _is_letter_of(form: str, lettered: str) -> bool:
    """Return whether a form is the letter of a choice that is written with its content."""
    if len(form) != 1:
        return False
    choice = _LETTERED.fullmatch(_WRAPPER.sub(r"\1", clean(lettered)).strip())
    return choice is not None and (choice[1] or choice[2]).casefold() == form.casefold()


def _written_form(text: str) -> str:
    text = _WRAPPER.sub(r"\1", clean(text)).replace("\\%", "%").removesuffix(".")
    text = _IDLE_SPACE.sub("", _LONE_TOKEN.sub(r"\1", text))
    bracketed = _BRACKETED_LETTER.fullmatch(text)
    text = bracketed[1] if bracketed else text
    return text.casefold() if _WORDS.fullmatch(text) else text


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact number and what stands behind it.

    Args:
        value: The number, with digits read as decimal whatever the base.
        unit: "", "%", "deg", or the base after an underscore: "_8".
    """

    value: Fraction
    unit: str


_ARGUMENT = r"\s*(?:\{{\s*(?P<{0}>-?\d+)\s*\}}|(?P<{0}_digit>\d))"
_NUMBER = re.compile(
    rf"""(?P<sign>[+-]?)\ ?
    (?:
        (?P<whole>\d*)\s*\\frac{_ARGUMENT.format("top")}{_ARGUMENT.format("bottom")}
      | (?P<over>\d+)\ ?/\ ?(?P<under>\d+)
      | (?P<decimal>(?:\d{{1,3}}(?:,\d{{3}})+|\d{{1,3}}(?:\ \d{{3}})+|\d+)(?:\.\d+)?|\.\d+)
        (?:\ ?\\(?:times|cdot)\ ?10\ ?\^\ ?(?:\{{(?P<power>[+-]?\d+)\}}|(?P<power_digit>\d))
         | [eE](?P<exponent>[+-]?\d+))?
    )
    \s*(?P<unit>\\?%|\^\s*\\circ|\^\s*\{{\s*\\circ\s*\}}|_\d|_\{{\d+\}})?""",
    re.VERBOSE | re.ASCII,
)
_LONG_NUMBER = re.compile(rf"\d{{{MAX_DIGITS + 1}}}", re.ASCII)


def has_long_number(text: str) -> bool:
    """Return whether a run of digits is longer than MAX_DIGITS."""
    return _LONG_NUMBER.search(text) is not None


def parse_number(text: str) -> Quantity | None:
    """Return the exact number that a text is, or None if it is anything else.

    Reads integers, decimals, digit groups, powers of ten, fractions and mixed numbers, with
    or without a percent sign, a degree sign or a base.
    """
    if len(text) > MAX_CHARS or has_long_number(text):
        return None
    match = _NUMBER.fullmatch(clean(text))
    value = _unsigned_value(match.groupdict(default="")) if match else None
    if match is None or value is None:
        return None
    return Quantity(-value if match["sign"] == "-" else value, _unit(match["unit"] or ""))


def _unit(suffix: str) -> str:
    if "circ" in suffix:
        return "deg"
    return suffix.strip("\\").replace("{", "").replace("}", "")


def _unsigned_value(parts: dict[str, str]) -> Fraction | None:
    """Return the value of a matched number, or None where it has none."""
    if parts["decimal"]:
        power = int(parts["power"] or parts["power_digit"] or parts["exponent"] or 0)
        if abs(power) > MAX_DIGITS:
            return None
        digits = parts["decimal"].replace(",", "").replace(" ", "")
        return Fraction(digits) * Fraction(10) ** power
    top = int(parts["top"] or parts["top_digit"] or parts["over"])
    bottom = int(parts["bottom"] or parts["bottom_digit"] or parts["under"])
    if bottom == 0 or (parts["whole"] and not 0 < top < bottom):
        return None  # "2\frac{3}{2}" is a product or a slip, not a mixed number
    return int(parts["whole"] or 0) + Fraction(top, bottom)


def same_number(first: str, second: str) -> bool | None:
    """Return whether two plain numbers are equal, exactly; None if one is not plain.

    Note: One of the two may leave out its unit. 50 % equals both 50 and 0.5, but without a
        percent sign a factor of 100 is a difference. Below 1 % the sign is never left out:
        0.5 % is not 0.5.
    """
    a, b = parse_number(first), parse_number(second)
    if a is None or b is None:
        return None
    if a.unit == b.unit:
        return a.value == b.value
    if a.unit and b.unit:
        return False
    marked, bare = (a, b) if a.unit else (b, a)
    if marked.unit != "%":
        return marked.value == bare.value
    is_kept = marked.value == bare.value and abs(bare.value) >= 1
    return is_kept or marked.value == 100 * bare.value
