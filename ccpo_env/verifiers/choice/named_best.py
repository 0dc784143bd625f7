"""Answers that are named as the best of their kind before others are dismissed."""

from __future__ import annotations

import re

from ccpo_env.verifiers.choice.judging import Found, judged, sentence_start
from ccpo_env.verifiers.choice.option_texts import texts_in
from ccpo_env.verifiers.choice.options import Options

_BEST = (
    r"(?:most\s+(?:likely|probable|appropriate|suitable|accurate|effective)|best|correct|right"
    r"|preferred|next|first|initial)"
)
_NAMED_BEST = re.compile(
    rf"\bthe\s+(?:single\s+)?{_BEST}\s+(?:[\w'-]+\s+){{1,10}}?(?:is|would\s+be|should\s+be)\s+"
    r"(?!not\b)",
    re.IGNORECASE,
)
_DEFINES = re.compile(r"(?<=\w)\s+(?:is|are|was|were)\s+(?!not\b)")
_CONCLUDES = re.compile(r"\W*(?:so|thus|hence|therefore|overall|finally)\b", re.IGNORECASE)
_DISMISSED = re.compile(
    r"\b(?:is|are|was|were|would\s+be|seems?|can\s+be)\s+(?:also\s+|therefore\s+|much\s+|both\s+)?"
    r"(?:unlikely|less\s+likely|contraindicated|incorrect|wrong|ruled\s+out|excluded|inappropriate"
    r"|not\s+(?:recommended|indicated|appropriate|suitable|correct|likely|used))\b",
    re.IGNORECASE,
)
_DOUBTS = re.compile(
    r"\b(?:however|but|although|though|yet|unless|if|instead|rather|actually|wait|correction"
    r"|too|as\s+well|works?|helps?|equally|while|whereas|second\s+thought|(?:could|might|may)\s+(?:also|still)|also\s+(?:correct|right|possible)"
    r"|not\s+(?:unlikely|incorrect|inappropriate|wrong|excluded|ruled))\b",
    re.IGNORECASE,
)
_LETTER = re.compile(
    r"(?:\b(?i:option|choice|answer)\s+[(*]*([A-Z])|(?<![A-Za-z'])([A-Z]))(?![A-Za-z'])"
)
_IN_BRACKETS = re.compile(r"\((?:(?i:option|choice)\s+)?[A-Z]\)[*_]*\W?$")
_IF = re.compile(r"\W*If\b(?!\s+(?:anything|so|not)\b)")
_SENTENCE_END = re.compile(
    r"(?<=[a-z)*]{2}[.!?])\s+|(?<=\)[.!?])\s+|(?<=\s[A-Z]\.)\s+(?=[A-Z])|\n+"
)


def named_best(text: str, options: Options) -> Found | None:
    """Return the only option called "the best treatment", or else that of a first sentence."""
    return _called_best(text, options) or _defined(text, options)


def _defined(text: str, options: Options) -> Found | None:
    """Return the option with which the first sentence ends: "The part of it is the cerebellum.".

    What follows must not doubt it, nor conclude anything else.
    """
    stop = _SENTENCE_END.search(text)
    own, behind = (text[: stop.start()], text[stop.end() :]) if stop else (text, "")
    verbs = list(_DEFINES.finditer(own)) if options.is_known else []
    statement = options.statement_at(own, verbs[-1].end()) if verbs else None
    if statement is None or own[statement.end :].strip(" .!*_"):
        return None
    if len(statement.letters) != 1 or options_named(own, options) != set(statement.letters):
        return None
    for sentence in _SENTENCE_END.split(behind):
        others = options_named(sentence, options) - set(statement.letters)
        if others and (_DOUBTS.search(sentence) or _CONCLUDES.match(sentence) or "?" in sentence):
            return None
    return judged(own, verbs[-1].start(), statement)


def _called_best(text: str, options: Options) -> Found | None:
    """Return the only option called "the best treatment" or the like; None if there are several.

    Whatever names an option behind it must dismiss that option.

    Args:
        text: Plain text of a response without lists.
        options: The options of the task, whose texts are known.
    """
    cues = list(_NAMED_BEST.finditer(text)) if options.is_known else []
    if len(cues) != 1:
        return None
    cue = cues[0]
    stop = _SENTENCE_END.search(text, cue.end())
    own = text[: stop.start()] if stop else text
    behind = _IN_BRACKETS.search(own, cue.end())
    statement = options.statement_at(own, behind.start() if behind else cue.end())
    if statement is None or not options.ends_clause(own, statement.end):
        return None
    before = text[sentence_start(text, cue.start()) : cue.start()]
    if len(statement.letters) != 1 or _DOUBTS.search(before):
        return None
    for sentence in _SENTENCE_END.split(text[statement.end :]):
        named = options_named(sentence, options)
        if not named:
            if _DISMISSED.search(sentence):
                return None  # "It is contraindicated"
            continue
        if statement.letters[0] not in named and _IF.match(sentence):
            continue  # "If he is allergic, B is used"
        if statement.letters[0] in named or _DOUBTS.search(sentence) or "?" in sentence:
            return None
        if not _DISMISSED.search(sentence):
            return None
    return judged(own, cue.start(), statement)


def options_named(sentence: str, options: Options) -> set[str]:
    """Return the letters of the options that a sentence names by letter or by text."""
    named = {own[1] or own[2] for own in _LETTER.finditer(sentence)} & set(options.letters)
    for letters, _, _ in texts_in(sentence, options.letters, options.texts):
        named.update(letters)
    return named
