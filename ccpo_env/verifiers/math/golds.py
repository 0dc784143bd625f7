"""Find gold answers that cannot be parsed, before an episode depends on one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ccpo_env.verifiers.extract import unboxed
from ccpo_env.verifiers.math.reading import read_gold
from ccpo_env.verifiers.math.typed import is_understood
from ccpo_env.verifiers.math.vocabulary import EVALUATED

_PLAIN = re.compile(
    r"[-+]?(?:\d+(?:\.\d+)?|\\[dt]?frac\{\d+\}\{\d+\}|\d+\s?/\s?\d+)|[A-Za-z]", re.ASCII
)
_EVALUATED = EVALUATED - frozenset({"begin", "text", "mathrm", "mathbf", "mathit", "operatorname"})
_MACRO = re.compile(r"\\([A-Za-z]+)")


def unreadable_golds(golds: Iterable[str]) -> list[str]:
    """Return the gold answers with which only an answer written the same way can be compared.

    They are not words, the grammar cannot parse them, and they have no macro that math-verify
    evaluates, such as an integral. For other answers the verifier "math" mostly returns "error".

    Args:
        golds: Gold answers; each is looked at once. Blank texts are left out.
    """
    return [gold for gold in dict.fromkeys(golds) if gold.strip() and not _is_readable(gold)]


def _is_readable(gold: str) -> bool:
    if _PLAIN.fullmatch(gold) or not _EVALUATED.isdisjoint(_MACRO.findall(gold)):
        return True
    reading = read_gold(unboxed(gold))
    return reading is not None and is_understood(reading)
