"""Compare the parts of two answers: in order, or in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ccpo_env.verifiers.math.reading import Reading
from ccpo_env.verifiers.math.structure import MAX_PARTS

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
        return None
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
        return False if len(answers) != len(golds) else None
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
