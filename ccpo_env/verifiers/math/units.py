r"""Split an answer into its value and its unit.

`8\text{ cm}^2` is 8 with cm to the 2; `\$5` is 5 with dollars. One of two answers may omit
its unit; two units must agree. Units are not converted.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_ALIASES = {
    "deg": "deg degree degrees \\circ",
    "degC": "celsius degc",
    "degF": "fahrenheit degf",
    "rad": "rad radian radians",
    "%": "% percent percents percentage pct",
    "permille": "\u2030",
    "$": "$ dollar dollars usd bucks buck",
    "cent": "cent cents \u00a2",
    "euro": "\u20ac euro euros eur",
    "pound": "\u00a3 pound pounds gbp lb lbs",
    "yen": "\u00a5 yen yens jpy",
    "rupee": "rs inr rupee rupees \u20b9",
    "yuan": "yuan rmb cny",
    "am": "am AM",
    "pm": "pm PM",
    "nm": "nm nanometer nanometers nanometre nanometres",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "cm": "cm centimeter centimeters centimetre centimetres",
    "m": "m meter meters metre metres",
    "km": "km kilometer kilometers kilometre kilometres",
    "inch": "inch inches",
    "ft": "ft foot feet",
    "yd": "yd yard yards",
    "mile": "mile miles mi",
    "acre": "acre acres",
    "hectare": "hectare hectares ha",
    "ms": "ms millisecond milliseconds",
    "s": "s sec secs second seconds",
    "min": "min mins minute minutes",
    "hour": "h hr hrs hour hours",
    "day": "day days",
    "week": "week weeks",
    "month": "month months",
    "year": "yr yrs year years",
    "mg": "mg milligram milligrams",
    "g": "g gram grams gm",
    "kg": "kg kilogram kilograms",
    "ton": "ton tons tonne tonnes",
    "oz": "oz ounce ounces",
    "l": "l liter liters litre litres",
    "ml": "ml milliliter milliliters millilitre millilitres",
    "gallon": "gal gals gallon gallons",
    "quart": "qt qts quart quarts",
    "pint": "pt pts pint pints",
    "cup": "cup cups",
    "N": "newton newtons",
    "J": "j joule joules",
    "kJ": "kj kilojoule kilojoules",
    "W": "w watt watts",
    "kW": "kw kilowatt kilowatts",
    "V": "v volt volts",
    "A": "ampere amperes amp amps",
    "ohm": "ohm ohms \\Omega",
    "Hz": "hz hertz",
    "kHz": "khz kilohertz",
    "MHz": "mhz megahertz",
    "Pa": "pa pascal pascals",
    "kPa": "kpa kilopascal kilopascals",
    "K": "kelvin kelvins",
    "mol": "mol mole moles",
    "eV": "ev electronvolt electronvolts",
    "F": "farad farads",
    "T": "tesla teslas",
}
_CANONICAL = {name: unit for unit, names in _ALIASES.items() for name in names.split()}
_SYMBOLS = {
    "N": "N",
    "A": "A",
    "K": "K",
    "C": "coulomb",
    "V": "V",
    "J": "J",
    "W": "W",
    "T": "T",
    "Mm": "Mm",
    "Mg": "Mg",
}
_COMPOUND = {"mph": "mile/hour", "kph": "km/hour", "kmh": "km/hour", "sqft": "ft^2", "cc": "cm^3"}
_GENERIC = frozenset("unit units th st nd rd of the a an each in".split())  # noqa: SIM905
_NOT_UNITS = frozenset(
    "or and not no than only if for when more less fewer least most mod modulo to is are other "  # noqa: SIM905
    "approximately about between even odd true false yes base where with times".split()
)
_POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
_BEHIND = frozenset({"squared", "cubed"})
_STYLE = r"\\(?:text(?:bf|it|rm|sf)?|math(?:rm|bf|it|sf)|mbox|operatorname)"
_NAMES = [*_CANONICAL, *_COMPOUND]
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
    r"\^\s*\{?\s*(-?\d)\s*\}?|[A-Za-z']+|[/$%\u20ac\u00a3\u00a5\u00a2\u20b9\u2030-]|\\\w+"
)
_ARGUMENT = re.compile(r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc|cis)(?![A-Za-z])")
_TAIL = 160  # longest text of a unit, in characters
_MAX_PIECES = 4


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit after a number.

    Args:
        powers: Known units and their powers, without those that cancel.
        words: Other words: apples, students.
    """

    powers: frozenset[tuple[str, int]] = frozenset()
    words: frozenset[str] = frozenset()

    def agrees_with(self, other: Unit) -> bool:
        """Return whether two units are compatible; no unit is compatible with all.

        Note: Known units must be equal. Other words may be a subset: integers and distinct
            integers, cm and cm long.
        """
        if not self or not other:
            return True
        is_part = self.words <= other.words or other.words <= self.words
        return self.powers == other.powers and is_part

    def __bool__(self) -> bool:
        return bool(self.powers or self.words)

    @property
    def is_percent(self) -> bool:
        """Whether the unit is the percent sign."""
        return self.powers == _PERCENT


_PERCENT = frozenset({("%", 1)})
NO_UNIT = Unit()


def split_unit(text: str) -> tuple[str, Unit]:
    """Return a cleaned answer without its unit, and the unit.

    Note: The text before a unit must end in a digit, a letter or a bracket and contain a digit,
        pi or a root; otherwise the text is not a measure and is returned unchanged. A
        degree sign within the argument of a function belongs to it.
    """
    value, money = _without_prefix(text.strip())
    pieces: list[str] = []
    for _ in range(_MAX_PIECES):
        match = _PIECE.search(value, max(0, len(value) - _TAIL))
        if match is None or (match["degree"] and _ARGUMENT.search(value)):
            break
        front = value[: match.start()].rstrip()
        slash = front.endswith("/")
        pieces.append(("/" if slash else " ") + _piece(match))
        value = front.rstrip(" ,~").removesuffix("/" if slash else "\\cdot").rstrip()
    unit = _unit(money + "".join(reversed(pieces)))
    is_measure = re.search(r"\d|\\pi|\\sqrt|^[a-zA-Z]$|\\infty", value)
    if not (pieces or money) or unit is None or not is_measure or value.endswith(_OPERATORS):
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
    if name.casefold() not in _CANONICAL:
        return text, ""
    return prefix[1] + text[prefix.end() :], " " + name


def _piece(match: re.Match[str]) -> str:
    if match["top"]:
        top, bottom = (re.sub(_STYLE, "", match[side]).strip("{} ") for side in ("top", "bottom"))
        return f"{top}{match['top_power'] or ''}/{bottom}{match['bottom_power'] or ''}"
    if match["degree"]:
        return "deg" + (match["scale"] or "")
    sign = (match["percent"] or match["money"] or "").removeprefix("\\")
    name = match["words"] or match["bare"] or match["symbol"] or match["letter"] or sign
    return name + (match["power"] or "")


def _unit(text: str) -> Unit | None:
    """Return the unit that a text denotes, or None if it denotes none."""
    text = text.replace(".", "").replace("per cent", "%").replace("\\%", "%").replace("\\$", "$")
    text = re.sub(r"(\w)-(?=\w)", r"\1 ", text)
    if re.search(
        r"[^A-Za-z \-/$%^{}\d'\\\u20ac\u00a3\u00a5\u00a2\u20b9\u2030]|(?<![\^{-])\d", text
    ):
        return None
    text = re.sub(r"\b[Dd]eg(?:rees?)?\s+([CF])(?:elsius|ahrenheit)?\b", r"deg\1", text)
    names = [(match[0], match[1]) for match in _WORD.finditer(text)]
    if any(name.casefold() in _NOT_UNITS for name, _ in names):
        return None
    is_inch = not any(_is_other(name) for name, power in names if not power)
    return _product(names, is_inch=is_inch)


def _product(names: list[tuple[str, str | None]], *, is_inch: bool) -> Unit:
    """Return the product of the named units, each followed by its power."""
    powers: Counter[str] = Counter()
    others: Counter[str] = Counter()
    sign, next_power, last = 1, 1, ""
    for name, power in names:
        lower = name.casefold()
        behind = int(power) if power else _POWERS[lower] if lower in _BEHIND else 0
        if behind and last:
            (powers if last in powers else others)[last] += sign * (behind - 1)
        elif lower in ("/", "per"):
            sign = -1
        elif lower in _POWERS:
            next_power = _POWERS[lower]
        elif known := _known(name, is_inch=is_inch):
            for last, size in known:
                powers[last] += sign * next_power * size
            next_power = 1
        elif not power and lower not in _GENERIC and lower != "-":
            last = _singular(lower)
            others[last] = sign * next_power
            next_power = 1
    words = frozenset(n if p == 1 else f"{n}^{p}" for n, p in others.items())
    return Unit(frozenset((n, p) for n, p in powers.items() if p), words)


def _is_other(name: str) -> bool:
    lower = name.casefold()
    return not (_known(name, is_inch=True) or lower in _POWERS or lower in ("/", "per", "-"))


def _known(name: str, *, is_inch: bool) -> list[tuple[str, int]]:
    lower = name.casefold()
    if lower in _COMPOUND:
        first, _, second = _COMPOUND[lower].partition("/")
        base, _, power = first.partition("^")
        return [(base, int(power or 1)), *([(second, -1)] if second else [])]
    if name in _SYMBOLS:
        return [(_SYMBOLS[name], 1)]
    if lower == "in":
        return [("inch", 1)] if is_inch else []
    unit = _CANONICAL.get(name) or _CANONICAL.get(lower)
    return [(unit, 1)] if unit else []


def _singular(word: str) -> str:
    ending = "es" if word.endswith(("ches", "shes", "xes")) else "s"
    return word.removesuffix(ending)
