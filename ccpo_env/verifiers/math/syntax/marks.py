r"""Marks that void an answer, although math-verify ignores them: `42'`, `\hat{42}`, `42_x`."""

from __future__ import annotations

import re

from ccpo_env.verifiers.math.syntax.vocabulary import ACCENTS, EVALUATED, GREEK

_KNOWN = (
    ACCENTS
    | EVALUATED
    | GREEK
    | frozenset(
        "frac binom sqrt cdot times div pm mp circ infty cup cap setminus backslash in notin leq "  # noqa: SIM905
        "geq neq approx equiv emptyset ldots langle rangle rfloor rceil end to rightarrow mid "
        "partial ne le ge left right limits infin".split()
    )
)
_MACRO = re.compile(r"\\([A-Za-z]+)")
_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_MARKS = (
    re.compile(r"'|\\prime(?![A-Za-z])"),
    re.compile(r"\\ldots"),
    re.compile(r"[?@#]"),
    re.compile(r"\b(?:not|more|less|fewer|than|least|most|except|unless)\b"),
    re.compile(r"[\d)\]}%]\s*_"),
    re.compile(r"\^\s*\{?\s*(?:T|\*|\\top|\\dagger)(?![A-Za-z])"),
    re.compile(
        r"\\(?:bar|overline|hat|widehat|tilde|vec|d?dot|overrightarrow)\s*(?:\{(?!\s*\\?[A-Za-z]+\s*\})|\d)"
    ),
)
_CONJUNCTION = re.compile(r"\\(?:land|wedge)(?![A-Za-z])|\u2227")
_DISJUNCTION = re.compile(r"\\(?:lor|vee)(?![A-Za-z])|\u2228")


def has_other_connectives(answer: str, gold: str) -> bool:
    """Return whether of two texts, one has only "and" and the other only "or" as signs."""
    pairs = [
        (bool(_CONJUNCTION.search(text)), bool(_DISJUNCTION.search(text)))
        for text in (answer, gold)
    ]
    return set(pairs) == {(True, False), (False, True)}


def has_other_marks(answer: str, gold: str) -> bool:
    """Return whether a cleaned answer has a mark or an unknown macro that the gold answer lacks."""
    if any(mark.search(answer) and not mark.search(gold) for mark in _MARKS):
        return True
    letters, gold_letters = (set(_LETTER.findall(text)) for text in (answer, gold))
    if any(letter.swapcase() in gold_letters for letter in letters - gold_letters):
        return True  # math-verify ignores case
    return not _KNOWN.union(_MACRO.findall(gold)).issuperset(_MACRO.findall(answer))
