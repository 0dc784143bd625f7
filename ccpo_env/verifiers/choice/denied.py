"""Options that a response denies by their letter: "It can't be A!"."""

from __future__ import annotations

import re
from dataclasses import replace

from ccpo_env.verifiers.choice.judging import NEGATION, NO_DOUBT, Found, first_and_last, lower
from ccpo_env.verifiers.choice.options import Options

_LETTER = re.compile(
    r"[\s*_(\[]*(?i:(?:be|option|choice|letter|answer)\s+)*[*_(\[]*([A-Z])"
    r"[*_)\]]*(?=\s*(?:$|[.,;:!?\n\u2013\u2014]|because\b|since\b|as\b|but\b))"
)


def unless_denied(found: Found | None, text: str, options: Options) -> Found | None:
    """Return an answer that is only mentioned, negated if the response denies it elsewhere."""
    if found is None or not set(found.letters) & _denied_letters(text, options):
        return found
    return replace(found, is_negated=True)


def _denied_letters(text: str, options: Options) -> set[str]:
    """Return the letters of options that stand right behind a negation, at the end of a clause."""
    lowered = lower(text)
    found = set()
    for negation in first_and_last(NEGATION.finditer(lowered)):
        letter = _LETTER.match(text, negation.end())
        if letter and not NO_DOUBT.match(lowered, negation.start()):
            found.add(letter[1])
    return found & set(options.letters)
