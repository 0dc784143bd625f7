"""Answers that stand alone: in a line, in bold, or as the only option that is mentioned."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
from dataclasses import replace

from ccpo_env.verifiers.choice.judging import (
    COPULA_CUE,
    NEGATION,
    NO_DOUBT,
    Found,
    contrast_after,
    first_and_last,
    judged,
    lower,
    occurs,
)
from ccpo_env.verifiers.choice.options import Options, Statement
from ccpo_env.verifiers.choice.words import NOT, words

MAX_SENTENCE = 600
"""Longest sentence in which the text of an option is searched, in characters."""
_LABEL_LINE = re.compile(r"\s*[-*>•#\s]*[(\[*_]*([A-Z])[*_]*[).:\]、．]")
_FULL_STOP = re.compile(r"(?<=[^\s.]{2}[.!?])\s+(?=\S)|(?<=[。！？])(?=.)")
_BOLD = re.compile(r"\*\*([^*\n]{1,300})\*\*|__([^_\n]{1,300})__")
_LEAD = re.compile(r"[*_)\]\"'`]*\s*(?:[.):,;!\n–—]|-\s|$|because\b|since\b|\()")
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
_HEDGED = re.compile(
    r"\b(?:but|however|although|though|while|whereas|tempting|too|less|worse|contraindicated|unlikely"
    r"|plausible|possible|only if|unless|no longer)\b",
    re.IGNORECASE,
)
_EXCLUDED = re.compile(
    r",?\s*\(?(?:and|but)?\s*(?:not|rather than|instead of|as opposed to|unlike|in contrast to)\s+"
    r"(?:(?:by|with|through|to|in|of|from|an?|the)\s+)*",
    re.IGNORECASE,
)
_NOT_FIRST = re.compile(r"\bnot\s+(?:(?:by|with|through|to|in|of|from|an?|the)\s+)*", re.IGNORECASE)
_UNSUITABLE = re.compile(
    f"{NOT}|"
    + words(
        "contraindicated; useless; ineffective; harmful; dangerous; unsafe; inappropriate; worse",
        "inferior; unsuitable; obsolete; inadequate; insufficient; unnecessary; too weak; outdated",
        "worsens?; aggravates?; kontraindiziert; contre-indiqué; contraindicado; противопоказан",
    )
    + "|禁忌"
)
_LABELS = re.compile(r"(?<![A-Za-z])([A-Z])[:.)]\s")
_MARK = re.compile(r"[✅✓✔☑👉]")
REPLY_NUMBER = re.compile(
    r"(?:A:\s*(?=\([B-Z]\))|(?:(?:assistant|model|bot|ai)|(?:question|q|answer|a|no\.?)?\s?\d{1,3})\s?[:.)]\s+(?=\S))",
    re.IGNORECASE,
)


def lone_answer(text: str, options: Options) -> Found | None:
    """Return an answer that stands alone: a marked line, the last or first line, bold text."""
    lines = [line for line in re.finditer(r"[^\n]+", text) if line[0].strip(" *_-`#>")]
    if not lines:
        return None
    return (
        _marked(text, lines, options)
        or _in_a_line(text, lines, options)
        or _in_bold(text, options)
        or _at_the_end(lines[-1], options)
        or _mentioned(lines, options)
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
                    _LEAD.match(line[0], lead.end)
                    or _AS.match(line[0], lead.end)
                    or _explained(line[0], lead)
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
    for cue in reversed([*first_and_last(COPULA_CUE.finditer(lower(sentence)))]):
        statement = options.statement_at(sentence, cue.end(), is_whole=True)
        if statement and set(statement.letters) <= set(options.letters):
            return Found(statement.letters, line.start(), line.end())
    return None


def _mentioned(lines: list[re.Match[str]], options: Options) -> Found | None:
    """Return the only option whose text the last line or the first one mentions."""
    if not options.is_known:
        return None
    for line in (lines[-1], lines[0]):
        sentences = [part for part in re.split(r"(?<=[.!?。！？])\s+", line[0]) if part.strip()]
        sentence = sentences[-1] if line is lines[-1] else sentences[0]
        if len(sentence) > MAX_SENTENCE:
            continue
        letters: list[str] = []
        place, others = 0, ""
        while place < len(sentence):
            named = options.text_at(sentence, place) and options.member_at(sentence, place)
            excluded = _EXCLUDED.match(sentence, place) if letters else None
            other = options.statement_at(sentence, excluded.end()) if excluded else None
            contrast = None if letters else _not_but(sentence, place, options)
            if other and not set(other.letters) & set(letters):
                place = other.end
            elif contrast:
                letters += contrast.letters
                place = contrast.end
            elif named and named[1] > place:
                letters += named[0]
                place = named[1]
                others += " "
            else:
                others += sentence[place]
                place += 1
        is_sure = not others.rstrip().endswith("?") and not occurs(_UNSUITABLE, others)
        if len(set(letters)) == 1 and is_sure:
            return Found((letters[0],), line.start(), line.end())
        if len(set(letters)) > 1:
            return None
    return None


def _not_but(sentence: str, place: int, options: Options) -> Found | None:
    """Return the answer of "not a B but an A" at a place."""
    negation = _NOT_FIRST.match(sentence, place)
    statement = options.statement_at(sentence, negation.end()) if negation else None
    return contrast_after(sentence, statement, options) if statement else None


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
