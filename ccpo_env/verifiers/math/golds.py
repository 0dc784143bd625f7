"""Find gold answers that cannot be parsed, before an episode depends on one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ccpo_env.verifiers.extract import unboxed
from ccpo_env.verifiers.math.compare.typed import is_understood
from ccpo_env.verifiers.math.forms.normalize import unwrapped
from ccpo_env.verifiers.math.forms.reading import read_gold
from ccpo_env.verifiers.math.syntax.vocabulary import EVALUATED

_COMMUTING = "cap cup cdot times wedge vee land lor oplus parallel perp neq sim cong equiv"
_PLAIN = re.compile(
    r"[-+]?(?:\d+(?:\.\d+)?|\\[dt]?frac\{\d+\}\{\d+\}|\d+\s?/\s?\d+)|[A-Za-z]", re.ASCII
)
_EVALUATED = EVALUATED - frozenset({"begin", "text", "mathrm", "mathbf", "mathit", "operatorname"})
_TOKEN = re.compile(r"\\[A-Za-z]+|\d+(?:\.\d+)?|[^\W\d_]+|[^\s{}]")
_COMMUTES = frozenset({"+", "*", "=", ",", ";"} | {f"\\{name}" for name in _COMMUTING.split()})
_MACRO = re.compile(r"\\([A-Za-z]+)")


def is_written_otherwise(answer: str, gold: str) -> bool:
    r"""Return whether two cleaned texts differ in their numbers, names and signs.

    Such an answer is wrong even if nobody can read the notation: `^{14}C` and `^{12}C`. Two orders
    of the same tokens are not compared where the order may not matter: `A \cup B`.
    """
    tokens = [[*map(_plain, _TOKEN.findall(unwrapped(text)))] for text in (answer, gold)]
    if sorted(tokens[0]) != sorted(tokens[1]):
        return True
    moved = [index for index, pair in enumerate(zip(*tokens, strict=True)) if pair[0] != pair[1]]
    return bool(moved) and _COMMUTES.isdisjoint(tokens[0][moved[0] : moved[-1] + 1])


def _plain(token: str) -> str:
    return token.rstrip("0").removesuffix(".") if "." in token[1:] else token


def unreadable_golds(golds: Iterable[str]) -> list[str]:
    """Return the gold answers with which only an answer written the same way can be compared.

    They are not words, the grammar cannot parse them, and they have no macro that math-verify
    evaluates, such as an integral. Other answers are mostly wrong for the verifier "math".

    Args:
        golds: Gold answers; each is looked at once. Blank texts are left out.
    """
    return [gold for gold in dict.fromkeys(golds) if gold.strip() and not _is_readable(gold)]


def _is_readable(gold: str) -> bool:
    if _PLAIN.fullmatch(gold) or not _EVALUATED.isdisjoint(_MACRO.findall(gold)):
        return True
    reading = read_gold(unboxed(gold))
    return reading is not None and is_understood(reading)
