"""Leave out lists of options, which state no answer, and read the marks in them, which do."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ccpo_env.verifiers.choice.inline_lists import without_inline_lists
from ccpo_env.verifiers.choice.judging import ANSWER_NOUN, lower
from ccpo_env.verifiers.choice.marks import (
    MARK_RIGHT,
    MARK_WRONG,
    OPTION_LETTERS,
    SENTENCE,
    SIGNS,
    said_of,
    verdict_behind,
)
from ccpo_env.verifiers.choice.named_best import options_named
from ccpo_env.verifiers.choice.negations import CORRECTION
from ccpo_env.verifiers.choice.options import Options
from ccpo_env.verifiers.choice.terms import is_part_of_term
from ccpo_env.verifiers.choice.words import CHOOSE, THEREFORE, letter_of

MAX_BETWEEN = 3
"""Largest number of other lines between two options of one list."""
_BULLET = re.compile(
    r"[ ]*(?:>[ ]*)*(?:#{1,6} +|[-*+•·▪●○◦|]+ +|\|[ ]*)*"
    r"(?i:(?:step|question|part|item|q|no|answer|frage|pregunta|вопрос|第)\.?\s?"
    r"\d{1,2}\s?[:.)：题]\s*)?"
    r"(?:\d{1,2}[.)] +|\(\d{1,2}\) +|[ivx]{1,4}[.)] +(?=[(*\[]*[A-Z][).*\]:]*\s*$))?"
)
_TICKED = re.compile(
    r"(?:\[\s?(?:(?P<yes>[xX✓✔✅☑])|(?P<no>[✗✘❌✖]?))\s?\]"
    r"|(?P<box>☒|\([xX]\))|[☐□]|\(\s?\))\s*"
)
_NEXT_TICK = re.compile(
    r"(?<=\S)\s+(?=(?:\[\s?[xX✓✔✅☑✗✘❌✖]?\s?\]|[☐□☒☑])\s*\(?[A-Z](?![A-Za-z]))"
)
_GIVEN_LINE = re.compile(
    r"^[^\w\n]*(?:hint|question|clue|example|prompt|hinweis|frage|beispiel|indice|exemple|pista|pregunta"
    r"|ejemplo|pergunta|dica|domanda|вопрос|подсказка|пример|问题|提示|例|ヒント)[^\w\n]*[:=：][^\w\n]*"
    r"[A-Z][^\w\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
_RULED_OUT = re.compile(
    r"(?<!\w)(?:not\s+\(?[A-Z]\)?\s*[.;]\s*)++(?=[(*]*[A-Z][)*]*[.!]?\s*$)", re.IGNORECASE
)
_OTHER_LABEL = re.compile(r"(?<![A-Za-z])([A-Z])[).:]\s")
_NAME = r"(?:(?:option|choice|opción|opção|opzione|optie|вариант|seçenek|[选選]项|選択肢)\s*)?"
_LETTER_AND_TEXT = re.compile(rf"{_NAME}([A-Z])\s+(?:(?:is|are|was|were)\s+)?\(?", re.IGNORECASE)
_MARK = re.compile(rf"(?:(?P<yes>{MARK_RIGHT})|(?P<no>{MARK_WRONG}))\s*")
_LABEL = re.compile(
    rf"(?P<open>[*_`(\[\"'（【]*){_NAME}[*_`(\[]*(?P<letter>[A-Za-z]|[{OPTION_LETTERS}])(?![A-Za-z'])"
    r"(?P<close>[*_`\"'）】]*\s?[).:\]、．|?][*_`)\]]*|[*_`\"'\])]+|\s+(?:[-–—:=→]|[-=]>)\s|(?=\s*(?:\n|$))"
    rf"|(?=\s*(?:{MARK_RIGHT}|{MARK_WRONG}|\((?i:no|yes|in|co|wr|ri|fa|tr))))",
    re.IGNORECASE,
)
_ENDS_TEXT = re.compile(r"[*_`\"'.)]*\s*(?:$|[:–—(|✓✔✅✗✘❌]|-\s)")
_CUE = re.compile(rf"{ANSWER_NOUN.pattern}|{CHOOSE}|{THEREFORE}", re.IGNORECASE)
_STOPS = re.compile(r"[*_`)\"']*[.!?]\s")
_CORRECTION = re.compile(CORRECTION, re.IGNORECASE)
_EXPLICIT = re.compile(
    r"[\s*_#]*(?:(?:so|thus|hence|therefore)\b[, ]*)?(?:(?:the|my)\s+)?"
    r"(?:(?:final|correct|right|best)\s+)*(?:answer|option|choice)[*_]*"
    r"(?:\s+(?:is|must\s+be|would\s+be)\b|\s*:)\s*",
    re.IGNORECASE,
)
_ANSWERS_ARE = re.compile(
    r"(?:\banswers|\b(?:correct|right|best)\s+(?:options|choices|statements))\b[^\n]{0,40}?"
    r"(?:\bare\b)?[\s*_]*[:：][\s*_]*$",
    re.IGNORECASE,
)
"""What a list of several answers follows."""
_ANNOUNCED = re.compile(r"[:：—–*]\s*$|\bis\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Item:
    """An option in a list: its letter, its lines, what the list says of it and the rest."""

    letter: str
    line: int
    is_right: bool | None
    rest: str
    kept: str
    """Sentences behind it that announce an answer."""
    is_prose: bool = False
    """Whether a sentence begins with the text of the option."""


def without_listing(text: str, options: Options) -> str:
    """Return a plain text without lists of options.

    A list in which one option is marked as right is replaced with that statement. An option above
    a list, in a line of its own, is no part of it.

    Args:
        text: Plain text of a response.
        options: The options of the task.
    """
    text = _RULED_OUT.sub("", _GIVEN_LINE.sub("", text))
    if "●" in text:
        text = text.replace("○", "[ ]").replace("●", "[x]")
    elif "×" in text:
        text = text.replace("○", "✓").replace("〇", "✓")
    text = without_inline_lists(_NEXT_TICK.sub("\n", text), options)
    lines = text.split("\n")
    items = [own for place, line in enumerate(lines) if (own := _item(line, place, options))]
    is_all = sorted(own.letter for own in items) == list(options.letters)
    if not is_all and len(items) != sum(bool(line.strip()) for line in lines):
        items = [own for own in items if not own.is_prose]
    bodies = [_body(own, lines) for own in _ascending(items, lines)]
    blocks = [own for own in bodies if len({item.letter for item in own}) > 1]
    for block in blocks:
        above = _last(lines[: block[0].line])
        for item in block:
            lines[item.line] = item.kept
        said = _said(block, options, lines[block[-1].line + 1 :])
        if not said and _ANSWERS_ARE.search(above) and len(block) < len(options.letters):
            said = said_of([item.letter for item in block])
        lines[block[-1].line] = f"{said}\n{block[-1].kept}".strip()
    if blocks and not re.search(r"\w", "".join(lines)):
        first, *others = [item.letter for item in blocks[0]]
        is_apart = first > others[0] and others == sorted(others)
        if len(blocks) == 1 and len(others) > 1 and is_apart:
            return said_of([first])  # "C. Because ... A. ... B. ... D. ..."
        return ", ".join(item.letter for block in blocks for item in block)
    return "\n".join(lines).strip()


def _said(block: list[_Item], options: Options, below: list[str]) -> str:
    """Return a sentence for what a list says by its marks; empty if it says nothing.

    The only option that no line of a list calls wrong is its answer, unless the last line below
    states one.
    """
    right = [item.letter for item in block if item.is_right]
    open_ = [item for item in block if item.is_right is None]
    is_all = {own.letter for own in block} == set(options.letters)
    if not right and len(open_) == 1 and is_all and not _states_answer(below, options):
        is_other = not options_named(_last(below), options) <= {open_[0].letter}
        right = [] if is_other else [open_[0].letter]
    return said_of(right)


def _last(lines: list[str]) -> str:
    """Return the last line that is not blank; empty without one."""
    return next((line for line in reversed(lines) if line.strip()), "")


def _states_answer(lines: list[str], options: Options) -> bool:
    """Return whether the last of some lines states one option as the answer, and nothing else."""
    last = _last(lines)
    cue = _EXPLICIT.match(last)
    statement = options.statement_at(last, cue.end(), is_whole=True) if cue else None
    return statement is not None and len(statement.letters) == 1


def _item(line: str, place: int, options: Options) -> _Item | None:
    """Return the option with which a line begins, or None."""
    start = _BULLET.match(line).end()  # type: ignore[union-attr]
    is_right: bool | None = None
    for mark in (_TICKED, _MARK, _TICKED):
        if found := mark.match(line, start):
            is_right = found["yes"] is not None or found.groupdict().get("box") is not None
            start = found.end()
    own = _labelled(line, start, options)
    if own is None:
        return None
    letter, end = own
    rest = line[end:]
    others = {
        other[1]
        for other in _OTHER_LABEL.finditer(rest)
        if not is_part_of_term(rest, *other.span(1), "")
    }
    if others & set(options.letters) - {letter}:
        return None  # a list in one line
    item = _read(letter, place, rest, is_right)
    is_prose = not _LABEL.match(line, start) and not _ENDS_TEXT.match(rest) and is_right is None
    return replace(item, is_prose=is_prose)


def _read(letter: str, place: int, rest: str, is_right: bool | None) -> _Item:
    sentences = SENTENCE.split(rest.lstrip(" .*_`\"')"))
    least = 0 if _STOPS.match(rest) else 1
    first = next(
        (k for k, own in enumerate(sentences) if k >= least and _CUE.search(lower(own))), None
    )
    kept = " ".join(sentences[first:]) if first is not None else ""
    if is_right is None:
        is_right = verdict_behind(" ".join(sentences[:first]))
        kept = "" if is_right else kept
    return _Item(letter, place, is_right, rest.strip(" *_.`)"), kept)


def _labelled(line: str, start: int, options: Options) -> tuple[str, int] | None:
    """Return the letter of the option at a place of a line, and where its label and text end."""
    label = _LABEL.match(line, start)
    if label and (
        label["letter"].isupper() or label["close"].strip() or label["letter"] in OPTION_LETTERS
    ):
        letter = letter_of(label["letter"])
        if letter in options.letters:
            end = SIGNS.match(line, label.end()).end()  # type: ignore[union-attr]
            named = options.text_at(line, end)
            return letter, named[1] if named else label.end()
    single = _LETTER_AND_TEXT.match(line, start)
    if single and single[1] in options.letters:
        named = options.text_at(line, single.end())
        if named and single[1] in named[0]:
            return single[1], named[1]
    opened = SIGNS.match(line, start).end()  # type: ignore[union-attr]
    named = options.text_at(line, opened)
    if named is None or len(named[0]) != 1:
        return None
    return named[0][0], named[1]


def _ascending(items: list[_Item], lines: list[str]) -> list[list[_Item]]:
    """Return runs of neighbouring options in the order of their letters."""
    runs: list[list[_Item]] = []
    for item in items:
        last = runs[-1][-1] if runs else None
        if last is None or item.letter <= last.letter or not _is_near(last, item, lines):
            runs.append([item])
        else:
            runs[-1].append(item)
    merged: list[list[_Item]] = []
    for run in runs:
        before = merged[-1] if merged else []
        is_new = {own.letter for own in before}.isdisjoint(own.letter for own in run)
        is_apart = bool(before) and not lines[before[-1].line + 1].strip()
        is_single = (len(before) == 1 and not before[0].rest) or (len(run) == 1 and not run[0].rest)
        if (
            before
            and is_new
            and _is_near(before[-1], run[0], lines)
            and not (is_apart and is_single and _is_dense(before + run, lines))
        ):
            merged[-1] = before + run
        else:
            merged.append(run)
    return merged


def _is_dense(run: list[_Item], lines: list[str]) -> bool:
    """Return whether one blank line only divides some options, or only one stands alone."""
    blank = [not lines[own.line + 1].strip() for own in run[:-1] if own.line + 1 < len(lines)]
    return sum(blank) == 1 or sum(not own.rest for own in run) == 1


def _is_near(before: _Item, after: _Item, lines: list[str]) -> bool:
    between = [own for own in lines[before.line + 1 : after.line] if own.strip()]
    return len(between) <= MAX_BETWEEN and not any(
        _CUE.search(lower(own)) or _CORRECTION.search(lower(own)) for own in between
    )


def _body(run: list[_Item], lines: list[str]) -> list[_Item]:
    """Return a list without a first option that is announced or stands alone above it."""
    if len(run) < 2 or run[0].rest or run[0].is_right is not None:
        return run
    if len(run) == 2 and not run[1].rest:
        return run
    above = [own for own in lines[: run[0].line] if own.strip()]
    is_announced = bool(
        above and ANSWER_NOUN.search(lower(above[-1])) and _ANNOUNCED.search(above[-1])
    )
    is_apart = not lines[run[0].line + 1].strip() and _is_dense(run, lines)
    return run[1:] if is_announced and is_apart else run
