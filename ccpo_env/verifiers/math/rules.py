"""Rewriting rules that are tried only if a trigger text occurs: most answers need none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass


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


def rewrite(text: str, rules: Iterable[Rule]) -> str:
    """Apply all rules to a text, in order."""
    for each in rules:
        if any(needle in text for needle in each.needles):
            text = each.pattern.sub(each.replacement, text)
    return text
