"""Find gold answers that cannot be parsed, before an episode depends on one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

from ccpo_env.verifiers.extract import unboxed
from ccpo_env.verifiers.math.reading import read_gold
from ccpo_env.verifiers.math.typed import is_understood
from ccpo_env.verifiers.math.vocabulary import EVALUATED

_COMMUTING = "cap cup cdot times wedge vee land lor oplus parallel perp neq sim cong equiv"
_PLAIN = re.compile(
    r"[-+]?(?:\d+(?:\.\d+)?|\\[dt]?frac\{\d+\}\{\d+\}|\d+\s?/\s?\d+)|[A-Za-z]", re.ASCII
)
_EVALUATED = EVALUATED - frozenset({"begin", "text", "mathrm", "mathbf", "mathit", "operatorname"})
_TOKEN = re.compile(r"\\[A-Za-z]+|\d+(?:\.\d+)?|[^\W\d_]+|[^\s{}]")
_COMMUTES = frozenset({"+", "*", "=", ",", ";"} | {f"\\{name}" for name in _COMMUTING.split()})
_MACRO = re.compile(r"\\([A-Za-z]+)")


def differs_in_a_name(answer: str, gold: str) -> bool:
    r"""Return whether two cleaned texts differ only in numbers and names: `^{14}C` and `^{12}C`.

    Such an answer is wrong even if nobody can read the notation. Two orders of the same names are
    not compared where the order may not matter: `A \cup B`.
    """
    tokens = [_TOKEN.findall(text) for text in (answer, gold)]
    if len(tokens[0]) != len(tokens[1]):
        return False
    pairs = [(a, b) for a, b in zip(*tokens, strict=True) if a != b]
    is_order = sorted(tokens[0]) == sorted(tokens[1]) and not _COMMUTES.isdisjoint(tokens[0])
    return bool(pairs) and not is_order and all(map(_are_other_leaves, *zip(*pairs, strict=True)))


def _are_other_leaves(first: str, second: str) -> bool:
    if first[0].isdigit() and second[0].isdigit():
        return Fraction(first) != Fraction(second)
    return first.isalpha() and second.isalpha()


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
