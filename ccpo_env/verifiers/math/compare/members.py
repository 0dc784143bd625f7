"""Compare the parts of two answers: in order, or in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.forms.structure import MAX_PARTS
from ccpo_env.verifiers.math.syntax.tree import Unreadable, free_symbols
from ccpo_env.verifiers.math.values.equality import real_value
from ccpo_env.verifiers.math.values.numeric import context

Key = Fraction | str | tuple[Any, ...]
"""The value of an item, by which the items of a long list are paired."""
_PRECISION = 10**40
Same = Callable[[Reading, Reading], "bool | None"]
"""Compares an answer with a gold answer: True, False, or None for undecided."""


def all_same(verdicts: Iterable[bool | None]) -> bool | None:
    """Return False if any verdict is, else None if any is undecided, else True."""
    found = list(verdicts)
    if False in found:
        return False
    return None if None in found else True


def same_in_order(answers: Sequence[Reading], golds: Sequence[Reading], same: Same) -> bool | None:
    """Return whether two sequences have equal items in the same order."""
    if len(answers) != len(golds):
        return False
    if len(answers) > MAX_PARTS:
        return _same_keys([*map(_key, answers)], [*map(_key, golds)])
    return all_same(same(answer, gold) for answer, gold in zip(answers, golds, strict=True))


def same_members(
    answers: Sequence[Reading], golds: Sequence[Reading], same: Same, *, is_set: bool = False
) -> bool | None:
    """Return whether each item of either list is in the other one, in any order.

    Args:
        answers: The items of the answer, which may repeat one.
        golds: The items of the gold answer. One that is listed twice must be answered twice.
        same: Compares two items.
        is_set: Whether the gold answer is a set, where repeated items do not count.
    """
    if max(len(answers), len(golds)) > MAX_PARTS:
        return _same_many(answers, golds, same, is_set=is_set)
    table: list[list[bool | None]] = []
    for answer in answers:
        table.append([same(answer, gold) for gold in golds])
        if set(table[-1]) == {False}:
            return False
    columns = [list(column) for column in zip(*table, strict=True)]
    if any(set(column) == {False} for column in columns):
        return False
    is_matched = all(True in line for line in (*table, *columns))
    is_repeated = not is_set and any(row.count(True) > 1 for row in table)
    if is_matched and not is_repeated and len(answers) != len(golds):
        return True
    if is_matched and len(answers) == len(golds) and _is_one_to_one(table):
        return True
    return None if any(None in line for line in table) else is_matched and is_set


def _is_one_to_one(table: Sequence[Sequence[bool | None]]) -> bool:
    """Return whether the rows can be matched one-to-one to columns that are True."""
    rest = list(range(len(table)))
    for row in table:
        column = next((index for index in rest if row[index]), None)
        if column is None:
            return False
        rest.remove(column)
    return True


def _same_many(
    answers: Sequence[Reading], golds: Sequence[Reading], same: Same, *, is_set: bool
) -> bool | None:
    """Compare two long lists: items with one value are paired, the few others are compared."""
    rests = [Counter(map(_key, readings)) for readings in (answers, golds)]
    if is_set:
        rests = [Counter(set(rest)) for rest in rests]
    if rests[0] == rests[1]:
        return True
    others = [[*(rests[i] - rests[1 - i]).elements()] for i in (0, 1)]
    if all(_is_value(key) for keys in others for key in keys):
        return False
    if not all(others) or max(map(len, others)) > MAX_PARTS:
        return False if len(others[0]) != len(others[1]) else None
    first, second = (
        [reading for reading in readings if _key(reading) in keys]
        for readings, keys in ((answers, {*others[0]}), (golds, {*others[1]}))
    )
    return same_members(first, second, same) if len(first) <= MAX_PARTS >= len(second) else None


def _same_keys(first: Sequence[Key], second: Sequence[Key]) -> bool | None:
    pairs = list(zip(first, second, strict=True))
    if all(a == b for a, b in pairs):
        return True
    are_numbers = (_is_value(a) and _is_value(b) for a, b in pairs if a != b)
    return False if any(are_numbers) else None


def _key(reading: Reading) -> Key:
    """Return the value of a number or of the numbers in a tuple; else the normal form."""
    parts = reading.parts
    if parts.opened == "(" and len(parts.items) > 1:
        return (parts.closed, *map(_key, reading.items))
    number = reading.number
    if number is not None:
        return reading.form if number.base else number.value
    tree = reading.tree
    if tree is None or free_symbols(tree):
        return reading.form
    try:
        value = real_value(tree)
    except Unreadable:
        return reading.form
    return Fraction(int(context().nint(value * _PRECISION)), _PRECISION)


def _is_value(key: Key) -> bool:
    return isinstance(key, Fraction) or (isinstance(key, tuple) and all(map(_is_value, key[1:])))
