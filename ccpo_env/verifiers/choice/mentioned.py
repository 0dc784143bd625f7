"""The only option that a response names, in its last sentence, its first one or anywhere."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
from collections.abc import Sequence

from ccpo_env.verifiers.choice.judging import Found, contrast_after, occurs
from ccpo_env.verifiers.choice.options import Options
from ccpo_env.verifiers.choice.words import IS, NOT, RIGHT, words

MAX_CHARS = 2_000
"""Longest text in which options are searched, in characters."""
_EXCLUDED = re.compile(
    r",?\s*\(?(?:and|but)?\s*"
    r"(?:not|rather than|instead of|as opposed to|unlike|in contrast to|over)\s+"
    r"(?:(?:by|with|through|to|in|of|from|an?|the)\s+)*",
    re.IGNORECASE,
)
_NOT_FIRST = re.compile(r"\bnot\s+(?:(?:by|with|through|to|in|of|from|an?|the)\s+)*", re.IGNORECASE)
_UNSUITABLE = re.compile(
    f"{NOT}|"
    + words(
        "contraindicated; useless; ineffective; harmful; dangerous; unsafe; inappropriate; worse",
        "inferior; unsuitable; obsolete; inadequate; insufficient; unnecessary; too weak; outdated",
        "worsens?; aggravates?; mismatch(?:es)?; kontraindiziert; contre-indiqué",
        "contraindicado; противопоказан",
    )
    + "|禁忌"
)
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+")
_LETTER = re.compile(
    r"(?i:(?:option|choice|statement|answer)\s+)[(*_]*[A-Z](?![A-Za-z'])|[(\[][A-Z][)\]]"
    rf"|[A-Z][*_)]*\s+(?:{RIGHT}|(?:{IS})\s+(?i:the\s+(?:only|most|odd)|more|most)\b)"
)
"""A letter that is announced as that of an option, or is said to be the answer."""
_BARE = re.compile(r"(?<![A-Za-z'])[B-HJ-Z](?![A-Za-z'.-])")
_REFUSES = re.compile(r"\bI\s+(?:have\s+no|can't|cannot|do\s+not|don't|am\s+not)\b", re.IGNORECASE)
_CONSIDERED = re.compile(
    words(
        "if; whether; could; might; may; consider(?:s|ed|ing)?; compar(?:e|es|ed|ing); let's",
        "evaluat(?:e|es|ed|ing); analy[sz](?:e|es|ed|ing); examin(?:e|es|ed|ing); discuss; look at",
        "let us; looking at; possible; plausible; but; however; although; though",
        "while; partly; some",
    )
    + r"|\?",
    re.IGNORECASE,
)


def mentioned(text: str, lines: Sequence[re.Match[str]], options: Options) -> Found | None:
    """Return the only option that a sentence names: the last one, the first one, or any.

    The letter of an option counts only where the whole response names no other option.

    Args:
        text: Plain text of a response.
        lines: The lines of it that hold more than signs.
        options: The options of the task.
    """
    last = _SENTENCE.split(lines[-1][0].rstrip())[-1], lines[-1]
    first = _SENTENCE.split(lines[0][0].lstrip())[0], lines[0]
    named, unread = _named(text, options, are_letters_read=True)
    for sentence, line in (last, first) if options.is_known else ():
        letters, others = _named(sentence, options, are_letters_read=False)
        if len(letters) > 1:
            return None
        is_sure = not others.rstrip().endswith("?") and not occurs(_UNSUITABLE, others)
        is_alone = len(named) == 1 or len(lines) > 1
        is_stated = sentence is last[0] or (is_alone and not _REFUSES.search(text))
        if letters and is_sure and is_stated:
            return Found(tuple(letters), line.start(), line.end())
    if len(named) != 1 or any(own[0] in options.letters for own in _BARE.finditer(unread)):
        return None
    for sentence in (last[0], first[0], text):
        letters, others = _named(sentence, options, are_letters_read=True)
        if letters and not occurs(_UNSUITABLE, others) and not _CONSIDERED.search(others):
            return Found(tuple(letters), 0, len(text))
    return None


def _named(text: str, options: Options, *, are_letters_read: bool) -> tuple[set[str], str]:
    """Return the letters of the options that a short text names, and the rest of it.

    What is named as not the answer ("aspirin rather than heparin") does not count.
    """
    letters: set[str] = set()
    if len(text) > MAX_CHARS:
        return letters, ""
    place, others = 0, ""
    while place < len(text):
        is_named = options.text_at(text, place) is not None
        if are_letters_read and not is_named:
            is_letter = place == 0 or not text[place - 1].isalpha()
            is_named = is_letter and _LETTER.match(text, place) is not None
        own = options.statement_at(text, place) if is_named else None
        excluded = _EXCLUDED.match(text, place) if letters else None
        other = options.statement_at(text, excluded.end()) if excluded else None
        contrast = None if letters else _not_but(text, place, options)
        if other and not set(other.letters) & letters:
            place = other.end
        elif contrast or own:
            found = contrast or own
            letters.update(found.letters)
            place = found.end
            others += " "
        else:
            others += text[place]
            place += 1
    return letters, others


def _not_but(sentence: str, place: int, options: Options) -> Found | None:
    """Return the answer of "not a B but an A" at a place."""
    negation = _NOT_FIRST.match(sentence, place)
    statement = options.statement_at(sentence, negation.end()) if negation else None
    return contrast_after(sentence, statement, options) if statement else None
