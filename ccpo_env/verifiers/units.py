r"""Split an answer into what it measures and the unit behind it.

`8\text{ cm}^2` is 8 with "cm^2". A unit may be left out on one side; two units must agree.
"""

from __future__ import annotations

import re

from ccpo_env.verifiers.normalize import clean

_ALIASES = {
    "deg": "deg degree degrees \\circ",
    "rad": "rad radian radians",
    "%": "% percent percents percentage",
    "$": "dollar dollars usd bucks",
    "cent": "cent cents",
    "euro": "euro euros eur",
    "am": "am",
    "pm": "pm",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "cm": "cm centimeter centimeters centimetre centimetres",
    "m": "m meter meters metre metres",
    "km": "km kilometer kilometers kilometre kilometres",
    "inch": "inch inches",
    "ft": "ft foot feet",
    "yd": "yd yard yards",
    "mile": "mile miles mi",
    "ms": "ms millisecond milliseconds",
    "s": "s sec secs second seconds",
    "min": "min mins minute minutes",
    "hour": "h hr hrs hour hours",
    "day": "day days",
    "week": "week weeks",
    "month": "month months",
    "year": "yr yrs year years",
    "mg": "mg milligram milligrams",
    "g": "g gram grams",
    "kg": "kg kilogram kilograms",
    "lb": "lb lbs pound pounds",
    "oz": "oz ounce ounces",
    "l": "l liter liters litre litres",
    "ml": "ml milliliter milliliters millilitre millilitres",
    "mph": "mph",
}
_CANONICAL = {name: unit for unit, names in _ALIASES.items() for name in names.split()}
_GENERIC = frozenset({"unit", "units"})
_NOT_UNITS = frozenset(
    [
        "or",
        "and",
        "not",
        "no",
        "than",
        "only",
        "if",
        "for",
        "when",
        "more",
        "less",
        "fewer",
        "least",
        "most",
        "mod",
        "modulo",
        "to",
        "is",
        "are",
        "other",
        "approximately",
        "about",
        "between",
        "even",
        "odd",
        "true",
        "false",
        "yes",
        "base",
    ]
)
_POWERS = {"square": "2", "sq": "2", "squared": "2", "cubic": "3", "cubed": "3"}
_STYLE = r"\\(?:text(?:bf|it|rm|sf)?|math(?:rm|bf|it|sf)|mbox|operatorname)"
_BARE = "|".join(sorted((re.escape(n) for n in _CANONICAL if len(n) > 1), key=len, reverse=True))
_PIECE = re.compile(
    rf"""(?:
        {_STYLE}\s*\{{(?P<words>[^{{}}]*)\}}
      | (?P<bare>(?<![A-Za-z\\])(?:{_BARE})(?![A-Za-z]))
      | (?P<degree>\^\s*(?:\\circ|\{{\s*\\circ\s*\}}))
      | (?P<percent>\\?%)
    )
    \s*(?:\^\s*\{{?\s*(?P<power>[23])\s*\}}?)?\s*$""",
    re.VERBOSE,
)
_MONEY = (("\\$", "$"), ("\u20ac", "euro"), ("\u00a3", "pound sterling"), ("\u00a2", "cent"))
_TAIL = 160  # characters that may hold a unit
_MAX_PIECES = 4


def split_unit(text: str) -> tuple[str, str]:
    """Return a cleaned answer without its unit, and the unit in one spelling ("" for none).

    Note: What stands in front of a unit must end in a digit, a letter or a bracket and hold a
        digit or pi; otherwise the text is not a measure, and is returned as it is.
    """
    value, units = text.rstrip(), []
    for _ in range(_MAX_PIECES):
        start = max(0, len(value) - _TAIL)
        match = _PIECE.search(value, start)
        if match is None:
            break
        words = match["words"] or match["bare"] or ""
        unit = "deg" if match["degree"] else "%" if match["percent"] else _canonical(words)
        if unit is None:
            return text, ""
        units.append(unit + ("^" + match["power"] if match["power"] and unit else ""))
        value = value[: match.start()].rstrip().removesuffix("\\").rstrip(" ,~")
    if not units or not re.search(r"\d|\\pi", value) or value.endswith(("^", "_", "=", "+", "-")):
        return text, ""
    return value, " ".join(unit for unit in reversed(units) if unit)


def unit_of(answer: str) -> str:
    """Return the unit of an answer as it was written, with its money sign; "" for none."""
    for sign, unit in _MONEY:
        if sign in answer:
            return unit
    return split_unit(clean(answer))[1]


def _canonical(words: str) -> str | None:
    """Return the spelling of a unit, "" for a unit that says nothing, or None for other text."""
    text = words.replace(".", "").replace("\\", "").replace("%", " percent ").casefold().strip()
    if re.search(r"[^a-z \-/$]", text):
        return None
    parts = [_words(part.split()) for part in re.split(r"/|\bper\b|(?<=\w)-(?=\w)", text)]
    return None if None in parts else "/".join(part for part in parts if part)


def _words(words: list[str]) -> str | None:
    if _NOT_UNITS.intersection(words):
        return None
    power = "".join(_POWERS.get(word, "") for word in words)
    names = [word for word in words if word not in _POWERS and word not in _GENERIC]
    unit = " ".join(_CANONICAL.get(name, name.removesuffix("s")) for name in names)
    return unit + ("^" + power if power and unit else "")


def units_agree(first: str, second: str) -> bool:
    """Return whether two units may stand behind the same answer; "" agrees with all.

    Note: Known units must be the same. Of the other words one answer may have more: integers
        and distinct integers, cm and cm long.
    """
    if not first or not second or first == second:
        return True
    a, b = set(first.split()), set(second.split())
    known_a, known_b = ({word for word in words if _is_known(word)} for words in (a, b))
    return known_a == known_b and (a <= b or b <= a)


def _is_known(word: str) -> bool:
    return word in _ALIASES or "/" in word or "^" in word
