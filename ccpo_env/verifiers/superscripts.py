"""Superscripts and fractions beside digits, which compatibility forms would make digits."""

from __future__ import annotations

import re
from collections.abc import Callable

_RAISED = r"[\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u208e\u2150-\u215f\u2189\u2460-\u249b\u24ea]"
_BESIDE_DIGITS = re.compile(rf"((?<=\d){_RAISED}+|(?<!{_RAISED}){_RAISED}++(?=\d))")


def outside_numbers(change: Callable[[str], str], text: str) -> str:
    """Return a text with a change to all but the raised, lowered and circled digits beside digits.

    So ten squared does not become 102, but the digit in the formula of carbon dioxide is a digit.
    """
    if text.isascii():
        return change(text)
    parts = _BESIDE_DIGITS.split(text)
    parts[::2] = [change(part) for part in parts[::2]]
    return "".join(parts)
