"""The names of units, and the words behind a number that are none."""

from __future__ import annotations

import re

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
    "C": "coulomb coulombs",
    "dm": "dm decimeter decimeters decimetre decimetres",
    "um": "um micrometer micrometers micrometre micrometres micron microns",
    "atm": "atm atmosphere atmospheres",
    "bar": "bar bars",
    "torr": "torr mmhg",
    "cal": "cal calorie calories",
    "kcal": "kcal kilocalorie kilocalories",
    "kWh": "kwh",
    "rpm": "rpm",
    "knot": "knot knots",
    "molar": "molar",
}
CANONICAL = {name: unit for unit, names in _ALIASES.items() for name in names.split()}
SYMBOLS = {
    "N": "N",
    "A": "A",
    "K": "K",
    "C": "C",
    "F": "F",
    "V": "V",
    "J": "J",
    "W": "W",
    "T": "T",
    "M": "molar",
    "Mm": "Mm",
    "Mg": "Mg",
}
COMPOUND = {
    "mph": "mile/hour",
    "kph": "km/hour",
    "kmh": "km/hour",
    "kmph": "km/hour",
    "sqft": "ft^2",
    "cc": "cm^3",
}
"""Units by name; names are compared without case, but for those in SYMBOLS."""
GENERIC = frozenset("unit units th st nd rd of the a an each in us".split())  # noqa: SIM905
"""Words that say nothing about the unit."""
NOT_UNITS = frozenset(
    (  # noqa: SIM905
        # conditions, comparisons and hedges
        "or and not no than only if for when more less fewer least most to is are other "
        "approximately about between even odd true false yes base where with as but except from "
        "until through by under over roughly nearly almost around circa maybe perhaps possibly "
        "unknown wrong undefined any all every some none neither nor either both else otherwise "
        "then so because since which that this incorrect invalid rejected extraneous impossible "
        "excluded approx approximate rounded estimated "
        # arithmetic and numbers
        "mod modulo times plus minus negative positive divided multiplied choose factorial power "
        "root remainder infinity half halves third thirds quarter quarters fourth fourths fifth "
        "fifths sixth sixths seventh sevenths eighth eighths ninth ninths tenth tenths hundredth "
        "hundredths thousandth thousandths dozen dozens score gross hundred hundreds thousand "
        "thousands million millions billion billions trillion trillions lakh lakhs crore crores "
        "fold double triple twice thrice one two three four five six seven eight nine ten eleven "
        "twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty "
        "fifty sixty seventy eighty ninety zero "
        # the same in languages that write Latin letters
        "und oder nicht mal hoch halb halbe dutzend tausend hundert millionen milliarden et ou "
        "pas moins demi douzaine mille milliard milliards fois mil millones docena medio menos "
        "por milhares "
    ).split()
)
"""Words that change a number, or that make a text no measure: 10 dozen is not 10."""
POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
"""Powers of units in words."""
BEHIND = frozenset({"squared", "cubed"})
"""Powers that follow their unit."""
LETTERS = frozenset("m s g h l L N J W K V A C T F".split())  # noqa: SIM905
"""Units of one letter that is also a symbol."""
RATES = frozenset(
    "m/s m/h g/L g/l J/K J/s J/g N/m N/C V/m W/m W/K C/s A/m K/m V/A L/s L/h N/A J/C g/h".split()  # noqa: SIM905
)
"""Quotients of units of one letter that are hardly meant as symbols."""
POWER = r"(?:\s*\^\s*(?:\{\s*-?\d\s*\}|-?\d))?"
"""Pattern of the power of a unit."""
LETTER_UNITS = rf"[{''.join(sorted(LETTERS))}]{POWER}(?:[\s/,;:\\]+[A-Za-z]{{1,3}}{POWER})*"
"""Pattern of units of which the first has one letter."""
NUMBER = r"[-+]?(?:[\d.,:+*/(){}^\s-]|\\(?:frac|pi|sqrt|times|cdot)(?![A-Za-z]))*(?:[\d)}]|\\pi)"
"""Pattern of a number without symbols."""
_PRODUCTS = {"Nm": "N m", "kNm": "kN m", "Ns": "N s", "kgm": "kg m", "gcm": "g cm"}
_PREFIXES = {
    "kilo": "k",
    "mega": "M",
    "giga": "G",
    "hecto": "h",
    "deci": "d",
    "centi": "c",
    "milli": "m",
    "micro": "u",
    "nano": "n",
    "pico": "p",
}
_BASES = {
    "meter": "m",
    "metre": "m",
    "gram": "g",
    "second": "s",
    "joule": "J",
    "watt": "W",
    "newton": "N",
    "volt": "V",
    "ampere": "A",
    "amp": "A",
    "hertz": "Hz",
    "pascal": "Pa",
    "mole": "mol",
    "liter": "l",
    "litre": "l",
    "coulomb": "C",
    "farad": "F",
    "byte": "B",
}
_PREFIXED = re.compile(rf"({'|'.join(_PREFIXES)})({'|'.join(_BASES)})s?")
_PREFIXED_SYMBOL = re.compile("([kMGhdcmu\u00b5np])(m|g|s|J|W|N|V|A|Hz|Pa|mol|l|L|C|F|K|T|B|eV)")
_IRREGULAR = {
    "men": "man",
    "women": "woman",
    "people": "person",
    "persons": "person",
    "children": "child",
    "mice": "mouse",
    "geese": "goose",
    "teeth": "tooth",
    "dice": "die",
    "vertices": "vertex",
    "matrices": "matrix",
    "indices": "index",
    "axes": "axis",
    "halves": "half",
    "leaves": "leaf",
    "knives": "knife",
    "loaves": "loaf",
}


def known_unit(name: str, *, is_inch: bool = True) -> list[tuple[str, int]]:
    """Return the units of a name and their powers; empty if it is not known.

    Args:
        name: A word: km, mph, Newtons.
        is_inch: Whether "in" means inches.
    """
    lower = name.casefold()
    if lower in COMPOUND:
        first, _, second = COMPOUND[lower].partition("/")
        base, _, power = first.partition("^")
        return [(base, int(power or 1)), *([(second, -1)] if second else [])]
    if name in SYMBOLS:
        return [(SYMBOLS[name], 1)]
    if name in _PRODUCTS:
        return [(factor, 1) for factor in _PRODUCTS[name].split()]
    if lower == "in":
        return [("inch", 1)] if is_inch else []
    unit = CANONICAL.get(name) or CANONICAL.get(lower) or _prefixed(name)
    return [(unit, 1)] if unit else []


def _prefixed(name: str) -> str:
    """Return the symbol of a unit with a prefix, such as mW and MW; empty if it is none."""
    if spelled := _PREFIXED.fullmatch(name.casefold()):
        return _PREFIXES[spelled[1]] + _BASES[spelled[2]]
    symbol = _PREFIXED_SYMBOL.fullmatch(name)
    return symbol[1].replace("\u00b5", "u") + symbol[2].replace("L", "l") if symbol else ""


def singular(word: str) -> str:
    """Return the singular of an English noun, or at least the same for singular and plural."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith(("ss", "us", "is")) or len(word) < 3:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word.removesuffix("ies") + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "uses", "oes")):
        return word.removesuffix("es")
    return word.removesuffix("s")
