"""Extract the answer of a response: the last box after the thinking."""

from __future__ import annotations

import re
from collections import deque

# Escaped braces are tokens so that they cannot count as braces; so is a row break before one.
_BOX = re.compile(r"\\boxed\s*+\{")
_PLAIN_BOX = re.compile(r"\\boxed\s*+\{([^{}\\]*+)\}")
_TOKEN = re.compile(r"\\boxed\s*+\{|\\\\(?!boxed)|\\[{}]|[{}]")
_PLAIN_BRACE = -1
# Allowed between boxes that form one list, as in "$\boxed{1}$, $\boxed{2}$".
_BETWEEN = re.compile(
    r"\}[\s$]*+(?:,|(?:,\s*+)?(?:and|or)\b|,?\s*+\\text\s*+\{\s*+(?:and|or)\s*+\})"
    r"[\s$]*+(?:[A-Za-z]\w?\s*+=[\s$]*+)?\\boxed\s*+\{"
)
# Text that may precede the first box of a list but not a later one: "is", ":", ".".
_NOT_BETWEEN = re.compile(r"[a-ce-qs-zA-Z0-9.:!?*][ \t\n$]{0,99}$")
MAX_JOINED_BOXES = 32
"""Largest number of boxes that are read as one list."""


def extract_boxed(response: str) -> str | None:
    r"""Return the content of the last balanced `\boxed{...}`.

    Args:
        response: Full response of a model. Only what follows the last `</think>` is read.

    Returns:
        The content without surrounding whitespace; empty for an empty box. None if no box is
        closed, or if a `<think>` after the last `</think>` was never closed.

    Note: Of nested boxes the innermost counts. Boxes separated only by a comma, "and" or "or"
        form one list and are joined by commas. Time is linear in the response's length.
    """
    visible = without_thinking(response)
    if visible is None:
        return None
    first_box, last_box = visible.find("\\boxed"), visible.rfind("\\boxed")
    if first_box < 0:
        return None
    if first_box == last_box or _NOT_BETWEEN.search(
        visible[max(first_box, last_box - 100) : last_box]
    ):
        last = _content(visible, last_box)
        if last is not None:
            return last
    return _joined_content(visible, first_box)


def without_thinking(response: str) -> str | None:
    """Return what follows the last `</think>`; None if a `<think>` after it was never closed."""
    visible = response.rpartition("</think>")[2]
    return None if "<think>" in visible else visible


def _content(text: str, box: int) -> str | None:
    """Return the content of the last box, given its start, or None if it is not closed."""
    if plain := _PLAIN_BOX.match(text, box):
        return plain[1].strip()
    opened = _BOX.match(text, box)
    if opened is None:
        return None
    depth = 1
    for token in _TOKEN.finditer(text, opened.end()):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return text[opened.end() : token.start()].strip()
    return None


def _joined_content(text: str, first_box: int) -> str | None:
    """Return the content of the last closed box, with the other boxes of its list."""
    open_braces: list[int] = []  # start of a box's content, or _PLAIN_BRACE
    start = end = _PLAIN_BRACE
    joined: list[str] = []  # boxes before the last one that belong to its list
    for token in _TOKEN.finditer(text, first_box, text.rfind("}") + 1):
        if token[0].startswith("\\boxed"):
            open_braces.append(token.end())
        elif token[0] == "{":
            open_braces.append(_PLAIN_BRACE)
        elif token[0] == "}" and open_braces:
            opened = open_braces.pop()
            if opened > start:
                gap = _BETWEEN.match(text, end) if end >= 0 else None
                is_next = gap is not None and gap.end() == opened
                joined = [*joined[1 - MAX_JOINED_BOXES :], text[start:end]] if is_next else []
                start, end = opened, token.start()
    if start == _PLAIN_BRACE:
        return None
    return ", ".join(part.strip() for part in [*joined, text[start:end]])


def closed_boxes(text: str, limit: int) -> list[tuple[int, int, str]]:
    r"""Return the last closed boxes of a text that hold no other box, in order of their ends.

    Args:
        text: Text of a model, without its thinking.
        limit: At most this many, from the last one on.

    Returns:
        For each the place of its `\boxed`, that behind its closing brace, and its content. Time is
        linear in the length of the text.
    """
    first_box = text.find("\\boxed")
    if first_box < 0:
        return []
    found: deque[tuple[int, int, str]] = deque(maxlen=limit)
    opened: list[tuple[int, int]] = []  # of a brace: place of its box or _PLAIN_BRACE, its content
    for token in _TOKEN.finditer(text, first_box):
        if token[0] == "}" and opened:
            start, content = opened.pop()
            if start != _PLAIN_BRACE and not (found and found[-1][0] > start):
                found.append((start, token.end(), text[content : token.start()]))
        elif token[0] == "{" or token[0].startswith("\\boxed"):
            is_box = token[0] != "{"
            opened.append((token.start() if is_box else _PLAIN_BRACE, token.end()))
    return list(found)


def unboxed(gold: str) -> str:
    r"""Return a gold answer without its box, if it has one."""
    content = extract_boxed(gold)
    return content if content else gold
