"""Options that a response denies by their letter: "It can't be A!"."""

from __future__ import annotations

import re
from dataclasses import replace

from ccpo_env.verifiers.choice.judging import NEGATION, NO_DOUBT, Found, first_and_last, lower
from ccpo_env.verifiers.choice.option_texts import texts_in
from ccpo_env.verifiers.choice.options import Options

_LETTER = re.compile(
    r"[\s*_(\[]*(?i:(?:be|option|choice|letter|answer)\s+)*[*_(\[]*([A-Z])"
    r"[*_)\]]*(?=\s*(?:$|[.,;:!?\n\u2013\u2014]|because\b|since\b|as\b|but\b))"
)
_RULED_OUT = re.compile(
    r"[*_)\]]*\s+(?:can|must|should|is|was|may|has)\s+(?:(?:also|thus|therefore|safely)\s+)?"
    r"(?:be(?:en)?\s+)?(?:ruled\s+out|eliminated|excluded|rejected|discarded|dismissed)\b"
)
_NOT_RIGHT = re.compile(
    r"[*_)\]]*\s+is\s+\W*not\W*\s+(?:an?\s+|the\s+)?(?:correct|right|valid|answer)"
)
_EXPLICIT = re.compile(r"\w[*_\"']*\s\(([A-Z])\)")
_BARE = re.compile(r"(?<![A-Za-z'])[A-Z](?![A-Za-z'])")


def unless_denied(found: Found | None, text: str, options: Options) -> Found | None:
    """Return an answer that is only mentioned, with what the response says of it elsewhere.

    It is negated if its letter is denied, and stands beside the others with which it is joined:
    "A. Negligence and C. Battery are torts".
    """
    if found is None:
        return None
    explicit = {own[1] for own in _EXPLICIT.finditer(text)} & set(options.letters)
    if len(explicit) == 1 and not explicit & set(found.letters):
        return None  # "Acne (D) is no reason. Migraine and thrombosis are."
    if set(found.letters) & _denied_letters(text, options):
        return replace(found, is_negated=True)
    for letter in first_and_last(_BARE.finditer(text)):
        joined = options.statement_at(text, letter.start(), opening=False)
        if joined and joined.letters[1:] and set(joined.letters) & set(found.letters):
            own = text[joined.start : joined.end]
            named = list(texts_in(own, options.letters, options.texts))
            if len(named) >= len(joined.letters):
                return found.beside(joined.letters)
    return found


def _denied_letters(text: str, options: Options) -> set[str]:
    """Return the letters of options that stand right behind a negation, at the end of a clause."""
    lowered = lower(text)
    found = set()
    for negation in first_and_last(NEGATION.finditer(lowered)):
        letter = _LETTER.match(text, negation.end())
        if letter and not NO_DOUBT.match(lowered, negation.start()):
            found.add(letter[1])
    for letter in first_and_last(_BARE.finditer(text)):
        if _RULED_OUT.match(text, letter.end()) or _NOT_RIGHT.match(text, letter.end()):
            found.add(letter[0])
    return found & set(options.letters)
