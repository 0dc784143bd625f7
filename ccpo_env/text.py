"""Sanitize model output: valid Unicode of bounded length, safe to print."""

from __future__ import annotations

import re
import unicodedata

CUT_MARK = "\n[… {num_cut} characters cut …]\n"
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters but tabs and the ends of lines."""
INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Unicode categories of characters that control a terminal, or cannot be seen on it."""

_UNSEEN = frozenset({"Cc", "Cf", "Mn", "Me"})
"""Categories of marks on letters, and of characters that cannot be seen."""
_ASCII_UNSEEN = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
_FILLERS = "\u115f\u1160\u3164\uffa0"  # letters that cannot be seen


def plain_letters(text: str) -> str:
    """Return a text in compatible letters without marks, and without what cannot be seen."""
    if text.isascii():
        return _ASCII_UNSEEN.sub("", text)
    plain = unicodedata.normalize("NFKD", text)
    unseen = [char for char in set(plain) if is_unseen(char)]
    return plain.translate(dict.fromkeys(map(ord, unseen))) if unseen else plain


def is_unseen(char: str) -> bool:
    """Return whether a character of a decomposed text is a mark or cannot be seen."""
    return (unicodedata.category(char) in _UNSEEN and not char.isspace()) or char in _FILLERS


def valid_unicode(text: str) -> str:
    """Return text with lone surrogates replaced by U+FFFD; other text is unchanged."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def clip_middle(text: str, max_chars: int) -> tuple[str, int]:
    """Cut the middle out of a text that is too long, and mark the cut.

    Args:
        text: Any text.
        max_chars: Longest result, in characters.

    Returns:
        The text, and the number of characters cut (0 if it was short enough). A tail of
        half the room is kept because conclusions stand at the end.
    """
    if len(text) <= max_chars:
        return text, 0
    room = max_chars - len(CUT_MARK.format(num_cut=len(text)))
    if room < 2:  # too short for a mark
        return text[:max_chars], len(text) - max_chars
    head, tail = room - room // 2, room // 2
    num_cut = len(text) - room
    return f"{text[:head]}{CUT_MARK.format(num_cut=num_cut)}{text[-tail:]}", num_cut


def without_controls(text: str) -> str:
    """Return valid Unicode with control characters as escapes, safe to show with ``cat``.

    Line ends and tabs are kept. JSON stays the same JSON: its strings have the same escapes.
    """
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", valid_unicode(text))


def printable(text: str) -> str:
    """Return valid Unicode with all that controls a terminal, or is invisible, as escapes."""
    if text.isprintable():
        return text
    text = valid_unicode(text)
    return "".join(
        char if char in "\n\t" or unicodedata.category(char) not in INVISIBLE else ascii(char)[1:-1]
        for char in text
    )
