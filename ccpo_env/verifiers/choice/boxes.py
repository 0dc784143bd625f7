"""The answer in the last box that holds an option."""
# ruff: noqa: RUF001 - signs of multiplication

from __future__ import annotations

import re
from dataclasses import replace

from ccpo_env.verifiers.choice.judging import (
    ANSWER_NOUN,
    NEGATION,
    NO_DOUBT,
    Found,
    clause_start,
    judged,
    negated_at,
)
from ccpo_env.verifiers.choice.options import Options, Statement
from ccpo_env.verifiers.extract import closed_boxes
from ccpo_env.verifiers.plain import plain

MAX_BOXES = 64
"""Boxes that are read, from the last one on."""
AROUND = 160
"""Characters before and after a box that may negate it or join another answer to it."""
_ASKS = re.compile(r"[$)\]\s*]*\?")
_SHOWN = re.compile(
    r"(?:^|[.!\n])[\s*_]*(?:(?:answer|output|response)\s)?(?:format|template|example|e\.g\.)[*_]*\s?:"
    r"[\s$*_]*$|\b(?:write|put|give|state|place|provide|format)\syour\s(?:final\s)?answer"
    r"[\sa-z,]{0,40}[\s$]*$",
    re.IGNORECASE,
)
_FORM = re.compile(
    r"\b(?:form|format|template|example|e\.g\.|like|such as)\b[^.\n]{0,40}$", re.IGNORECASE
)
_REFUSES = re.compile(
    r"\b(?:cannot|can't|unable to|not able to|do not|don't)\s(?:really\s)?"
    r"(?:answer|determine|say|decide|know|tell|solve|choose)\b",
    re.IGNORECASE,
)
_FORMULA = re.compile(
    r"[\s(*]*[A-Z](?:\s*(?:_\s?\w|[+^=?]|\*\s?\d|×|-\s?\d|/\s?\d|\([a-z]\))|'(?!$))\s*"
    r"|[\s(*]*[A-Z]'$"
)
_OR_NONE = re.compile(
    r"^\W*[A-Z]\W*(?:\bor\b|\band\b|,|/)\s*(?:none|neither|something|another|nothing|unknown"
    r"|unsure|not sure|no answer)\b",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"(?:[\s$,;&/+|.]|\\[()\[\]]|and|or|\\text\s*\{\s*(?:and|or)\s*\}|\\(?:quad|,|;)){0,60}"
)
_JOINED_BEFORE = re.compile(
    r"(?<![A-Za-z])([A-Z])[)\]*_\"'$]*\s*(?:,|/|&|\band\b|\bor\b|和|或|与)"
    r"\s*(?:\b(?:maybe|possibly|perhaps|option)\b\s*)?[(\[*_$\"']*$"
)
_NEGATED = re.compile(r"[-~!¬]\(?[A-Z]\)?$")
_CONTRASTED = re.compile(r"\b(?:but|rather|instead|sondern|sino|mais|mas|ma)\b[^.]{0,20}$|而是\s*$")


def boxed_answer(visible: str, options: Options) -> Found | None:
    """Return the answer in the last box that holds one, joined with those of the boxes beside it.

    Args:
        visible: A response without its thinking.
        options: The options of the task.

    Returns:
        The answer, which ends where its box does; without letters if boxes hold something else
        only; None if there is no box.
    """
    boxes = [own for own in closed_boxes(visible, MAX_BOXES) if own[2].strip()]
    shown = [own for own in boxes if _is_shown(visible, own)]
    boxes = [own for own in boxes if own not in shown]
    for place in range(len(boxes) - 1, -1, -1):
        found = _read_box(visible, boxes[place], options)
        if found is None:
            continue
        letters, start = list(found.letters), found.start
        for other in reversed(boxes[:place]):
            if not _BETWEEN.fullmatch(visible, other[1], start):
                break
            beside = _read_box(visible, other, options)
            letters += beside.letters if beside else ("?",)
            start = other[0]
        return replace(found, letters=tuple(dict.fromkeys(letters)))
    if shown:
        return Found((), 0, shown[-1][1])
    return Found((), 0, 0) if boxes else None


def _is_shown(visible: str, box: tuple[int, int, str]) -> bool:
    """Return whether a box shows the form of an answer, or asks, and states none."""
    start, end, _ = box
    before, behind = visible[max(start - AROUND, 0) : start], visible[end : end + AROUND]
    if _ASKS.match(behind) or _SHOWN.search(before):
        return True
    return bool(_FORM.search(before) and _REFUSES.search(behind))


def _read_box(visible: str, box: tuple[int, int, str], options: Options) -> Found | None:
    """Return the answer in a box, with what the words around it say of it; None without one."""
    start, end, content = box
    inside = plain(content).strip()
    if _NEGATED.match(inside) and not options.letters_of_text(inside):
        inside = f"not {inside[1:]}"
    if letters := options.letters_of_text(inside):
        statement: Statement | None = Statement(letters, 0, len(inside))
    elif negated := negated_at(inside, 0, options):
        return replace(negated, start=start, end=end)
    else:
        statement = options.statement_at(inside, 0)
    if statement is None:
        return None
    line = visible.rfind("\n", 0, start) + 1
    before = plain(visible[max(line, start - AROUND) : start]).lstrip()
    text = f"{before}{inside}{plain(visible[end : end + AROUND])}"
    placed = options.statement_at(text, len(before)) or statement
    own, around = judged(inside, 0, statement), judged(text, len(before), placed)
    joined = _JOINED_BEFORE.search(before)
    stated = (*placed.letters, *around.letters, *((joined[1],) if joined else ()))
    if not letters and _is_other(inside, options):
        stated = (*stated, "?")
    return Found(
        tuple(dict.fromkeys(stated)),
        start,
        end,
        is_negated=own.is_negated or around.is_negated or _is_negated_before(before),
    )


def _is_other(inside: str, options: Options) -> bool:
    """Return whether a box holds a formula of a letter, or a letter beside what is no option."""
    formula = _FORMULA.match(inside)
    if formula and not options.text_at(inside, formula.end()):
        return True
    return _OR_NONE.search(inside) is not None


def _is_negated_before(before: str) -> bool:
    """Return whether the clause before a box negates it, and not something before its noun."""
    clause = NO_DOUBT.sub(" ", before[clause_start(before, len(before)) :].lower())
    nouns = [noun.end() for noun in ANSWER_NOUN.finditer(clause)]
    own = clause[nouns[-1] :] if nouns else clause
    return bool(NEGATION.search(own)) and not _CONTRASTED.search(own)
