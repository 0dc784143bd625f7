"""Words after an answer that take it back without another answer."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_BEHIND = 300
"""Characters behind an answer in which it may be taken back."""
_START = r"(?:^|[.,;:!?\n…—–)*\]]|\s-)[\s*_)\]}.,$]*"
_LEAD = (
    r"(?:(?:oh|hmm+|um|well|but|and|wait|hold on|sorry|oops|actually|no|nope|hang on|ah|okay|ok"
    r"|or rather|please|let me|I'll|I will|I have to|I must|on reflection|on second thoughts?)"
    r"[\s,.…—–!-]+)*"
)
_SURELY = re.compile(
    rf"{_START}{_LEAD}(?:"
    r"(?:I\s+)?(?:now\s+)?(?:take|took)\s+(?:that|it|this|my answer)\s+back|take\s+back\b"
    r"|(?:I\s+)?(?:retract|withdraw|revoke)\s+(?:that|it|this|my answer|my statement|the answer)"
    r"|(?:scratch|strike|cancel|undo|ignore|disregard|scrap)\s+"
    r"(?:that|it|this|my (?:last )?answer|what I)"
    r"|I\s+disagree(?=\s*(?:[.!\n]|$))|never\s?mind\b"
    r"|forget\s+(?:that|it|this|what I said|my answer)\b"
    r"|(?:I've|I have)\s+changed\s+my\s+mind|I\s+changed\s+my\s+mind"
    r"|(?:I'm\s+|I am\s+|just\s+)+kidding"
    r"|(?:I\s+)?(?:was|am|'m|misspoke|made)\s*(?:a\s+)?(?:wrong|mistaken|mistake|error|in error)\b"
    r"|I'm\s+(?:wrong|mistaken)\b|I\s+misspoke\b|I\s+(?:no longer|don't)\s+(?:think|believe)\s+"
    r"(?:so|that|it|this)\b[^,\n]{0,20}?(?:[.!\n]|$)"
    r"|(?:actually|wait|on (?:second thoughts?|reflection)|hmm+|oh)[\s,.…—–-]+(?:no|not|nope)\b"
    r"(?=[\s,]*(?:[.!…\n]|$))|no[\s,]+wait\b(?=[\s,]*(?:[.!…\n]|$))"
    r")",
    re.IGNORECASE,
)
_OF_THIS = re.compile(
    r"[\s*_)\]}$.,;:!…—–-]*(?:(?:isn't|wouldn't|is|right|correct|no)(?:\s+it)?\?\s*)?"
    rf"{_LEAD}(?:(?:that|this|it)(?:'s|\s+(?:is|was|could|seems|looks|must|does))?"
    r"(?:n't|\s+(?:not|can't|cannot))?"
    r"(?:\s+be)?(?:\s+\w+)?\s+(?:wrong|incorrect|right|correct|it|(?:a\s+)?mistake|(?:an\s+)?error"
    r"|false|fit|work|true|sense)\b(?!\s+(?:to|that|for|of|in|with)\b)"
    r"|no[,.]?\s+it(?:'s not| isn't| is not| can't be| cannot be)\b"
    r"|(?:no|nope|not really|no way|wrong|incorrect)(?=[\s.!]*(?:\n|$)))",
    re.IGNORECASE,
)
_RIGHT = re.compile(
    r"(?:that|this|it)(?:'s|\s+(?:is|was|must|seems|looks|does))(?:\s+be)?(?:\s+(?!not)\w+)?"
    r"\s+(?:right|correct|it|fit|work|true|sense)\b",
    re.IGNORECASE,
)
_DISMISSED = re.compile(
    r"[.!?\n]\s+(?:(?:however|but|yet),?\s+)?(?:(?:option|choice)\s+)?[(*]*(?-i:(?P<letter>[A-Z]))[)*]*\s+"
    r"(?:is|was|would be)\s+(?:therefore |also |clearly )?"
    r"(?:contraindicated|incorrect|wrong|not\s+(?:recommended|indicated|appropriate|correct|right"
    r"|the\s+(?:\w+\s+)?answer))\b",
    re.IGNORECASE,
)


def is_taken_back(text: str, end: int) -> bool:
    """Return whether the words after an answer take it back.

    "That is wrong" takes back only what stands right before it, "I take that back" also what an
    explanation separates from it.
    """
    behind = text[end : end + MAX_BEHIND]
    of_this = _OF_THIS.match(behind)
    if of_this and not _RIGHT.search(of_this[0]):
        return True
    return _SURELY.search(behind) is not None


def is_dismissed(text: str, end: int, letters: Sequence[str]) -> bool:
    """Return whether a sentence behind an answer dismisses the same option by its letter."""
    return any(own["letter"] in letters for own in _DISMISSED.finditer(text, end))
