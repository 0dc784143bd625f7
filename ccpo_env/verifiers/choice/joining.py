"""The next of several answers that are joined: "A or B", "A, B", "(A) and (B)"."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import re
from typing import Protocol

from ccpo_env.verifiers.choice.called_wrong import is_called_wrong
from ccpo_env.verifiers.choice.words import ALPHABETIC, AND, IN_ORDER, LOOK_ALIKES, MAYBE

_GAP = re.compile(r"[ .:]*\n?[ *_(\[#>\-•]*(?:(?i:option|choice)\s+)?")
_OPTION_DISMISSED = re.compile(
    r"[.!]\s+(?:option|choice)\b"
    r"(?:(?!\b(?:correct|right|possible|best|but|fits?|works?)\b)[^.!?\n]){1,80}?"
    r"\b(?:is|are|would be)\s+(?:both |also )?"
    r"(?:not (?:recommended|indicated|advised|appropriate|suitable)|contraindicated|unlikely"
    r"|less likely)\b(?! to\b)",
    re.IGNORECASE,
)
_IS_UNSUITABLE = re.compile(
    r"[\s*_)\]]*(?:is|was|would be)\s+(?:contraindicated|inappropriate|harmful)\b"
)
PLURAL = re.compile(r"[\s*_)\]]*(?:are|were|sont|sind|son|são|sono)\b")
JOINT = re.compile(
    rf"\s*(?:(?:\.|\([^()\n]{{0,40}}\)|\s(?:in|for)\s\S+(?:\s\w+){{0,2}})\s*(?=(?:or|and)\b|/))?[(\[]?\s*(?:{AND}\s*)+(?:{MAYBE}\s*)*",
    re.IGNORECASE,
)
_SHORT_JOINT = re.compile(r"\s*(?:and|or|und|oder|et|ou|y|o|e|[,/&])\s+")
_ARTICLE_USE = re.compile(r"\s+[a-z\u00df-\u00ff]")
UNKNOWN = re.compile(r"[A-Za-z]\w?\s*=\s*")
_OPENED = re.compile(rf"[*_`\"'(\[]*(?:{UNKNOWN.pattern})?")
_VERB = re.compile(
    r"(?:(?:,|\s+and|\s+or)\s*[A-Z]\b)*[\s*_)]*(?:is|are|would|must|should|fits|remains|has|was|does|also\s+[a-z]{4,}s)\b"
)
LIST_ENDED = re.compile(r"\b(?:and|or|nor)\s+\W*[A-Z]\W*,\s*\W*$")
"""What a list ends with that a comma divides from what is said of it: "without A and B, "."""
_LINE_OR_LETTER = re.compile(r"\s*(?:$|\n|[A-Z](?![\w]))")
_LABELLED = re.compile(r"\s*[).:、．\]]|\s*[-–—]\s")
SINGLE = re.compile(
    rf"(?:(?<![{ALPHABETIC}])(?<![A-Za-z]')(?:[A-Za-z]|[{''.join(LOOK_ALIKES)}БГДбгдΓΔ])"
    rf"|(?<!\w)[{''.join(IN_ORDER)}](?!\w))(?![{ALPHABETIC}])(?!'(?!d[ıi]r|t[ıi]r)[A-Za-z])"
)


class Members(Protocol):
    """The options of a task, as far as the next of several answers is read from them."""

    def text_at(self, text: str, place: int) -> tuple[tuple[str, ...], int] | None:
        """Return the letters of the option whose text begins at a place, and its end."""

    def member_at(self, text: str, place: int) -> tuple[tuple[str, ...], int] | None:
        """Return the letters of the option stated at a place, and its end."""


def joined_member(options: Members, text: str, place: int) -> tuple[tuple[str, ...], int] | None:
    """Return the next answer of a list, unless it is called wrong there."""
    joint = JOINT.match(text, place)
    if joint is None:
        gap = _GAP.match(text, place).end()  # type: ignore[union-attr]
        single = SINGLE.match(text, gap) if gap > place else None
        if single is None or not single[0].isupper():
            return None
        is_labelled = bool(_LABELLED.match(text, single.end()))
        if "\n" in text[place:gap] and is_labelled == _is_bare_line(text, place):
            return None
        if not (is_labelled or _LINE_OR_LETTER.match(text, single.end())):
            return None
    else:
        gap = joint.end()
        short = _SHORT_JOINT.match(text, place)  # "or i", where "i" is no "and"
        if short and short.end() < gap and options.text_at(text, short.end()):
            gap = short.end()
        gap = _OPENED.match(text, gap).end()  # type: ignore[union-attr]
    member = options.member_at(text, gap)
    is_clause = LIST_ENDED.search(text[max(place - 12, 0) : gap]) or ";" in text[place:gap]
    if member and is_clause and _VERB.match(text, member[1]):
        return None  # "not A; B is the answer", "without A and B, C is left"
    single = SINGLE.match(text, gap)
    if member is None and single and single[0].isupper():
        is_article = _ARTICLE_USE.match(text, single.end())
        member = None if is_article else ((single[0],), single.end())
    if member and (
        (joint is None and _OPTION_DISMISSED.match(text, place))
        or _IS_UNSUITABLE.match(text, member[1])
    ):
        return None  # "C) aspirin. Option A) heparin is not recommended"
    if member is None or (is_called_wrong(text, member[1]) and not PLURAL.match(text, member[1])):
        return None
    return member


def _is_bare_line(text: str, end: int) -> bool:
    """Return whether the line that ends at a place is one letter only."""
    line = text[text.rfind("\n", 0, end) + 1 : end]
    return len(re.sub(r"[^\w]", "", line)) == 1
