"""Which of the statements of a response counts: the last one, with those beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ccpo_env.verifiers.choice.judging import CORRECTED, MAX_WINDOW, Found, occurs
from ccpo_env.verifiers.choice.options import Options
from ccpo_env.verifiers.choice.words import words

_BUT = re.compile(
    words("but; however; yet; aber; jedoch; mais; pero; mas; ma; però; maar; но; ale; though")
    + "|但|しかし|ただし|그러나|하지만|لكن|लेकिन",
    re.IGNORECASE,
)
_ALSO = re.compile(r"\b(?:also|equally|as well)\b", re.IGNORECASE)
_LETTER_BELOW = re.compile(r"[\s.*_)]*\n[\s*_(]*([A-Z])[\s*_).]*$")
_PLAIN_GAP = re.compile(r"\w+")


def last_statement(found: Sequence[Found], text: str, options: Options) -> Found | None:
    """Return the statement that counts, with all that are stated beside it."""
    excluded: set[str] = set()
    place = len(found) - 1
    while place >= 0 and found[place].is_negated:
        excluded.update(found[place].letters)
        place -= 1
    if place < 0:
        return found[-1] if found else None
    own = found[place]
    if excluded & set(own.letters):
        return Found(own.letters, own.start, own.end, is_negated=True)
    letters = list(own.letters)
    if (below := _LETTER_BELOW.match(text, own.end)) and below[1] in options.letters:
        letters.append(below[1])
    following = own
    for other in reversed(found[:place]):
        if following.is_correction or other.is_negated:
            break
        gap = text[other.end : following.start]
        if len(gap) > MAX_WINDOW or occurs(CORRECTED, gap):
            break
        is_beside = _ALSO.search(text, following.start, following.end)
        if not is_beside and (_BUT.search(gap) or len(_PLAIN_GAP.findall(gap)) > 3):
            break
        letters += other.letters
        following = other
    stated = {letter for other in found if not other.is_negated for letter in other.letters}
    is_corrected = any(other.is_correction for other in found)
    if not is_corrected and len(stated) > 2 and stated >= set(options.letters) and options.is_known:
        letters += sorted(stated)
    return own.beside(tuple(letters))
