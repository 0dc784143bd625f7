"""Where a text names an option of a multiple-choice question as the answer.

By its letter ("so it is C", "**C**", "C is correct") or its text ("it is aspirin"). Talk about
options is none: "option A is an alkane", "compare B with C", "A good idea".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ccpo_env.content.statements import Statement, end_of_sentence

_IS = r"(?:\s+(?:is|must\s+be|has\s+to\s+be|would\s+be|should\s+be|leaves(?:\s+only)?)|['\u2019]s)"
_CUES = (
    r"\b(?:correct|right|best|true|only|final|my)\s+(?:answer|option|choice|letter|one|statement"
    r"|pick)(?:\s+left)?\**\s*(?:is\b|:|=|must\s+be\b)\s*",
    rf"\b(?:it|this|that|which){_IS}\s+(?:the\s+|an?\s+)?",
    r"\b(?:choose|choosing|select|pick|go(?:ing)?\s+with|answer\s+with|leaves?(?:\s+only)?)\s+",
    r"\b(?:so|hence|thus|therefore|then|clearly|definitely|conclusion|final|finally|verdict)\b[\s,:]*",
    r"\banswers?\b[\s:=(*\u2014-]{1,6}(?:(?:is|are|be)\s+)?",
    r"(?:=>|->|\u2192|\u21d2|\u6545?\u9009|\u6545?\u9078)\s*",
    r"(?:^|(?<=[\n!?])|(?<=[.!?][ \n]))[ \t>#*_]*(?=[(A-Z])",
)
"""Words before an option that is named as the answer; the last one: the start of a sentence."""
_CUE = re.compile(f"(?:{'|'.join(_CUES)})", re.IGNORECASE)
_NAMED = re.compile(
    r"(?<![\w'-])\(?\**(?:option\s+|choice\s+)?\(?\**(?-i:([A-Z]))\**\)?"
    r"\s+(?:is|must\s+be|seems|looks|would\s+be|has\s+to\s+be|it\s+is)"
    r"(?:\s+(?:the\s+)?(?:correct|right|best|true|only\s+one)\b|(?<=it\sis)(?=\W*(?:\n|$)))",
    re.IGNORECASE,
)
"""An option that is called right."""
_AT_THE_END = re.compile(r"\(\**([A-Z])\**\)\W*\Z")
_OPENING = re.compile(r"[\s*_(\"']*(?:(?:option|choice|letter)\s+)?[*_(\"']*", re.IGNORECASE)
_LETTER = re.compile(r"([A-Z])(?![\w'])[*_\"']*[).:\]]?[*_]*[ \t]*")
_CLOSING = re.compile(
    r"[*_)\"'.]*\s*(?:(?<=\.)|[.;!?\n\u3002]|$|,(?!\s*(?:and\s+|or\s+)?\(?[A-Z]\b)|(?:because|since|as)\b)"
)
_OPTION_LINE = re.compile(r"^[^\w\n]*[A-Z][).:]\s", re.MULTILINE)


def option_statements_in(text: str, choices: Sequence[str], letters: str) -> Iterator[Statement]:
    """Yield the statements in a text that name an option as the answer.

    Args:
        text: What an agent wrote.
        choices: Texts of the options.
        letters: Their letters.
    """
    texts = sorted((own.strip().casefold() for own in choices), key=len, reverse=True)
    folded = text.casefold()
    is_listing = len(_OPTION_LINE.findall(text)) > 1
    stop = 0  # a statement inside the one before is not looked at, which would take long
    for cue in _CUE.finditer(text):
        if cue.end() < stop:
            continue
        end = _name_end(text, folded, cue.end(), texts, letters, may_be_listed=not is_listing)
        if end is not None and _CLOSING.match(text, end):
            stop = end_of_sentence(text, end)
            yield Statement(cue.start(), stop, text[cue.end() : end])
    stop = 0
    for named in _NAMED.finditer(text):
        if named[1] in letters and named.end() > stop:
            stop = end_of_sentence(text, named.end())
            yield Statement(named.start(), stop, named[1])
    last = _AT_THE_END.search(text)
    if last is not None and last[1] in letters:
        yield Statement(last.start(), len(text.rstrip()), last[1])


def _name_end(
    text: str,
    folded: str,
    place: int,
    texts: Sequence[str],
    letters: str,
    *,
    may_be_listed: bool,
) -> int | None:
    """Return where the name of an option ends that stands at a place, if one does."""
    opening = _OPENING.match(text, place)
    start = opening.end() if opening else place
    letter = _LETTER.match(text, start)
    by_letter = letter is not None and letter[1] in letters
    if letter is not None and by_letter:
        start = letter.end()
    if len(folded) == len(text):  # else the two do not have the same places
        for own in texts:
            if own and folded.startswith(own, start) and (may_be_listed or not by_letter):
                return start + len(own)
    return start if by_letter else None
