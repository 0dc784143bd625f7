r"""Where a text states the answer: the clause that states it, not those before it.

A statement names the answer and its value follows ("so the answer is 5"), or the value comes first
("5 is the answer"). It ends with its sentence. What stands before it in the sentence is no part of
it, unless the statement points back to it ("we get 5, which is the answer").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_ANSWER = r"(?:final\s+|correct\s+|right\s+|best\s+)?answers?\b"
VALUE_FOLLOWS = (
    _ANSWER + r"\**(?:\s+(?:to|of|for)\s[^.\n;!?]{1,60}?)?(?:\s*[,(][^.\n;!?,()]{1,60}[,)])?"
    r"\s*(?:is\b|are\b|:|=|equals\b|(?:would|must|should|will|has\s+to|can\s+only)\s+be\b)"
    r"\**\s*[:=]?\s*",
    r"(?:final|correct)\s+(?:result|solution)s?\b\**\s*(?:is\b|are\b|:|=|equals\b)\**\s*[:=]?\s*",
    r"(?<!\#)\#{4}(?!\#)[ \t]*(?=[-+$\\\d])(?!\d+[.)][ \t]+\S)",  # not a numbered heading
    r"(?:la\s+)?(?:respuesta|réponse)(?:\s+final[e]?)?\s*(?:es|est|:|=)",
    r"(?:die\s+)?antwort\s*(?:ist|lautet|:|=)",
    r"ответ\s*(?:[:=—-]|равен)",
    r"(?:最终)?答案\s*(?:是|为|為|[:\uff1a=])",
    r"(?:答え|解答)\s*(?:は|[:\uff1a=])",
)
"""Patterns that the value follows; one line per language."""
VALUE_BEFORE = (rf"(?:\b(?:is|are|be|was|were|as|equals)|=|\()\s*(?:the|our|my)\s+{_ANSWER}",)
"""Patterns that the value comes before."""
STEMS = (
    *("answer", "result", "solut", "####", "respuesta", "réponse", "antwort"),
    *("ответ", "答案", "答え", "解答"),
)
"""Each statement holds one of them, in lower case: to look for these takes a hundredth of the time.

None has an i, which patterns that ignore case also take for other letters.
"""

_STATEMENT = re.compile(
    rf"(?P<follows>{'|'.join(VALUE_FOLLOWS)})|(?P<before>{'|'.join(VALUE_BEFORE)})", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[\n;!?\u3002\uff1b\uff01\uff1f]|\.(?!\d)")  # no decimal point
_MARKS = ".!?\u3002\uff01\uff1f"
_AND_SO = r"\b(?:so|hence|thus|therefore|then)\b"
_STRONG_CUT = re.compile(_AND_SO, re.IGNORECASE)
_CUT = re.compile(
    rf"[:\u2014\u2013(\uff0c\u3001\uff1a]|,(?!\d)|{_AND_SO}|\b(?:because|since|and|but|giving)\b",
    re.IGNORECASE,
)
"""Where a clause before a statement ends."""
_POINTS_BACK = re.compile(
    r"\W*(?:(?:exactly|just|then|also)\s+)?(?:that|this|it|which|these|those|them|the\s+same|above"
    r"|[a-z])?(?:\s+(?:number|value|one|result|sum|above))?\W*",
    re.IGNORECASE,
)
"""A value that is said before the statement, such as "that", or x."""
_LONGEST_POINTER = 60
_FILLER = re.compile(
    r"\b(?:so|hence|thus|therefore|then|and|but|now|finally|well|ok|okay|it|that|this|which|we|is"
    r"|are|get|gets|got|have|has|find|gives|equals|be|must|since|because|[a-z])\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_VALUE = re.compile(r"[\w\\$`]")
_ITEM = re.compile(r"\s*(?:[-*\u2022]|\d+[.)])\s")
_DISPLAYS = {"$$": "$$", "\\[": "\\]", "```": "```", "\\begin": "\\end"}
"""What begins a value of several lines, and what ends it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of the answer.

    Args:
        start: Where the words begin that announce the answer.
        stop: Where the statement ends, its value included.
        value: The value; None if it comes before the announcement.
    """

    start: int
    stop: int
    value: str | None


def statements_in(text: str) -> Iterator[Statement]:
    """Yield the statements of a text, in order."""
    folded = text.casefold()
    if not any(stem in folded for stem in STEMS):
        return
    stop = 0
    for found in _STATEMENT.finditer(text):
        if found.end() <= stop:  # inside the one before; its end would take long to look for
            continue
        if found.lastgroup == "before":
            stop = end_of_sentence(text, found.end())
            yield Statement(found.start(), stop, None)
        else:
            start, stop = _value_span(text, found)
            yield Statement(found.start(), stop, text[start:stop])


def without_statements(
    text: str, statements: Iterable[Statement], *, letters: str = ""
) -> tuple[str, int]:
    """Return a text without statements of the answer, and how many have been removed.

    Args:
        text: What an agent wrote.
        statements: Statements in it, in order.
        letters: Letters of the options of a multiple-choice question, which are values.
    """
    kept: list[str] = []
    end = num_statements = 0
    for statement in statements:
        if statement.start < end:
            end = max(end, statement.stop)  # its value may not be hidden yet
            continue
        start = _start(text, statement, end, letters)
        kept.append(text[end:start])
        if text[start - 1 : start].isalnum() and text[statement.stop - 1] in _MARKS:
            kept.append(text[statement.stop - 1])  # of the sentence that begins with what is left
        end = statement.stop
        num_statements += 1
    kept.append(text[end:])
    return "".join(kept), num_statements


def end_of_sentence(text: str, place: int) -> int:
    """Return where the sentence around a place ends, with its mark but not with its line end."""
    found = _SENTENCE_END.search(text, place)
    return len(text) if found is None else found.end() - (found[0] == "\n")


def _start(text: str, statement: Statement, begin: int, letters: str) -> int:
    """Return where a statement begins, of the text from begin on: not before its clause."""
    breaks = _SENTENCE_END.finditer(text, begin, statement.start)
    starts = [begin, *(found.end() for found in breaks)]
    lead = text[starts[-1] : statement.start]
    cut = _last(_STRONG_CUT if statement.value is None else _CUT, lead)
    value = statement.value
    if value is None:
        value = lead[cut.end() :] if cut else lead
    is_letter = value.strip(" .*_()\n") in tuple(letters)
    if not is_letter and len(value) <= _LONGEST_POINTER and _POINTS_BACK.fullmatch(value):
        is_alone = len(starts) > 1 and not _says_more(lead, than="")
        return starts[-2 if is_alone else -1]  # "We get 5. That is the answer."
    left = lead[: cut.start()].rstrip(" \t,:(*_-\u2013\u2014") if cut else ""
    return starts[-1] + (len(left) if _says_more(left, than=value) else 0)


def _value_span(text: str, statement: re.Match[str]) -> tuple[int, int]:
    """Return where the value that follows a statement begins and ends."""
    value = _VALUE.search(text, statement.end())
    if value is None:
        return statement.end(), len(text)
    start = place = value.start()
    closing = next((end for begin, end in _DISPLAYS.items() if text.startswith(begin, start)), "")
    if closing:
        place = max(place, text.find(closing, start + 2) + len(closing))
    stop = end_of_sentence(text, place)
    line = text.rfind("\n", statement.start(), start) + 1
    item = _ITEM.match(text, line) if line else None
    while item is not None:  # the answers are a list
        stop = end_of_sentence(text, item.end())
        item = _ITEM.match(text, stop)
    return start, stop


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for found in pattern.finditer(text):  # noqa: B007
        pass
    return found


def _says_more(text: str, *, than: str) -> bool:
    """Return whether a text has words beyond those that carry no thought and those of another."""
    known = {word.casefold() for word in _WORD.findall(than)}
    return any(word.casefold() not in known for word in _WORD.findall(_FILLER.sub(" ", text)))
