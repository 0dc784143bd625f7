r"""Split an answer into its value and its unit.

`8\text{ cm}^2` is 8 with cm to the 2; `\$5` is 5 with dollars. One of two answers may omit
its unit; two units must agree. Units are not converted.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

from ccpo_env.verifiers.math.forms.bare_units import split_bare_unit
from ccpo_env.verifiers.math.forms.normalize import unwrapped
from ccpo_env.verifiers.math.text.unit_names import (
    BEHIND,
    CANONICAL,
    COMPOUND,
    GENERIC,
    NOT_UNITS,
    POWERS,
    known_unit,
    singular,
)

UNIT_CACHE_SIZE = 2048
"""Cached units, by their text."""

_STYLE = r"\\(?:text(?:bf|it|rm|sf)?|math(?:rm|bf|it|sf)|mbox|operatorname)"
_NAMES = [*CANONICAL, *COMPOUND]
_BARE = "|".join(
    sorted((re.escape(n) for n in _NAMES if n.isalpha() and len(n) > 1), key=len)[::-1]
)
_EXPONENT = r"\s*\^\s*(?:\{\s*-?\d\s*\}|-?\d)"
_ONE = rf"(?:{_STYLE}\s*\{{[^{{}}]*\}}|(?<![A-Za-z\\])(?:{_BARE})(?![A-Za-z]))"
_PIECE = re.compile(
    rf"""(?:
        \\frac\s*\{{\s*(?P<top>{_ONE})(?P<top_power>{_EXPONENT})?\s*\}}
          \s*\{{\s*(?P<bottom>{_ONE})(?P<bottom_power>{_EXPONENT})?\s*\}}
      | {_STYLE}\s*\{{(?P<words>[^{{}}]*(?:\{{[^{{}}]*\}}[^{{}}]*)*)\}}
      | (?P<bare>(?<![A-Za-z\\])(?:{_BARE})(?![A-Za-z]))
      | (?P<degree>\^\s*(?:\\circ(?![A-Za-z])|\{{\s*\\circ\s*\}})(?:\s*(?P<scale>[CF]))?)
      | (?P<percent>\\?%|\u2030)
      | (?P<money>\\\$|[\u20ac\u00a3\u00a5\u00a2\u20b9])
      | (?<=[\d\s}}])(?P<symbol>\\Omega|m\s*/\s*s)
      | (?<=/)\s*(?P<letter>[smhgl])
    )
    (?P<power>{_EXPONENT})?\s*$""",
    re.VERBOSE,
)
_PREFIX = re.compile(
    rf"(\s*[+-]?\s*)(?:(?P<money>\\\$|[\u20ac\u00a3\u00a5\u20b9])|(?:{_STYLE}\s*\{{(?P<words>[^{{}}]*)\}}"
    r"|(?P<bare>Rs|USD|EUR|GBP)(?![A-Za-z]))\.?)\s*(?=[\d.\\-])"
)
_WORD = re.compile(
    r"\^\s*\{?\s*(-?\d)\s*\}?|[^\W\d_]+(?:'[a-z]?)?|[/$%\u20ac\u00a3\u00a5\u00a2\u20b9\u2030-]|\\\w+"
)
_ARGUMENT = re.compile(r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc|cis)(?![A-Za-z])")
_OTHER_SIGN = re.compile(r"[^\w \-/$%^{}'\\\u20ac\u00a3\u00a5\u00a2\u20b9\u2030]|_|(?<![\^{-])\d")
_MIN_NOUN = 4  # letters of a noun that squares: "5 square tiles" are no tiles to the power of two
_TAIL = 160  # longest text of a unit, in characters
_MAX_PIECES = 4


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit after a number.

    Args:
        powers: Known units and their powers, without those that cancel.
        words: Other words: apples, students.
        is_symbol: Whether it may as well be a symbol: `5 m`.
    """

    powers: frozenset[tuple[str, int]] = frozenset()
    words: frozenset[str] = frozenset()
    is_symbol: bool = False

    def agrees_with(self, other: Unit) -> bool:
        """Return whether two units are compatible; no unit is compatible with all.

        Note: Known units must be equal. Other words may be a subset: integers and distinct
            integers, cm and cm long.
        """
        if not self or not other:
            return True
        is_part = self.words <= other.words or other.words <= self.words
        return is_part and (self.powers == other.powers or self._has_dimension_of(other))

    def _has_dimension_of(self, other: Unit) -> bool:
        """Return whether one is in unnamed units, and they have the same power: square units."""
        if len(self.powers) != 1 or len(other.powers) != 1:
            return False
        ((name, power),), ((other_name, other_power),) = self.powers, other.powers
        return _UNNAMED in (name, other_name) and power == other_power

    def __bool__(self) -> bool:
        return bool(self.powers or self.words)

    @property
    def is_percent(self) -> bool:
        """Whether the unit is the percent sign."""
        return self.powers == _PERCENT


_UNNAMED = "unit"
_UNNAMED_WORDS = ("unit", "units")
_PERCENT = frozenset({("%", 1)})
NO_UNIT = Unit()


def split_unit(text: str) -> tuple[str, Unit]:
    """Return a cleaned answer without its unit, and the unit.

    Note: The text before a unit must end in a digit, a letter or a bracket and contain a digit,
        pi or a root; otherwise the text is not a measure and is returned unchanged. A
        degree sign within the argument of a function belongs to it.
    """
    value, money = _without_prefix(text.strip())
    if bare := split_bare_unit(unwrapped(value) if value.startswith("\\text") else value):
        unit = _unit(f"{money} {bare.name}", has_money=bool(money))
        if unit is not None:
            is_unit = bool(unit) and bare.is_symbol
            return bare.value.strip(), replace(unit, is_symbol=True) if is_unit else unit
    pieces: list[str] = []
    for _ in range(_MAX_PIECES):
        match = _PIECE.search(value, max(0, len(value) - _TAIL))
        if match is None or (match["degree"] and _ARGUMENT.search(value)):
            break
        front = value[: match.start()].rstrip()
        slash = front.endswith("/")
        pieces.append(("/" if slash else " ") + _piece(match))
        value = front.rstrip(" ,~").removesuffix("/" if slash else "\\cdot").rstrip()
    if not (pieces or money):
        return text, NO_UNIT
    unit = _unit(money + "".join(reversed(pieces)), has_money=bool(money))
    is_measure = re.search(r"\d|\\pi|\\sqrt|^[a-zA-Z]$|\\infty", value)
    if unit is None or not is_measure or value.endswith(_OPERATORS):
        return text, NO_UNIT
    return value, unit


_OPERATORS = ("^", "_", "=", "+", "-", "/", "\\", ",", "<", ">", "\\cdot", "\\times")


def _without_prefix(text: str) -> tuple[str, str]:
    """Return a text without its leading currency sign, and the sign."""
    prefix = _PREFIX.match(text)
    if prefix is None:
        return text, ""
    name = prefix["money"] or prefix["bare"] or prefix["words"].strip().removesuffix(".")
    name = name.removeprefix("\\")
    if name.casefold() not in CANONICAL:
        return text, ""
    return prefix[1] + text[prefix.end() :], " " + name


def _piece(match: re.Match[str]) -> str:
    if match["top"]:
        top, bottom = (re.sub(_STYLE, "", match[side]).strip("{} ") for side in ("top", "bottom"))
        return f"{top}{match['top_power'] or ''}/{bottom}{match['bottom_power'] or ''}"
    if match["degree"]:
        return "deg" + (match["scale"] or "") + (match["power"] or "")
    sign = (match["percent"] or match["money"] or "").removeprefix("\\")
    name = match["words"] or match["bare"] or match["symbol"] or match["letter"] or sign
    return name + (match["power"] or "")


@lru_cache(maxsize=UNIT_CACHE_SIZE)
def _unit(text: str, *, has_money: bool) -> Unit | None:
    """Return the unit that a text denotes, or None if it denotes none.

    Args:
        text: The words, signs and powers.
        has_money: Whether the first one is the sign of a currency, which may be named again.
    """
    text = text.replace(".", "").replace("per cent", "%").replace("\\%", "%").replace("\\$", "$")
    text = re.sub(r"[()]|(?<=\w)-(?=\w)", " ", text)
    if _OTHER_SIGN.search(text):
        return None
    text = re.sub(r"\b[Dd]eg(?:rees?)?\s+([CF])(?:elsius|ahrenheit)?\b", r"deg\1", text)
    names = [(match[0], match[1]) for match in _WORD.finditer(text)]
    if any(name.casefold() in NOT_UNITS for name, _ in names):
        return None
    if has_money and any(known_unit(name) == known_unit(names[0][0]) for name, _ in names[1:]):
        names = names[1:]
    if names and names[0][0].casefold() in BEHIND:
        return None  # "5 squared"
    is_inch = not any(_is_other(name) for name, power in names if not power)
    return _product(names, is_inch=is_inch)


def _product(names: list[tuple[str, str | None]], *, is_inch: bool) -> Unit:
    """Return the product of the named units, each followed by its power."""
    powers: Counter[str] = Counter()
    words: set[str] = set()
    sign, next_power, last, last_size = 1, 1, "", 0
    for name, power in names:
        lower = name.casefold()
        behind = int(power) if power else POWERS[lower] if lower in BEHIND else 0
        if behind and last:
            words -= {last, f"/{last}"}
            powers[last] += behind * (last_size or sign) - last_size
        elif lower in ("/", "per"):
            sign = -1
        elif lower in POWERS:
            next_power = POWERS[lower]
        elif known := known_unit(name, is_inch=is_inch):
            for last, size in known:
                last_size = sign * next_power * size
                powers[last] += last_size
            next_power = 1
        elif not power and (lower in _UNNAMED_WORDS or lower not in GENERIC) and lower != "-":
            last = singular(lower)
            is_unit = last == _UNNAMED or len(last) < _MIN_NOUN
            last_size = sign * next_power if next_power > 1 and is_unit else 0
            powers[last] += last_size
            if not last_size and last != _UNNAMED:
                words.add(last if sign > 0 else f"/{last}")
            next_power = 1
    return Unit(frozenset((n, p) for n, p in powers.items() if p), frozenset(words))


def _is_other(name: str) -> bool:
    lower = name.casefold()
    return not (known_unit(name, is_inch=True) or lower in POWERS or lower in ("/", "per", "-"))
