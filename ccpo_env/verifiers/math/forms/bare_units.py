r"""Units and nouns behind a number without `\text`: `10 apples`, `60 miles per hour`, `5 m/s^2`."""

from __future__ import annotations

import itertools
import re
from typing import NamedTuple

from ccpo_env.verifiers.math.syntax.quantity import spelled_number
from ccpo_env.verifiers.math.syntax.vocabulary import CHOICES, FUNCTIONS, GREEK
from ccpo_env.verifiers.math.text.unit_names import (
    CANONICAL,
    COMPOUND,
    GENERIC,
    LETTERS,
    NOT_UNITS,
    NUMBER,
    POWER,
    POWERS,
    RATES,
    known_unit,
)

_NAME = r"(?:[^\W\d_]+(?:'s?)?|\\Omega)"
_JOINT = r"(?:\s*/\s*\(?\s*|\s*\\cdot\s*|\s*\*\s*|\.?[\s-]+)"
_UNITS = rf"{_NAME}{POWER}(?:(?:\s*\\cdot\s*|\s+){_NAME}{POWER}){{0,3}}"
_MEASURE = re.compile(
    rf"(?P<value>{NUMBER})(?P<gap>\s*)(?P<units>{_NAME}{POWER}(?:{_JOINT}{_NAME}{POWER}){{0,7}})\)?"
)
_IN_BRACKETS = re.compile(rf"(?P<value>{NUMBER})\s*\((?P<units>{_NAME}(?:[\s-]+{_NAME}){{0,7}})\)")
_SPELLED = re.compile(
    rf"(?P<value>[A-Za-z]+(?:-[a-z]+)?)\s+(?P<units>{_NAME}(?:[\s-]+{_NAME}){{0,7}})"
)
_FRACTION = re.compile(
    rf"(?P<value>{NUMBER})\s*\\frac\s*\{{\s*(?P<top>{_UNITS})\s*\}}\s*\{{\s*(?P<bottom>{_UNITS})\s*\}}"
)
_WORD = re.compile(_NAME)
_IS_COMPOUND = re.compile(r"[/^*]|\\")
_INVERSE = re.compile(r"\^\s*\{?\s*-")
_CONNECTORS = GENERIC | POWERS.keys() | {"per"}
_NOT_NOUNS = (
    NOT_UNITS | FUNCTIONS | CHOICES | GREEK | {"sqrt", "frac", "inf", "sum", "int", "lim", "det"}
)
_SHORT_NOUN = re.compile(r"[^aeiou][aeiou][^aeiou]|egg|ant|pie|pea|bee|toe|oil|ice|old|ink|owl|eye")
_VOWEL = re.compile(r"[aeiouy]")
_SYMBOLS_OF_UNITS = frozenset({*CANONICAL.values(), "mL", "Rs", "USD", "EUR", "GBP"})
_ORDINALS = frozenset({"st", "nd", "rd", "th"})
_AMBIGUOUS = frozenset("pa ev rs pt ha mi kj kw hz".split())  # noqa: SIM905


class BareUnit(NamedTuple):
    """A number and the unit behind it.

    Args:
        value: The text of the number.
        name: The text of the unit.
        is_symbol: Whether the unit may as well be a symbol: `5 m`.
    """

    value: str
    name: str
    is_symbol: bool


def split_bare_unit(text: str) -> BareUnit | None:
    r"""Return the number and the unit of a text that has no macros around its words, else None.

    Note: A noun has three letters or more, a vowel and a space before it; words of scale, count
        and comparison are no nouns. One letter is a unit in a quotient such as `m/s`, and possibly
        one behind a space.
    """
    if match := _MEASURE.fullmatch(text):
        return _measured(match)
    if match := _IN_BRACKETS.fullmatch(text):
        words = _WORD.findall(match["units"])
        return BareUnit(match["value"], match["units"], False) if _are_nouns(words) else None
    if match := _FRACTION.fullmatch(text):
        name = f"{match['top']} / {match['bottom']}".replace("\\cdot", " ")
        is_unit = _is_quotient(_WORD.findall(match["top"]), _WORD.findall(match["bottom"]))
        return BareUnit(match["value"], name, False) if is_unit else None
    return _spelled(text)


def _measured(match: re.Match[str]) -> BareUnit | None:
    gap, is_compound = match["gap"], _IS_COMPOUND.search(match["units"]) is not None
    names = name = re.sub(r"\\cdot|[*()]", " ", match["units"])
    words = _WORD.findall(names)
    if all(word.casefold() in GENERIC and word.casefold() != "units" for word in words) and (
        is_compound or len(words[0]) == 1
    ):
        return None  # "\\pi a^2" has a symbol
    if is_compound or (len(words) == 1 and len(words[0]) == 1):
        if not all(_is_unit(word, gap) or word.casefold() in _CONNECTORS for word in words):
            return None
        above, _, below = names.partition("/")
        is_product = len(words) > 1 and _INVERSE.search(names) is not None
        if is_product or _is_quotient(_WORD.findall(above), _WORD.findall(below)):
            return BareUnit(match["value"], name, False)
        return BareUnit(match["value"], name, True) if gap else None
    is_attached = len(words[0]) > 1 and (_is_unit(words[0], gap) or words[0] in _ORDINALS)
    if not gap and not is_attached:
        return None
    are_letters = all(len(word) == 1 for word in words)
    return BareUnit(match["value"], name, are_letters) if _are_nouns(words) else None


def _spelled(text: str) -> BareUnit | None:
    match = _SPELLED.fullmatch(text)
    if match is None or spelled_number(match["value"].casefold()) is None:
        return None
    words = _WORD.findall(match["units"])
    return BareUnit(match["value"], match["units"], False) if _are_nouns(words) else None


def _is_quotient(above: list[str], below: list[str]) -> bool:
    """Return whether names are units and hardly symbols: one has two letters, or it is m/s."""
    if not all(_is_unit(word) or word.casefold() in _CONNECTORS for word in (*above, *below)):
        return False
    if any(len(word) > 1 for word in (*above, *below)):
        return True
    return len(above) == len(below) == 1 and f"{above[0]}/{below[0]}" in RATES


def _is_unit(word: str, gap: str = " ") -> bool:
    """Return whether a word is the name of a known unit, in the case in which it is written."""
    if len(word) == 1:
        return word in LETTERS
    if word in _SYMBOLS_OF_UNITS or word == "\\Omega":
        return True
    if len(word) == 2:
        return (word in CANONICAL or word == "in") and (bool(gap) or word not in _AMBIGUOUS)
    return bool(known_unit(word)) and word.casefold() in (*CANONICAL, *COMPOUND)


def _are_nouns(words: list[str]) -> bool:
    """Return whether words are a phrase behind a number: nouns, units and words between them."""
    first = words[0].casefold()
    if (
        first in GENERIC
        and first not in _ORDINALS
        and first not in ("unit", "units", "of", "each", "in", "us")
    ):
        return False
    return all(
        word.casefold() in _CONNECTORS
        or _is_noun(word)
        or (_is_unit(word) and (len(word) > 1 or len(words) > 1))
        for word in words
    )


def _is_noun(word: str) -> bool:
    lower = word.casefold().removesuffix("'s").removesuffix("'")
    if lower in _NOT_NOUNS or word in GREEK or len(lower) < 3:
        return False
    if not word.isascii():
        return True
    if word.isupper() or _VOWEL.search(lower) is None:
        return False
    if len(lower) == 3:
        return _SHORT_NOUN.fullmatch(lower) is not None
    is_alphabet = all(ord(b) - ord(a) == 1 for a, b in itertools.pairwise(lower))
    return not is_alphabet
