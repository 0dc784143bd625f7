"""Rewriting rules that are tried only if a trigger text occurs: most answers need none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

CANDIDATE_CACHE_SIZE = 2048
"""Cached choices of rules, by the signs of a text."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Replace the matches of a pattern in texts that contain one of the needles.

    Args:
        needles: Strings of which every match contains one; searching for them is cheap.
        pattern: Pattern whose matches are replaced.
        replacement: Replacement, as for `re.sub`.
    """

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]


def rule(
    needles: str, pattern: str, replacement: str | Callable[[re.Match[str]], str] = ""
) -> Rule:
    """Return a rule; its needles are given as one string, separated by spaces."""
    return Rule(tuple(needles.split()), re.compile(pattern, re.ASCII), replacement)


class Rules:
    """Rules that are applied in order: later ones rely on earlier ones.

    A look at the characters of a text tells which needles it may contain; the other rules, which
    are nearly all, are not even tried.

    Args:
        rules: The rules.
    """

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules
        self._signs_of = [[frozenset(needle) for needle in each.needles] for each in rules]
        self._signs = frozenset().union(*(signs for own in self._signs_of for signs in own))
        self._candidates = lru_cache(CANDIDATE_CACHE_SIZE)(self._find_candidates)

    def rewrite(self, text: str) -> str:
        """Apply all rules to a text, in order."""
        signs = self._signs.intersection(text)
        next_place = 0
        while True:
            for place, each in self._candidates(signs):
                if place < next_place:
                    continue
                for needle in each.needles:
                    if needle in text:
                        break
                else:
                    continue
                text = each.pattern.sub(each.replacement, text)
                if not signs.issuperset(new := self._signs.intersection(text)):
                    signs, next_place = new, place + 1
                    break  # the text has new signs, so more of the later rules may apply
            else:
                return text

    def _find_candidates(self, signs: frozenset[str]) -> tuple[tuple[int, Rule], ...]:
        """Return the rules of which a needle consists of these signs, with their places."""
        return tuple(
            (place, self.rules[place])
            for place, own in enumerate(self._signs_of)
            if any(map(signs.issuperset, own))
        )
