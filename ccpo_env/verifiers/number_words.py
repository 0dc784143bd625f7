"""English numbers in words, as digits."""

from __future__ import annotations

import re

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
_MULTIPLES = {"hundred": 100, "thousand": 1000}
_WORD = re.compile("|".join((*_BELOW_100, *_MULTIPLES, *_ORDINALS)))


def with_digits(text: str) -> str:
    """Return a text in which whole numbers in English words are digits: "one hundred two" is 102.

    Args:
        text: Words separated by single spaces, in lower case.

    Note: "million" and larger words are kept: "two million" is "2 million". Two numbers side by
        side, as in a year, are not joined: "nineteen ten" is "19 10".
    """
    if not _WORD.search(text):
        return text
    words: list[str] = []
    tokens, place = text.split(" "), 0
    while place < len(tokens):
        value, end = _number_at(tokens, place)
        words.append(_ORDINALS.get(tokens[place], tokens[place]) if value is None else str(value))
        place = end
    return " ".join(words)


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
