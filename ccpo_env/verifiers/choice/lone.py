"""Answers that stand alone: in a line, in bold, or as the only option that is mentioned."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

from ccpo_env.verifiers.choice.judging import (
    COPULA_CUE,
    NEGATION,
    NO_DOUBT,
    Found,
    first_and_last,
    judged,
    lower,
    occurs,
)
from ccpo_env.verifiers.choice.mentioned import mentioned
from ccpo_env.verifiers.choice.named_best import options_named
from ccpo_env.verifiers.choice.options import Options, Statement

_LABEL_LINE = re.compile(r"\s*[-*>•#\s]*[(\[*_]*([A-Z])[*_]*[).:\]、．]")
_FULL_STOP = re.compile(r"(?<=[^\s.]{2}[.!?])\s+(?=\S)|(?<=[。！？])(?=.)")
_BOLD = re.compile(r"\*\*([^*\n]{1,300})\*\*|__([^_\n]{1,300})__")
_LEAD = re.compile(r"[*_)\]\"'`]*\s*(?:[.):,;!\n–—]|-\s|$|because\b|since\b|\(|\[(?=[A-Z]))")
_BULLET = re.compile(r"\s*[-*•]\s")
_CHANGED = re.compile(r"\b(?:chang|switch)", re.IGNORECASE)
_POSSIBLE = re.compile(r"\b(?:could|might|may|can)\s+(?:also\s+)?be\b", re.IGNORECASE)
_LABELLED_LEAD = re.compile(r"[\s*_]*[A-Z]\)\s")
_AS = re.compile(
    r"\s+(?:because|since|as|rather|instead|not|for sure|it is|I think|I believe|I guess|I suppose"
    r"|probably|obviously|clearly|definitely|(?:most )?likely(?=\s*(?:[.!]|$))|imo|tbh)\b",
    re.IGNORECASE,
)
_LETTER_AND_TEXT = re.compile(r"[A-Z][*_]*[.):\]]?[*_]*[\s(–—-]+[^\W_][\w'-]")
_SAID_OF_IT = re.compile(
    r"[*_)]*\s+(?:is|isn't|was|wasn't|are|has|have|does|doesn't|do|did|never|can|cannot|can't|will|won't"
    r"|would|acts|works|lacks|[a-z]{3,}s)\b",
)
_NOUNS_TO_THE_END = re.compile(r"(?:\s+[A-Za-z][\w'-]+){1,2}[.!*_]*\s*$")
_HEDGED = re.compile(
    r"\b(?:but|however|although|though|while|whereas|tempting|too|less|worse|contraindicated|unlikely"
    r"|plausible|possible|only if|unless|no longer)\b",
    re.IGNORECASE,
)
_LABELS = re.compile(r"(?<![A-Za-z])([A-Z])[:.)]\s")
_OPENS_LINE = re.compile(r"\b(?:is|are|was|be)(?:\s+(?:the|an?))?[\s*_]*[:：][\s*_]*$")
_IS_NOT = re.compile(r",\s[^,.;:!?]{2,60},\s(?:is|was|are|were|does|did)\s*(?:not\b|n't\b)")
_MARK = re.compile(r"[✅✓✔☑👉]")
REPLY_NUMBER = re.compile(
    r"(?:A:\s*(?=\([B-Z]\)|[B-Z][\s.]*$)|(?:(?:assistant|model|bot|ai)|(?:question|q|answer|a|no\.?)?\s?\d{1,3})\s?[:.)]\s+(?=\S))",
    re.IGNORECASE,
)


def lone_answer(text: str, options: Options) -> Found | None:
    """Return an answer that stands alone: a marked line, the last or first line, bold text."""
    lines = [line for line in re.finditer(r"[^\n]+", text) if line[0].strip(" *_-`#>")]
    in_bullets = len(lines) > 1 and all(_BULLET.match(own[0]) for own in lines[-2:])
    if not lines or (in_bullets and options.statement_at(lines[-1][0], 0, is_whole=True)):
        return None
    return (
        _marked(text, lines, options)
        or _below_a_colon(text, lines, options)
        or _in_a_line(text, lines, options)
        or _in_bold(text, options)
        or _at_the_end(lines[-1], options)
        or mentioned(text, lines, options)
    )


def _marked(text: str, lines: list[re.Match[str]], options: Options) -> Found | None:
    """Return the answer in the only line with a check mark."""
    marked = [line for line in lines if _MARK.search(line[0])]
    place = _MARK.search(text, marked[0].start()) if len(marked) == 1 else None
    if place is None:
        return None
    for start in (marked[0].start(), place.end()):
        if statement := options.statement_at(text, start):
            return Found(statement.letters, start, statement.end)
    return None


def _below_a_colon(text: str, lines: list[re.Match[str]], options: Options) -> Found | None:
    """Return the only option, letter and text, that is a line below "... of the eye is the:"."""
    found = []
    for above, line in pairwise(lines):
        if not _OPENS_LINE.search(above[0]) or is_listed(text, line.start()):
            continue
        statement = options.statement_at(line[0], 0, is_whole=True)
        if statement and _LETTER_AND_TEXT.match(line[0], statement.start):
            found.append(Found(statement.letters, line.start(), line.end()))
    return found[0] if len(found) == 1 else None


def _in_a_line(text: str, lines: list[re.Match[str]], options: Options) -> Found | None:
    """Return the answer that is all of the last line, or that begins the first one."""
    for line in (lines[-1], lines[0]):
        if is_listed(text, line.start()):
            continue
        prefix = REPLY_NUMBER.match(line[0])
        statement = options.statement_at(line[0], prefix.end() if prefix else 0, is_whole=True)
        if statement is None and line is lines[-1]:
            statement = options.statement_at(
                _FULL_STOP.split(line[0].strip())[-1], 0, is_whole=True
            )
            if statement:
                return Found(statement.letters, line.start(), line.end())
        if statement is None and line is lines[0]:
            lead = options.statement_at(line[0], 0)
            is_list = len(set(_LABELS.findall(line[0]))) > 1
            if (
                lead
                and not is_list
                and (
                    (_LEAD.match(line[0], lead.end) and not _IS_NOT.match(line[0], lead.end))
                    or _LABELLED_LEAD.match(line[0])
                    or _AS.match(line[0], lead.end)
                    or _explained(line[0], lead)
                    or _lengthened(line[0], lead)
                )
            ):
                statement = lead
        if statement:
            found = judged(line[0], statement.start, statement)
            return replace(found, start=line.start() + found.start, end=line.start() + found.end)
    return None


def _explained(line: str, lead: Statement) -> bool:
    """Return whether a sentence about the text behind a letter follows: "C. Aspirin is old."."""
    return bool(
        _LETTER_AND_TEXT.match(line, lead.start, lead.end)
        and _SAID_OF_IT.match(line, lead.end)
        and not _HEDGED.search(line)
    )


def _lengthened(line: str, lead: Statement) -> bool:
    """Return whether a line is a letter and a text with one or two nouns: "A. 13th Amendment."."""
    return bool(
        _LETTER_AND_TEXT.match(line, lead.start, lead.end)
        and _NOUNS_TO_THE_END.match(line, lead.end)
    )


def _in_bold(text: str, options: Options) -> Found | None:
    """Return the answer in bold text, if all bold text that is an answer is the same."""
    bold = [
        judged(text, span.start(), statement)
        for span in first_and_last(_BOLD.finditer(text))
        if options.statement_at(span[1] or span[2], 0, is_whole=True)
        and not is_listed(text, text.rfind("\n", 0, span.start()) + 1)
        and (statement := options.statement_at(text, span.start()))
    ]
    return bold[-1] if bold and len({own.letters for own in bold}) == 1 else None


def _at_the_end(line: re.Match[str], options: Options) -> Found | None:
    """Return the letter with which the last sentence ends: "The next step is A."."""
    sentence = _FULL_STOP.split(line[0].strip())[-1]
    if sentence.endswith("?") or occurs(NEGATION, NO_DOUBT.sub(" ", sentence.lower())):
        return None
    for cue in first_and_last(COPULA_CUE.finditer(lower(sentence))):
        statement = options.statement_at(sentence, cue.end(), is_whole=True)
        if statement and set(statement.letters) <= set(options.letters):
            found = Found(statement.letters, line.start(), line.end())
            is_sure = _POSSIBLE.search(sentence) is None and (
                cue[0] not in {"with", "as", "to"} or _CHANGED.search(sentence) is not None
            )
            return found if is_sure else found.beside(tuple(options_named(sentence, options)))
    return None


def is_listed(text: str, place: int) -> bool:
    """Return whether a line is one of several lines that begin with different letters."""
    start = text.rfind("\n", 0, place) + 1
    own = _LABEL_LINE.match(text, start)
    if own is None:
        return False
    end = text.find("\n", place)
    after = _LABEL_LINE.match(text, _skip_blank(text, end)) if end >= 0 else None
    before_end = len(text[:start].rstrip())
    before = _LABEL_LINE.match(text, text.rfind("\n", 0, before_end) + 1) if before_end else None
    return any(other and other[1] != own[1] for other in (after, before))


def _skip_blank(text: str, place: int) -> int:
    return len(text) - len(text[place:].lstrip()) if place >= 0 else len(text)
