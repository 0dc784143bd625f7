"""Parse plain numbers exactly: integers, decimals, fractions, mixed numbers, powers of ten."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

MAX_DIGITS = 256
"""Longest run of digits, and largest power of ten, that is parsed as a number."""
MAX_BASE = 36
"""Largest base of a number: ten digits and 26 letters."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact number and the base of its digits.

    Args:
        value: The number, with digits read as decimal for any base.
        base: The base as written after the number, or "".
    """

    value: Fraction
    base: str


_INTEGER = r"-?(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)"


def _argument(name: str) -> str:
    return rf"\s*(?:\{{\s*(?P<{name}>{_INTEGER})\s*\}}|(?P<{name}_digit>\d))"


_NUMBER = re.compile(
    rf"""(?P<sign>[+-]?)\ ?
    (?:
        (?P<whole>\d*)\s*\\frac{_argument("top")}{_argument("bottom")}
      | (?:(?P<units>\d+)\ )?(?P<over>\d+)\ ?/\ ?(?P<under>\d+)
      | (?P<decimal>(?:[1-9]\d{{0,2}}(?:,\d{{3}})+|\d{{1,3}}(?:\ \d{{3}})+|\d+)(?:\.\d*)?|\.\d+)
        (?:\ ?(?:\\(?:times|cdot)|[*x])\ ?10\ ?\^\ ?
           (?:[{{(](?P<power>[+-]?\d+)[)}}]|(?P<power_digit>\d))
         | [eE](?P<exponent>[+-]?\d+))?
    )
    \s*(?:_\s*(?:(?P<base_digit>\d)|[{{(]+\s*(?P<base>\d+|[a-z ]+)\s*[)}}]+))?""",
    re.VERBOSE | re.ASCII,
)
_LONG_NUMBER = re.compile(rf"\d{{{MAX_DIGITS + 1}}}", re.ASCII)
_SPELLINGS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
)
_WORDS: dict[str, int] = dict(
    zip(_SPELLINGS.split(), [*range(21), *range(30, 100, 10)], strict=True)
)
_BASED = re.compile(
    r"(?P<sign>[+-]?)\s*(?P<digits>[0-9A-Fa-f]+(?: [0-9A-Fa-f]+)*)\s*_"
    r"\s*[{(]*\s*(?P<base>\d+)\s*[)}]*",
    re.ASCII,
)
_SPELLED = re.compile(r"[a-z]+(?:[- ][a-z]+)?")


def has_long_number(text: str) -> bool:
    """Return whether a run of digits is longer than MAX_DIGITS."""
    return len(text) > MAX_DIGITS and _LONG_NUMBER.search(text) is not None


def spelled_number(words: str) -> int | None:
    """Return the number from 0 to 99 that is spelled out in words."""
    parts = words.replace("-", " ").split()
    values = [_WORDS.get(part, -1) for part in parts]
    if len(values) == 1 and values[0] >= 0:
        return values[0]
    is_compound = len(values) == 2 and values[0] >= 20 and 1 <= values[1] <= 9
    return sum(values) if is_compound else None


def parse_number(text: str) -> Quantity | None:
    """Return the exact value of a cleaned text that is a number, else None."""
    if has_long_number(text):
        return None
    match = _NUMBER.fullmatch(text)
    if match is None:
        return _based_number(text) or _number_in_words(text)
    value = _unsigned_value(match.groupdict(default=""))
    base = (match["base_digit"] or match["base"] or "").strip()
    if base and not base.isdigit():
        base = str(spelled_number(base))
    if value is None or base == "None":
        return None
    return Quantity(-value if match["sign"] == "-" else value, base)


def _based_number(text: str) -> Quantity | None:
    """Return a number in a base, with spaces between its digits or with letters for digits."""
    match = _BASED.fullmatch(text)
    if match is None:
        return None
    digits = match["digits"].replace(" ", "")
    # Digits are compared as written, so letters get values that no other digit has.
    value = int(digits) if digits.isdigit() else int(digits, 16) + Fraction(1, 2)
    return Quantity(Fraction(-value if match["sign"] == "-" else value), match["base"])


def _number_in_words(text: str) -> Quantity | None:
    lower = text.casefold()
    value = spelled_number(lower) if _SPELLED.fullmatch(lower) else None
    return None if value is None else Quantity(Fraction(value), "")


def _unsigned_value(parts: dict[str, str]) -> Fraction | None:
    """Return the value of a matched number, or None if it has none."""
    if parts["decimal"]:
        power = int(parts["power"] or parts["power_digit"] or parts["exponent"] or 0)
        if abs(power) > MAX_DIGITS:
            return None
        digits = parts["decimal"].replace(",", "").replace(" ", "").removesuffix(".")
        return Fraction(digits) * Fraction(10) ** power
    top = int((parts["top"] or parts["top_digit"] or parts["over"]).replace(",", ""))
    bottom = int((parts["bottom"] or parts["bottom_digit"] or parts["under"]).replace(",", ""))
    whole = parts["whole"] or parts["units"]
    if bottom == 0 or (whole and not 0 < top < bottom):
        return None  # "2\\frac{3}{2}" is a product or a typing error, not a mixed number
    return int(whole or 0) + Fraction(top, bottom)


def same_number(first: Quantity, second: Quantity) -> bool:
    """Return whether two numbers are equal, exactly; one of them may omit its base."""
    if first.base and second.base:
        return first.base == second.base and first.value == second.value
    return first.value == second.value and all(map(_has_possible_base, (first, second)))


def _has_possible_base(each: Quantity) -> bool:
    """Return whether the digits exist in the base: not in 12_2, and 42_{43} has too many."""
    digits = str(int(abs(each.value)))
    return not each.base or int(max(digits)) < int(each.base) <= MAX_BASE
