r"""Quote the lines of a text that could pass for a heading of a prompt.

A prompt is made of blocks, each below a heading such as ``Message of thinker_0:``. A line of a
question, passage, option or message that reads like one gets ``> `` in front, as a quotation in an
e-mail has; every other line stays as it is. No content so begins a block, and the texts can be
told from the prompt again: the quotation is removed by taking ``> `` away from the lines that
read like a heading behind it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

QUOTE = "> "
MAX_GROWTH = 2
"""A quoted text is at most this many times as long: the shortest line that is quoted has two."""

_STEMS = ("problem", "options", "message", "passage")
"""Each heading holds one of them: to look for these takes a tenth of the time."""
_COLON = "[:\u02d0\u2236\ua789]"  # and what looks like one and stays what it is under NFKD
_HEADING = re.compile(
    rf"[\W_]*(?:(?:problem|options|your\s+message|passage\s*\d+)\s*{_COLON}[\W_]*"
    rf"|message\s+of\s[^:\n]{{1,80}}?{_COLON}.*)",
    re.DOTALL,
)
_OPTION = re.compile(r"[\W_]*[a-z]\s?[.):].*", re.DOTALL)
_UNSEEN = frozenset({"Cc", "Cf", "Mn", "Me"})
"""Unicode categories of marks, and of characters that cannot be seen."""
_ASCII_UNSEEN = dict.fromkeys(code for code in (*range(0x20), 0x7F) if not chr(code).isspace())
_FILLERS = "\u115f\u1160\u3164\uffa0"  # letters that cannot be seen


@lru_cache(maxsize=512)
def quoted(text: str) -> str:
    r"""Return a text whose lines that read like a heading of a prompt are quoted.

    Case, spaces, marks around it and characters that cannot be seen do not matter, nor do other
    forms of the same letters, such as fullwidth ones. Any line break of Unicode ends a line.
    """
    if ":" not in text and text.isascii():
        return text
    folded = skeleton(text)
    if not any(stem in folded for stem in _STEMS):
        return text
    return "".join(
        QUOTE + line if _HEADING.fullmatch(skeleton(line)) else line
        for line in text.splitlines(keepends=True)
    )


def quoted_option(text: str) -> str:
    """Return the text of an option, of which no line but the first reads like another option."""
    first, *others = quoted(text).splitlines(keepends=True) or [""]
    return first + "".join(
        QUOTE + line if _OPTION.fullmatch(skeleton(line)) else line for line in others
    )


def skeleton(text: str) -> str:
    """Return a text as it is read: lower case, compatible letters as one, nothing unseen."""
    return plain_letters(text).casefold()


def plain_letters(text: str) -> str:
    """Return a text in compatible letters without marks, and without characters unseen."""
    if text.isascii():
        return text.translate(_ASCII_UNSEEN)
    plain = unicodedata.normalize("NFKD", text)
    unseen = [char for char in set(plain) if _is_unseen(char)]
    return plain.translate(dict.fromkeys(map(ord, unseen)))


def _is_unseen(char: str) -> bool:
    return (unicodedata.category(char) in _UNSEEN and not char.isspace()) or char in _FILLERS
