"""What the words around an answer say of it: that it is not the answer, or not alone."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

from ccpo_env.verifiers.choice.called_wrong import is_called_wrong
from ccpo_env.verifiers.choice.negations import BELIEVE, CORRECTION, NOT, YES_DOUBT
from ccpo_env.verifiers.choice.options import Options, Statement
from ccpo_env.verifiers.choice.words import ANSWER, COPULA, words

MAX_WINDOW = 120
"""Longest distance, in characters, of an answer from the word that announces it."""
MAX_CUES = 64
"""Largest number of announcements of one kind that are read: the first and the last ones."""
NEGATION = re.compile(NOT)
NO_DOUBT = re.compile(YES_DOUBT)
DISBELIEF = re.compile(rf"(?:{NOT}).{{0,20}}?(?:{BELIEVE})", re.IGNORECASE)
CORRECTED = re.compile(CORRECTION)
SENTENCE_END = re.compile(r"[.!?](?=[)\]*]*(?:\s|$))|[。！？]|\n")
CLAUSE_START = re.compile(r"[.,;:!?\n。，；：！？、]")
_CONTRAST = re.compile(
    r"[^\n.]{0,14}?(?:"
    + words(
        "but; rather; instead; sondern; sino; mais; mas; ma; maar; а; lecz; ale; utan; vaan",
        "but rather",
    )
    + r"|而是|而选|ではなく|아니라|بل|बल्कि|→|->)[\s、，,]*|[;,]\s*",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\s*(?:as|since|because|for|given|which|when|where|due|weil|da|car|porque)\b", re.IGNORECASE
)
_WRONG_KIND = re.compile(
    r"(?:不|别|勿|莫|不应该?|不能|不可以?|不要|不会|不宜|不该)$"
    r"|(?:错误|不正确|不对|不正確|誤った|間違った|틀린|잘못된|خاطئة?|गलत)的?\s*$"
)
_ALSO_FIRST = re.compile(
    r"[\s.,;:*_)\]–—-]*(?i:also|and also|likewise)[:,]?\s+[*_(\[]*(?P<letter>[A-Z])(?![A-Za-z])"
)
_COULD_ALSO = re.compile(
    r"[^.\n]{0,60}?\b(?:(?:could|might|may|can)\s+(?:also|equally|as well)\s+be|with)\s+"
    r"(?:option\s+)?"
    r"[*(\[]*(?P<letter>[A-Z])(?![A-Za-z])"
    r"(?:(?<!with .)|(?=\s+(?:also|as well|as a(?! (?:distant|close)))\b))"
)
_OPENING = re.compile(r"[\s*_`\"'(\[<]*")
_IN_BRACKETS = re.compile(r"\([^()]*\)")
_CONCLUDES = re.compile(r"(?:so|thus|hence|therefore)\b|→|=>", re.IGNORECASE)
_ADJACENT_NOT = re.compile(rf"(?:{NOT})(?:\s+\S+){{0,2}}$", re.IGNORECASE)
"""A negation among the last words of a clause that belongs to the noun behind them."""
ANSWER_NOUN = re.compile(ANSWER)
COPULA_CUE = re.compile(COPULA)


@lru_cache(maxsize=8)
def lower(text: str) -> str:
    """Return a text in lower case, with each character at its place."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(own if len(own := character.lower()) == 1 else character for character in text)


def occurs(pattern: re.Pattern[str], text: str) -> bool:
    """Return whether a pattern in lower case occurs in a text."""
    return pattern.search(lower(text)) is not None


def first_and_last(matches: Iterator[re.Match[str]]) -> Iterator[re.Match[str]]:
    """Yield the first and the last of some matches, at most MAX_CUES."""
    yield from islice(matches, MAX_CUES // 4)
    yield from deque(matches, maxlen=MAX_CUES - MAX_CUES // 4)


@dataclass(frozen=True, slots=True)
class Found:
    """An answer that a response states somewhere.

    Args:
        letters: The letters of its options; "?" for anything that is no option.
        start: Where the words begin that announce it.
        end: Where it ends.
        is_negated: Whether it says what the answer is not.
        strength: 2: "the answer is C"; 1: "C is right", "so C".
        is_correction: Whether it takes back what was stated before.
    """

    letters: tuple[str, ...]
    start: int
    end: int
    is_negated: bool = False
    strength: int = 2
    is_correction: bool = False

    def beside(self, letters: tuple[str, ...]) -> Found:
        """Return this answer with those of other options beside it."""
        return replace(self, letters=tuple(dict.fromkeys((*self.letters, *letters))))


def judged(text: str, cue: int, statement: Statement, *, strength: int = 2) -> Found:
    """Return a statement with whether it is negated by the words around it.

    Args:
        text: Plain text.
        cue: Where the words begin that announce the answer.
        statement: The answer.
        strength: See `Found`.
    """
    clause = clause_start(text, cue)
    before = NO_DOUBT.sub(" ", _IN_BRACKETS.sub(" ", text[clause:cue].lower()))
    between = NO_DOUBT.sub(" ", text[cue : statement.start].lower())
    last_words = " ".join(before.split()[-3:])
    is_negated = bool(
        occurs(NEGATION, between)
        or (
            occurs(NEGATION, last_words)
            and not _CONCLUDES.match(text, cue)
            and not re.search(r"\bno\b[.,!]?$", last_words)
            and _ADJACENT_NOT.search(last_words)
        )
        or _WRONG_KIND.search(before)
        or DISBELIEF.search(before + text[cue : cue + 1])
        or is_called_wrong(text, statement.end)
    )
    letters = statement.letters
    for also in (
        _COULD_ALSO.match(text, statement.end),
        _ALSO_FIRST.match(text, statement.end),
    ):
        if also and also["letter"] not in letters:
            letters = (*letters, also["letter"])
    sentence = text[sentence_start(text, cue) : cue]
    return Found(
        letters,
        cue,
        statement.end,
        is_negated,
        strength,
        occurs(CORRECTED, sentence[-60:]),
    )


def negated_at(text: str, place: int, options: Options) -> Found | None:
    """Return what "not A" or "not A but B" says at a place; None if nothing is negated there."""
    opened = _OPENING.match(text, place)
    if opened and options.text_at(text, opened.end()):
        return None
    negation = NEGATION.match(lower(text), opened.end() if opened else place)
    if negation and NO_DOUBT.match(lower(text), negation.start()):
        return None
    if negation is None:
        statement = options.statement_at(text, place)
        if statement is None or not is_called_wrong(text, statement.end):
            return None
    else:
        statement = options.statement_at(text, negation.end())
    if statement is None:
        return None
    negated = Found(statement.letters, place, statement.end, is_negated=True)
    return contrast_after(text, statement, options) or negated


def contrast_after(text: str, statement: Statement, options: Options) -> Found | None:
    """Return the answer after "but" of "not A but B"."""
    contrast = _CONTRAST.match(text, statement.end)
    if contrast is None:
        return None
    if _REASON.match(text, contrast.end()):
        return None
    other = options.statement_at(text, contrast.end())
    if other is None or is_called_wrong(text, other.end):
        return None
    if set(other.letters) & set(statement.letters):
        return None
    return Found(other.letters, statement.start, other.end)


def clause_start(text: str, place: int) -> int:
    """Return where the clause of a place begins, at most MAX_WINDOW characters before it."""
    start = max(place - MAX_WINDOW, 0)
    ends = [own.end() for own in CLAUSE_START.finditer(text, start, place)]
    return ends[-1] if ends else start


def sentence_start(text: str, place: int) -> int:
    """Return where the sentence before that of a place begins, within MAX_WINDOW characters."""
    start = max(place - MAX_WINDOW, 0)
    ends = [own.end() for own in SENTENCE_END.finditer(text, start, place)]
    # A correction may be a sentence of its own: "No. The answer is C."
    return ends[-2] if len(ends) > 1 else start
