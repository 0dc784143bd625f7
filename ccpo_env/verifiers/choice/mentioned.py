"""The only option that a response names, in its last sentence, its first one or anywhere."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ccpo_env.verifiers.choice.judging import NO_DOUBT, Found, occurs
from ccpo_env.verifiers.choice.negations import NOT
from ccpo_env.verifiers.choice.options import Options
from ccpo_env.verifiers.choice.words import IS, RIGHT, words

MAX_CHARS = 2_000
"""Longest text in which options are searched, in characters."""
_CLAUSE = re.compile(
    r"[.,;:!?。，；：！？\n(–]|\s-\s|\b(?<!thing )(?<!all )but\b"
    r"|\b(?:so|hence|thus|therefore)\b"
    r"|(?=\b(?:although|though|while|whereas|and not|rather than"
    r"|instead of|as opposed to|unlike|in contrast to|over)\b)",
    re.IGNORECASE,
)
_SENTENCE_START = re.compile(r"(?:^|[.!?]\s+)", re.MULTILINE)
_NOT_LETTER = re.compile(r"\s*not\s+\(?[A-Z]\)?\s*", re.IGNORECASE)
_COMPARED = re.compile(r"over\b", re.IGNORECASE)
_ASIDE = re.compile(
    rf"\W*(?:even\s+)?(?:although|though|while|whereas)\b(?!.*(?:{RIGHT}|possible|plausible|valid))",
    re.IGNORECASE,
)
_SO = re.compile(
    r"\b(?:so|hence|thus|therefore|which (?:makes|gives|is))\b|→|\s[–—]\s", re.IGNORECASE
)
_NAME = "\ue000"
"""What stands for the name of an option in a text whose clauses are read."""
_QUOTED = re.compile(rf'"[^"{_NAME}]*"')
_BAD = (
    words(
        "contraindicated; useless; ineffective; harmful; dangerous; unsafe; inappropriate; worse",
        "inferior; unsuitable; obsolete; inadequate; insufficient; unnecessary; too weak; outdated",
        "similarly; likewise; contradicted; refuted; disproved; the opposite",
        "less effective; (?:is|are) out; second choice; last resort; parenteral",
        "worsens?; aggravates?; mismatch(?:es)?; kontraindiziert; contre-indiqué",
        "contraindicado; противопоказан",
    )
    + "|禁忌"
)
UNSUITABLE = re.compile(f"{NOT}|{_BAD}")
_EXPLAINS = re.compile(
    rf"\s*(?:which|who|where|because|since|as|and\s+(?:does|do)(?:n't|\s+not))\b"
    rf"(?!.*(?:{RIGHT}|{_BAD}|\bhelps?\b|\bappl))",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|(?<=[.!?][\"')])\s+")
_LETTER = re.compile(
    r"(?i:(?:option|choice|statement|answer)s?\s+)[(*_]*[A-Z](?![A-Za-z'])|[(\[][A-Z][)\]]"
    rf"|[A-HJ-Z][*_)]*\s+(?:{RIGHT}|over\b|(?:{IS})\s+(?i:the\s+(?:only|most|odd|assumption|conclusion|principle|statement|one|option)|more|most|both)\b)"
    r"|(?:(?<=\b[Oo]nly )|(?<=\bstand by ))[B-HJ-Z](?![A-Za-z'-])"
)
"""A letter that is announced as that of an option, or stands where the answer may stand."""
_CUT = re.compile(
    r"(?:\b(?:that|but|which|is|are|was|the|and|a|an|of|with|in|to|because|as|for|or|if|by|be|its?"
    r"|than|generally|this|not)|[,:;–=+×≡^(/-]|\\[a-z]{2,10})\s*$"
)
_BARE = re.compile(r"(?<![A-Za-z'])[B-HJ-Z](?![A-Za-z'.-])")
_REFUSES = re.compile(
    r"\bI\s+(?:have\s+no|can't|cannot|do\s+not|don't|am\s+not)\b|\bI(?:'m|\s+am)\s+(?:unable|sorry)\b",
    re.IGNORECASE,
)
_CONSIDERED = re.compile(
    words(
        "if; whether; could; might; may; consider(?:s|ed|ing)?; compar(?:e|es|ed|ing); let's",
        "evaluat(?:e|es|ed|ing); analy[sz](?:e|es|ed|ing); examin(?:e|es|ed|ing); discuss; look at",
        "let us; looking at; possible; plausible; but; however; although; though",
        "while; partly; some",
    ),
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
    if _CUT.search(text):
        return None
    last = _SENTENCE.split(lines[-1][0].rstrip())[-1]
    first = _SENTENCE.split(lines[0][0].lstrip())[0]
    is_list = len(_subjects(text, options)) > 2
    everywhere = _read(text, options, are_letters_read=True)
    for sentence, line in ((last, lines[-1]), (first, lines[0])) if options.is_known else ():
        concluded = _SO.split(sentence)[-1]
        for part in (concluded, sentence) if concluded != sentence else (sentence,):
            own = _read(part, options, are_letters_read=False)
            if len(own.letters) == 1:
                break
        if len(own.letters | _read(part, options, are_letters_read=True).letters) > 1:
            return None
        is_sure = (
            not is_list and not sentence.rstrip().endswith("?") and not occurs(UNSUITABLE, own.rest)
        )
        is_alone = len(everywhere.letters) == 1 or len(lines) > 1
        is_stated = sentence is last or (is_alone and not _REFUSES.search(text))
        if own.letters and is_sure and is_stated:
            return Found(tuple(own.letters), line.start(), line.end())
    if len(everywhere.letters) != 1 or any(
        own[0] in options.letters for own in _BARE.finditer(everywhere.rest)
    ):
        return None
    for part in (last, first, text):
        own = everywhere if part == text else _read(part, options, are_letters_read=True)
        is_open = "?" in part or _CONSIDERED.search(own.rest)
        if own.letters and not is_open and not occurs(UNSUITABLE, own.rest):
            return Found(tuple(own.letters), 0, len(text))
    return None


def _subjects(text: str, options: Options) -> set[str]:
    """Return the letters of the options with whose texts sentences of a text begin."""
    named = (options.text_at(text, own.end()) for own in _SENTENCE_START.finditer(text))
    return {letter for own in named if own for letter in own[0]}


@dataclass(frozen=True, slots=True)
class _Read:
    """The letters of the options that a text names, and its words without their names."""

    letters: set[str]
    rest: str


def _read(text: str, options: Options, *, are_letters_read: bool) -> _Read:
    """Return what a short text names; what a clause negates is not named.

    "Not heparin but aspirin" and "it is not heparin; it is aspirin" name aspirin only, and so does
    "aspirin rather than heparin". The rest has no clause in which an option is negated.
    """
    if len(text) > MAX_CHARS:
        return _Read(set(), "")
    masked, names = _masked(text, options, are_letters_read=are_letters_read)
    named: set[str] = set()
    excluded: set[str] = set()
    rest = ""
    place = 0
    for clause in _CLAUSE.split(_QUOTED.sub(" ", masked)):
        around = clause.replace(_NAME, " ")
        is_negated = occurs(UNSUITABLE, NO_DOUBT.sub(" ", around.lower()))
        is_other = is_negated or bool(named and _COMPARED.match(clause))
        count = clause.count(_NAME)
        for letters in names[place : place + count]:
            if not _ASIDE.match(clause):
                (excluded if is_other else named).update(letters)
        place += count
        if count == 0 and named and _EXPLAINS.match(clause):
            continue
        if not is_other or (count == 0 and not (named and _NOT_LETTER.fullmatch(clause))):
            rest += f"{around} "
    return _Read(named if not named & excluded else named | {"?"}, rest)


def _masked(
    text: str, options: Options, *, are_letters_read: bool
) -> tuple[str, list[Sequence[str]]]:
    """Return a text in which one sign stands for each name of options, and their letters."""
    names: list[Sequence[str]] = []
    masked, place = "", 0
    while place < len(text):
        is_named = options.text_at(text, place) is not None
        if are_letters_read and not is_named:
            is_start = place == 0 or not text[place - 1].isalpha()
            is_named = is_start and _LETTER.match(text, place) is not None
        own = options.statement_at(text, place) if is_named else None
        masked += _NAME if own else text[place]
        place = max(own.end, place + 1) if own else place + 1
        if own:
            names.append(own.letters)
    return masked, names
