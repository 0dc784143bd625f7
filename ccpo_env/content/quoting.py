r"""Quote the lines of a text that could pass for a heading of a prompt.

A prompt is made of blocks, each below a heading such as ``Message of thinker_0:``. A line of a
question, passage, option or message that reads like one gets ``> `` in front, as a quotation in an
e-mail has; every other line stays as it is. No content so begins a block, and the texts can be
told from the prompt again: the quotation is removed by taking ``> `` away from the lines that
read like a heading behind it. Control strings of language models, such as ``<|im_end|>``, get a
space; see `ccpo_env.content.control_text`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ccpo_env.content.control_text import spelled_out
from ccpo_env.text import plain_letters

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


@lru_cache(maxsize=512)
def quoted(text: str) -> str:
    r"""Return a text without control strings, and its lines that read like a heading quoted.

    Case, spaces, marks around it and characters that cannot be seen do not matter, nor do other
    forms of the same letters, such as fullwidth ones. Any line break of Unicode ends a line.
    """
    text = spelled_out(text)
    if ":" not in text and text.isascii():
        return text
    folded = skeleton(text)
    if not any(stem in folded for stem in _STEMS):
        return text
    return quoted_lines(text, _HEADING)


def quoted_lines(text: str, pattern: re.Pattern[str]) -> str:
    """Return a text whose lines that read like a pattern, given in lower case, are quoted."""
    return "".join(
        QUOTE + line if pattern.fullmatch(skeleton(line)) else line
        for line in text.splitlines(keepends=True)
    )


def quoted_option(text: str) -> str:
    """Return the text of an option, of which no line but the first reads like another option."""
    first, *others = quoted(text).splitlines(keepends=True) or [""]
    return first + quoted_lines("".join(others), _OPTION)


def skeleton(text: str) -> str:
    """Return a text as it is read: lower case, compatible letters as one, nothing unseen."""
    return plain_letters(text).casefold()
