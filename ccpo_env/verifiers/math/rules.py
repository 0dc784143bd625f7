"""Rewriting rules that are tried only where their text occurs: most answers need none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """Replace what a pattern matches, in texts that hold one of some short strings.

    Args:
        needles: Strings of which the pattern needs one; looking for them is what costs.
        pattern: What is replaced, all at once.
        replacement: As `re.sub` takes it.
    """

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]


def rule(
    needles: str, pattern: str, replacement: str | Callable[[re.Match[str]], str] = ""
) -> Rule:
    """Return a rule; its needles are written with spaces between them."""
    return Rule(tuple(needles.split()), re.compile(pattern, re.ASCII), replacement)


def rewrite(text: str, rules: Iterable[Rule]) -> str:
    """Return a text after all rules, in order."""
    for each in rules:
        if any(needle in text for needle in each.needles):
            text = each.pattern.sub(each.replacement, text)
    return text
