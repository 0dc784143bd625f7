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
from ccpo_env.verifiers.choice.options import Options
from ccpo_env.verifiers.choice.words import IS

_IS = re.compile(rf"{IS}|\b(?:called|named|known as)\b")
_OPEN = re.compile(
    r"\b(?:one|another|first|second|third|if|whether|could|might|may|can|possible|but|however|although"
    r"|though|while|whereas|also|common|sometimes|choices|options|consider\w*|only|unless)\b|\?",
    re.IGNORECASE,
)
_BEST = re.compile(r"\b(?:most|best|correct|right|preferred|single)\b", re.IGNORECASE)
_BESIDE = re.compile(
    r"\balso\s+(?:an?\s+)?(?:possib|correct|right|likely|acceptable|reasonable|option)|\bequally\b"
    r"|\bas\s+well\b(?!\s+as)|\balternativ|\b(?:could|may|might)\s+(?:also\s+)?be\b|\btoo\s*[.!]",
    re.IGNORECASE,
)
_LETTER = re.compile(r"(?:[(\[]|(?:[Oo]ption|[Cc]hoice)\s+)([A-Z])\b")


def labelled(text: str, options: Options) -> Iterator[Found]:
    """Yield what sentences name with letter and text behind a verb such as "is".

    Nothing is yielded if they name several options, or a sentence leaves open whether it counts.

    Args:
        text: Plain text of a response without lists of options.
        options: The options of the task.
    """
    found = []
    for verb in first_and_last(_IS.finditer(lower(text))) if options.is_known else ():
        statement = options.statement_at(text, verb.end())
        if (
            statement is None
            or SENTENCE_END.search(text, verb.end(), statement.start)
            or not options.ends_clause(text, statement.end)
        ):
            continue
        letter = statement.letters[0]
        named = text[statement.start : statement.end]
        spans = [
            (start, end)
            for letters, start, end in texts_in(named, options.letters, options.texts)
            if letters == letter and end - start > 1
        ]
        around = named[: spans[0][0]] + " " + named[spans[0][1] :] if spans else ""
        if len(statement.letters) > 1 or not re.search(rf"(?<![A-Za-z]){letter}(?![a-z])", around):
            continue
        end = SENTENCE_END.search(text, statement.end)
        before = text[sentence_start(text, verb.start()) : verb.start()]
        if _OPEN.search(before) or _OPEN.search(
            text, statement.end, end.end() if end else len(text)
        ):
            return
        others = [own for own in _LETTER.finditer(text, statement.end) if own[1] != letter]
        is_best = _BEST.search(before) and not _BESIDE.search(text, statement.end)
        if others and not is_best:
            return
        found.append(judged(text, verb.start(), statement, strength=1))
    if len({own.letters for own in found}) == 1:
        yield from found
