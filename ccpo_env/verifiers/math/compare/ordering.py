"""Values by which answers can be sorted: equal answers share one."""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from fractions import Fraction
from typing import Any

from ccpo_env.verifiers.math.compare.containers import is_container
from ccpo_env.verifiers.math.compare.options import read_option
from ccpo_env.verifiers.math.compare.relations import is_relation, is_unfinished
from ccpo_env.verifiers.math.forms.normalize import letter_of, unwrapped
from ccpo_env.verifiers.math.forms.reading import Reading, read
from ccpo_env.verifiers.math.syntax.tree import Unreadable, free_symbols
from ccpo_env.verifiers.math.values.numeric import (
    LOG_BASE,
    constants,
    context,
    evaluate,
    exact_value,
)

PRECISION = 10**40
"""Values are rounded to a multiple of its inverse."""
MAX_VALUE = 10**1000
"""Largest value that is sorted."""

_LETTERS = re.compile(r"[A-Za-z\s]+")
_AMBIGUOUS = re.compile(
    r"[:|]|\\(?:vec|hat|bar|ldots|pm|mp|infty|equiv|emptyset|text\s*\{[^{}]*\b(?:or|and|not|except)\b)"
)
_WORD = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{3}")
_CONSTANT = re.compile(r"[ABCcDdKk](?:_.*)?")


def sort_values(answer: str) -> tuple[Fraction, ...]:
    r"""Return values such that answers which the math verifier finds equal have one in common.

    Args:
        answer: An answer as it was extracted.

    Returns:
        The value of a number, a measure or an expression; both values of a percentage, 50 and
        0.5, and of a logarithm without a base. Symbols have fixed values. Empty for all other
        answers, which may equal any.

    Note: Two answers with a common value need not be equal: 5 cm and 5 m are not.
    """
    reading = read(answer)
    if reading is None or not reading.text or _has_other_meanings(reading):
        return ()
    value, unit = reading.measure
    if _WORD.search(unwrapped(value.text)):
        return ()
    try:
        found = _values(value)
        if unit and value is not reading and reading.tree is not None:
            with suppress(Unreadable):
                found += _values(reading)  # a unit may also be read as a product of symbols
        if unit.is_percent:
            found += [each / 100 for each in found]
    except (Unreadable, ArithmeticError, ValueError):
        return ()
    return tuple(dict.fromkeys(found))


def _has_other_meanings(reading: Reading) -> bool:
    """Return whether an answer may equal one of another kind: words, choices, lists, sets."""
    return (
        _LETTERS.fullmatch(reading.form) is not None
        or _AMBIGUOUS.search(reading.text) is not None
        or letter_of(reading.text) is not None
        or read_option(reading) is not None
        or is_unfinished(reading.text)
        or is_container(reading)
        or is_relation(reading)
        or reading.matrix is not None
        or reading.region is not None
    )


def _values(reading: Reading) -> list[Fraction]:
    if reading.number is not None:
        return [reading.number.value]
    tree = reading.tree
    if tree is None:
        raise Unreadable
    names = free_symbols(tree)
    if not names:
        try:
            return [exact_value(tree)]
        except Unreadable:
            pass
    if "j" in names or (len(names) > 1 and any(map(_CONSTANT.fullmatch, names))):
        raise Unreadable  # the imaginary unit, and a constant of integration by any name
    point = constants() | {name: _value_of_symbol(name) for name in names}
    bases = (point[LOG_BASE], context().mpf(10)) if tree.has("log") else (point[LOG_BASE],)
    return [_rounded(evaluate(tree, point | {LOG_BASE: base}), names) for base in bases]


def _value_of_symbol(name: str) -> Any:
    """Return a positive value that differs from symbol to symbol."""
    return 1 + context().mpf(zlib.crc32(name.encode()) % 99_991) / 30_011


def _rounded(value: Any, names: frozenset[str]) -> Fraction:
    numbers = context()
    if not numbers.isfinite(value) or abs(value) > MAX_VALUE:
        raise Unreadable
    if isinstance(value, numbers.mpc):
        if names and value.imag != 0:
            raise Unreadable  # outside the domain, where equal expressions may differ in branch
        value = value.real + value.imag * numbers.euler  # as one number; any irrational would do
    return Fraction(int(numbers.nint(value * PRECISION)), PRECISION)
