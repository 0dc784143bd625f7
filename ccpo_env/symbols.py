"""Symbols of the signal game as digits, and as one number that a shared action space holds."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence

SILENCE = 0
"""The symbol that carries no information."""


def spelled(symbols: Sequence[int], alphabet_size: int) -> int | None:
    """Return the number that symbols spell as digits to the base S - 1; None with a silence.

    Args:
        symbols: K symbols in 0 … S - 1; each is a digit plus one.
        alphabet_size: S, silence included.
    """
    if SILENCE in symbols:
        return None
    return number_of([symbol - 1 for symbol in symbols], alphabet_size - 1)


def spell(number: int, *, num_symbols: int, alphabet_size: int) -> tuple[int, ...]:
    """Return the K symbols that spell a number: `spelled` gives it back.

    Args:
        number: At least 0 and below (S - 1) ** K.
        num_symbols: K.
        alphabet_size: S, silence included.
    """
    return tuple(digit + 1 for digit in digits(number, num_symbols, alphabet_size - 1))


def digits(number: int, num_digits: int, base: int) -> tuple[int, ...]:
    """Return the digits of a number to a base, the most significant first."""
    found = []
    for _ in range(num_digits):
        number, digit = divmod(number, base)
        found.append(digit)
    return tuple(found[::-1])


def number_of(found: Iterable[int], base: int) -> int:
    """Return the number with some digits to a base: `digits` gives them back."""
    number = 0
    for digit in found:
        number = number * base + digit
    return number


def check_sizes(num_answers: int, num_symbols: int, alphabet_size: int) -> None:
    """Raise unless the symbols can spell every answer.

    Raises:
        ValueError: If a size is too small.
    """
    least = {"num_answers": 2, "num_symbols": 1, "alphabet_size": 2}
    sizes = (num_answers, num_symbols, alphabet_size)
    for (name, smallest), size in zip(least.items(), sizes, strict=True):
        if operator.index(size) < smallest:
            raise ValueError(f"{name} must be >= {smallest}, got {size}; leave it out for default")
    if (alphabet_size - 1) ** num_symbols < num_answers:
        raise ValueError(
            f"(alphabet_size - 1) ** num_symbols must be >= num_answers={num_answers}, got "
            f"{(alphabet_size - 1) ** num_symbols}; raise num_symbols"
        )
