"""Compare ratios, which may be scaled, with each other and with numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ccpo_env.verifiers.math.compare.members import all_same
from ccpo_env.verifiers.math.forms.reading import Reading
from ccpo_env.verifiers.math.syntax.tree import Node, number
from ccpo_env.verifiers.math.values.equality import same_value

_RATIO = re.compile(r"\d+(?:\s*:\s*\d+)+", re.ASCII)
_TIME = re.compile(r"\d+:\d\d(?::\d\d)?", re.ASCII)
_ZERO = number(0)


def same_ratio(answer: Reading, gold: Reading, *, is_time: bool) -> bool | None:
    """Compare a:b with c:d up to a common factor, unless both are times of day.

    Args:
        answer: The answer.
        gold: The gold answer.
        is_time: Whether one of them has a unit, so that it is a time.

    Returns:
        Whether they are equal; None if neither is a ratio, or a part cannot be parsed.

    Note: The factor is never zero: `0:0` is not `2:3`.
    """
    texts = answer.text.replace(" ", ""), gold.text.replace(" ", "")
    are_ratios = [_RATIO.fullmatch(text) is not None for text in texts]
    if not all(are_ratios) and not is_time and all(":" in text for text in texts):
        return _same_symbolic(*([Reading(s).tree for s in t.split(":")] for t in texts))
    if not all(are_ratios):
        return _same_quotient(answer, gold) if any(are_ratios) and not is_time else None
    first, second = ([int(part) for part in text.split(":")] for text in texts)
    if is_time or all(_TIME.fullmatch(text) for text in texts) or len(first) != len(second):
        return first == second
    pivot = next((index for index, part in enumerate(second) if part), None)
    if pivot is None or first[pivot] == 0:
        return first == second
    return all(a * second[pivot] == b * first[pivot] for a, b in zip(first, second, strict=True))


def _same_symbolic(first: Sequence[Node | None], second: Sequence[Node | None]) -> bool | None:
    """Compare ratios with roots or symbols: a:b equals c:d if a·d is b·c; neither is 0:0."""
    if len(first) != len(second):
        return False
    known = [None if part is None else same_value(part, _ZERO) for part in second]
    if False not in known:  # nothing, or nothing that can be compared
        return None if None in known else all_same(map(_is_zero, first))
    pivot = known.index(False)
    a, b = first[pivot], second[pivot]
    if a is None or b is None or (is_zero := _is_zero(a)) is None:
        return None
    if is_zero:
        return False
    return all_same(
        None if x is None or y is None else same_value(Node("*", (x, b)), Node("*", (y, a)))
        for x, y in zip(first, second, strict=True)
    )


def _is_zero(part: Node | None) -> bool | None:
    return None if part is None else same_value(part, _ZERO)


def _same_quotient(answer: Reading, gold: Reading) -> bool | None:
    """Compare a ratio of two with a number: 1:4 is a quarter."""
    ratio, other = (answer, gold) if ":" in answer.text else (gold, answer)
    if other.number is None or other.number.base:
        return False if other.tree is not None or other.is_words else None
    parts = [int(part) for part in ratio.text.split(":")]
    return len(parts) == 2 and parts[0] == other.number.value * parts[1] != 0
