"""English numbers in words, as digits."""

from __future__ import annotations

MAX_NUMBER_WORDS = 16
"""Words of a text that can be a number in words."""

_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_BELOW_100 = {
    **{word: value for value, word in enumerate(_UNITS)},
    **{word: 10 * value for value, word in enumerate(_TENS, 2)},
    # Normalised texts have lost their hyphens.
    **{
        ten + unit: 10 * value + place
        for value, ten in enumerate(_TENS, 2)
        for place, unit in enumerate(_UNITS[1:10], 1)
    },
}
_ORDINALS = {
    word: f"{value}{suffix}"
    for value, (word, suffix) in enumerate(
        [
            *(("first", "st"), ("second", "nd"), ("third", "rd"), ("fourth", "th")),
            *(("fifth", "th"), ("sixth", "th"), ("seventh", "th"), ("eighth", "th")),
            *(("ninth", "th"), ("tenth", "th"), ("eleventh", "th"), ("twelfth", "th")),
        ],
        1,
    )
}
_SCALES = frozenset({"million", "billion", "trillion", "square", "cubic"})
_UNIT_WORDS = frozenset(
    [
        *("percent", "percentage", "point", "degree", "million", "billion", "trillion"),
        *("second", "minute", "hour", "day", "week", "month", "year", "decade", "century"),
        *("dollar", "cent", "pound", "euro", "ton", "kilogram", "gram", "liter", "litre"),
        *("mile", "kilometer", "kilometre", "meter", "metre", "foot", "inch", "acre"),
    ]
)
"""What may follow "one" and ordinals: "one percent" is a number, "One Direction" is a name."""


def with_digits(text: str) -> str:
    """Return a number in English words in digits, and any other text as it is.

    The text may go on with one noun ("seven dwarfs"), or a scale and a noun ("two million people").
    After "one" and ordinals it must be a unit: "one day" and "twelfth century" are numbers, "no
    one" and "One Direction" are not.

    Args:
        text: Words separated by single spaces, in lower case.

    Note: "million" and larger words are kept: "two million" is "2 million". Two numbers side by
        side, as in a year, are kept: "nineteen ten".
    """
    tokens = text.split(" ", MAX_NUMBER_WORDS)
    if tokens[0] not in _BELOW_100 and tokens[0] not in _ORDINALS:
        return text
    value, end = _number_at(tokens, 0)
    rest = tokens[end:]
    nouns = rest[1:] if rest and rest[0] in _SCALES else rest
    if len(nouns) > 1 or any(own in _BELOW_100 or own in _ORDINALS or own == "and" for own in rest):
        return text
    if rest and (value is None or value == 1) and rest[0].removesuffix("s") not in _UNIT_WORDS:
        return text
    return " ".join((_ORDINALS[tokens[0]] if value is None else str(value), *rest))


def _number_at(tokens: list[str], place: int) -> tuple[int | None, int]:
    """Return the number whose words begin at a place, and the place after them."""
    if tokens[place] not in _BELOW_100:
        return None, place + 1
    total, current, end = 0, _BELOW_100[tokens[place]], place + 1
    is_open = tokens[place] in _TENS  # a unit may follow: "twenty one"
    while end < len(tokens):
        word = tokens[end]
        follows = word == "and" and current % 100 == 0 and current + total > 0
        following = tokens[end + 1] if follows and end + 1 < len(tokens) else ""
        if word == "hundred" and 0 < current < 100:
            current, is_open = current * 100, True
        elif word == "thousand" and 0 < current < 1000:
            total, current, is_open = total + current * 1000, 0, True
        elif word in _BELOW_100 and is_open and _fits(current, word):
            current, is_open = current + _BELOW_100[word], word in _TENS
        elif follows and is_open and following in _BELOW_100:
            current, is_open, end = current + _BELOW_100[following], following in _TENS, end + 1
        else:
            break
        end += 1
    return total + current, end


def _fits(current: int, word: str) -> bool:
    """Return whether a number may go on with a word: "twenty" with "one", not with "ten"."""
    value = _BELOW_100[word]
    return value < 10 if current % 100 else True
