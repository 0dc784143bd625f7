"""Questions for an exception, and answers to them: "Portugal (C) does not border France."."""
# ruff: noqa: RUF001 - signs of other scripts

from __future__ import annotations

import re

from ccpo_env.verifiers.choice.judging import NEGATION, Found, lower, occurs
from ccpo_env.verifiers.choice.mentioned import UNSUITABLE
from ccpo_env.verifiers.choice.options import Options
from ccpo_env.verifiers.choice.words import words

_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|(?<=[。！？])|\n+")
_EXCEPTION = re.compile(
    words(
        "not; except; excluding; least; false; incorrect; wrong; contraindicated; avoid(?:ed)?",
        "isn't; aren't; doesn't; don't; cannot; can't; unlikely; never; inappropriate; untrue",
        "harmful; nicht; kein; keine; außer; falsch; pas; sauf; faux; fausse; excepto; falsa; no",
        "incorrecta; incorreta; não; exceto; не; кроме; неверно",
    )
    + "|不|错|錯|除|非|誤|ない|아닌|틀린|ليس|नहीं",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"\W*(?:(?:among|of|from)\b[^,.\n]{1,60},\s*|(?:so|thus|therefore|here|hence),?\s+)?\W*",
    re.IGNORECASE,
)
_OF_THE_ANSWER = re.compile(
    r"\b(?:answer|correct|right|true|option|choice|it|possible|only|alone)\b", re.IGNORECASE
)


def asks_exception(question: str) -> bool:
    """Return whether the last sentence of a question asks which option does not fit."""
    sentences = [own for own in _SENTENCE.split(question.strip()) if own.strip()]
    return bool(sentences and _EXCEPTION.search(sentences[-1]))


def excepted(text: str, options: Options) -> Found | None:
    """Return the only option of which a sentence says what it does not do.

    Args:
        text: Plain text of a response to a question for an exception.
        options: The options of the task.
    """
    found: dict[str, Found] = {}
    for sentence in re.finditer(r"[^\n]+?(?:[.!?](?=\s|$)|$)", text, re.MULTILINE):
        lead = _LEAD.match(sentence[0])
        statement = options.statement_at(sentence[0], lead.end() if lead else 0)
        if statement is None or len(statement.letters) != 1:
            continue
        rest = lower(sentence[0])[statement.end :]
        if not (occurs(NEGATION, rest) or UNSUITABLE.search(rest)):
            continue
        if _OF_THE_ANSWER.search(rest):
            return None
        place = sentence.start()
        found.setdefault(statement.letters[0], Found(statement.letters, place, sentence.end()))
    return next(iter(found.values())) if len(found) == 1 else None
