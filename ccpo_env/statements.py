r"""Where a text states the answer: the clause that states it, not those before it.

A statement names the answer and its value follows ("so the answer is 5"), or the value comes first
("5 is the answer"). It ends with its sentence. What stands before it in the sentence is no part of
it, unless the statement points back to it ("we get 5, which is the answer").
"""

from __future__ import annotations

import re
from functools import lru_cache

_ANSWER = r"(?:final\s+|correct\s+|right\s+|best\s+)?answers?\b"
VALUE_FOLLOWS = (
    _ANSWER + r"\**(?:\s+(?:to|of|for)\s[^.\n;!?]{1,60}?)?(?:\s*[,(][^.\n;!?,()]{1,60}[,)])?"
    r"\s*(?:is\b|are\b|:|=|equals\b|would\s+be\b|must\s+be\b)\**\s*[:=]?\s*",
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
_LETTER = r"\(?\**(?:option\s+|choice\s+|letter\s+)?\(?\**(?-i:[{letters}])\**\)?"
_ALONE = r"\**\s*(?:[.,;:!?)\n]|$)"
_LETTER_FOLLOWS = (
    r"\b(?:correct|right|best|true)\s+(?:option|choice|letter|one)\**\s*(?:is\b|:|=|must\s+be\b)\s*",
    r"\b(?:it|this|that|which)(?:\s+(?:is|must\s+be|has\s+to\s+be|would\s+be|should\s+be)|['\u2019]s)"
    rf"\s+(?={{letter}}{_ALONE})",
    r"\b(?:choose|choosing|select|pick|go\s+with|answer\s+with|option|choice)\s+"
    rf"(?={{letter}}{_ALONE})",
    r"(?:^|(?<=\n))[ \t>*_(]*(?={letter}[ \t.)*_]*(?:\n|$))",
    r"(?=\*\*\(?(?-i:[{letters}])\)?\*\*\W*(?:\n|$))",
)
_LETTER_NAMED = (
    r"{letter}\s+(?:is|must\s+be|seems|looks|would\s+be|has\s+to\s+be)\s+(?:the\s+)?"
    r"(?:correct|right|best|true|only\s+one)\b",
)
"""Patterns of questions with options: of a letter that follows, or that is a part of them."""

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


def without_statements(text: str, letters: str = "") -> tuple[str, int]:
    """Return a text without statements of the answer, and the number of statements removed.

    Args:
        text: What an agent wrote.
        letters: Letters of the options of a multiple-choice question, of which a statement may
            name one; empty for other questions.
    """
    if not letters:
        folded = text.casefold()
        if not any(stem in folded for stem in STEMS):
            return text, 0
    kept: list[str] = []
    end = num_statements = 0
    for statement in _statements(letters).finditer(text):
        if statement.start() < end:
            if statement.end() > end:  # its value is not hidden yet
                end = _value_span(text, statement)[1]
            continue
        start, stop = _span(text, statement, end, letters)
        kept.append(text[end:start])
        if text[start - 1 : start].isalnum() and text[stop - 1] in _MARKS:
            kept.append(text[stop - 1])  # of the sentence whose earlier clauses are left
        end = stop
        num_statements += 1
    kept.append(text[end:])
    return "".join(kept), num_statements


@lru_cache(maxsize=32)
def _statements(letters: str) -> re.Pattern[str]:
    """Return the pattern of all statements, for questions with options or without."""
    kinds = {"follows": VALUE_FOLLOWS, "before": VALUE_BEFORE, "named": ()}
    if letters:
        kinds["follows"] += _LETTER_FOLLOWS
        kinds["named"] = _LETTER_NAMED
    groups = [f"(?P<{kind}>{'|'.join(own) or '(?!)'})" for kind, own in kinds.items()]
    pattern = "|".join(groups).replace("{letter}", _LETTER).replace("{letters}", letters)
    return re.compile(pattern, re.IGNORECASE)


def _span(text: str, statement: re.Match[str], begin: int, letters: str) -> tuple[int, int]:
    """Return start and end of what a statement hides, of the text from begin on."""
    breaks = _SENTENCE_END.finditer(text, begin, statement.start())
    starts = [begin, *(found.end() for found in breaks)]
    lead = text[starts[-1] : statement.start()]
    value_start, stop = _value_span(text, statement)
    if statement.lastgroup == "before":
        cut = _last(_STRONG_CUT, lead)
        value = lead[cut.end() :] if cut else lead
    else:
        cut = _last(_CUT, lead)
        value = text[value_start:stop] if statement.lastgroup == "follows" else statement[0]
    is_letter = value.strip(" .*_()\n") in tuple(letters)
    if not is_letter and len(value) <= _LONGEST_POINTER and _POINTS_BACK.fullmatch(value):
        is_alone = len(starts) > 1 and not _says_more(lead, than="")
        return starts[-2 if is_alone else -1], stop  # "We get 5. That is the answer."
    left = lead[: cut.start()].rstrip(" \t,:(*_-\u2013\u2014") if cut else ""
    return starts[-1] + (len(left) if _says_more(left, than=value) else 0), stop


def _value_span(text: str, statement: re.Match[str]) -> tuple[int, int]:
    """Return where the value begins, of a statement that it follows, and where that one ends."""
    start = place = statement.end()
    if statement.lastgroup != "follows":
        return start, _end_of_sentence(text, place)
    value = _VALUE.search(text, start)
    if value is None:
        return start, len(text)
    start = place = value.start()
    closing = next((end for begin, end in _DISPLAYS.items() if text.startswith(begin, start)), "")
    if closing:
        place = max(place, text.find(closing, start + 2) + len(closing))
    stop = _end_of_sentence(text, place)
    line = text.rfind("\n", statement.start(), start) + 1
    item = _ITEM.match(text, line) if line else None
    while item is not None:  # the answers are a list
        stop = _end_of_sentence(text, item.end())
        item = _ITEM.match(text, stop)
    return start, stop


def _end_of_sentence(text: str, place: int) -> int:
    found = _SENTENCE_END.search(text, place)
    return len(text) if found is None else found.end() - (found[0] == "\n")


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for found in pattern.finditer(text):  # noqa: B007
        pass
    return found


def _says_more(text: str, *, than: str) -> bool:
    """Return whether a text has words beyond those that carry no thought and those of another."""
    known = {word.casefold() for word in _WORD.findall(than)}
    return any(word.casefold() not in known for word in _WORD.findall(_FILLER.sub(" ", text)))
