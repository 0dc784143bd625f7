"""Answers that a sentence names with their letter and their text: "The compound is A) butanone"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ccpo_env.verifiers.choice.judging import (
    SENTENCE_END,
    Found,
    first_and_last,
    judged,
    lower,
    sentence_start,
)
from ccpo_env.verifiers.choice.option_texts import texts_in
from ccpo_env.verifiers.choice.options import Options, Statement
from ccpo_env.verifiers.choice.words import IS

_IS = re.compile(rf"{IS}|\b(?:called|named|known as|caused by|due to|requires|needs)\b")
_OPEN = re.compile(
    r"\b(?:one|another|first|second|third|if|whether|could|might|may|can|possible|but|however|although"
    r"|though|while|whereas|also|common|sometimes|choices|options|consider\w*|only|unless)\b|\?",
    re.IGNORECASE,
)
_BEST = re.compile(
    r"\b(?:most|best|closest|correct|right|preferred|single|therefore|thus|hence|so)\b",
    re.IGNORECASE,
)
_BESIDE = re.compile(
    r"\balso\s+(?:an?\s+)?(?:possib|correct|right|likely|acceptable|reasonable|option)|\bequally\b"
    r"|\bas\s+well\b(?!\s+as)|\balternativ|\b(?:could|may|might)\s+(?:also\s+)?be\b|\btoo\s*[.!]",
    re.IGNORECASE,
)
_LETTER = re.compile(r"(?:[(\[]|(?:[Oo]ption|[Cc]hoice)\s+)([A-Z])\b")


def labelled(text: str, options: Options) -> Iterator[Found]:
    """Yield what sentences name with letter and text behind a verb such as "is".

    Nothing is yielded if they name several options in turn, or leave open whether it counts.

    Args:
        text: Plain text of a response without lists of options.
        options: The options of the task.
    """
    found: list[Found] = []
    for verb in first_and_last(_IS.finditer(lower(text))) if options.is_known else ():
        statement = options.statement_at(text, verb.end())
        if statement is None or not _ends_sentence(text, verb.end(), statement, options):
            continue
        before = text[sentence_start(text, verb.start()) : verb.start()]
        own = judged(text, verb.start(), statement, strength=1)
        named = text[statement.start : statement.end]
        if statement.letters[1:] and len(_LETTER.findall(named)) > 1 and not _OPEN.search(before):
            found = [own]
            break
        if statement.letters[1:] or not _has_both(named, statement.letters[0], options):
            continue
        if _is_open(text, before, statement):
            return
        found.append(own)
    if len({own.letters for own in found}) == 1:
        yield from found


def _ends_sentence(text: str, start: int, statement: Statement, options: Options) -> bool:
    """Return whether an answer stands in the sentence of its verb, and no noun continues it."""
    is_other = SENTENCE_END.search(text, start, statement.start) is not None
    return not is_other and options.ends_clause(text, statement.end)


def _has_both(named: str, letter: str, options: Options) -> bool:
    """Return whether the words of an answer are the letter and the text of one option."""
    for letters, start, end in texts_in(named, options.letters, options.texts):
        if letters == letter and end - start > 1:
            around = f"{named[:start]} {named[end:]}"
            return re.search(rf"(?<![A-Za-z]){letter}(?![a-z])", around) is not None
    return False


def _is_open(text: str, before: str, statement: Statement) -> bool:
    """Return whether the words around an answer consider it, or set another one beside it."""
    end = SENTENCE_END.search(text, statement.end)
    if _OPEN.search(before) or _OPEN.search(text, statement.end, end.end() if end else len(text)):
        return True
    if all(own[1] == statement.letters[0] for own in _LETTER.finditer(text, statement.end)):
        return False
    return not _BEST.search(before) or _BESIDE.search(text, statement.end) is not None
