"""Find the answer in what a model wrote: the last box behind the thinking."""

from __future__ import annotations

import re

# Escaped braces are tokens so that they cannot count as braces; so is a row break before one.
_TOKEN = re.compile(r"\\boxed\s*+\{|\\\\(?!boxed)|\\[{}]|[{}]")
_PLAIN_BRACE = -1
# What may stand between boxes that are one list, as in "$\boxed{1}$, $\boxed{2}$".
_BETWEEN = re.compile(
    r"\}[\s$]*+(?:,|(?:,\s*+)?(?:and|or)\b)[\s$]*+(?:[A-Za-z]\w?\s*+=[\s$]*+)?\\boxed\s*+\{"
)
MAX_JOINED_BOXES = 32
"""Most boxes that are read as one list."""


def extract_boxed(response: str) -> str | None:
    r"""Return the content of the last balanced `\boxed{...}`.

    Args:
        response: Full text of a model. Only what follows the last `</think>` is read.

    Returns:
        The content without surrounding whitespace; empty for an empty box. None if no box is
        closed, or if a `<think>` after the last `</think>` was never closed.

    Note: Of nested boxes the inner one counts. Boxes with only a comma, "and" or "or" between them
        are one list, whose parts are joined by commas. Time is linear in the response's length.
    """
    spoken = response.rpartition("</think>")[2]
    if "<think>" in spoken:
        return None
    first_box, last_brace = spoken.find("\\boxed"), spoken.rfind("}")
    if first_box < 0 or last_brace < 0:
        return None

    open_braces: list[int] = []  # where a box's content starts, or _PLAIN_BRACE
    start = end = _PLAIN_BRACE
    joined: list[str] = []  # the boxes in front of the last one that are parts of its list
    for token in _TOKEN.finditer(spoken, first_box, last_brace + 1):
        if token[0].startswith("\\boxed"):
            open_braces.append(token.end())
        elif token[0] == "{":
            open_braces.append(_PLAIN_BRACE)
        elif token[0] == "}" and open_braces:
            opened = open_braces.pop()
            if opened > start:
                gap = _BETWEEN.match(spoken, end) if end >= 0 else None
                is_next = gap is not None and gap.end() == opened
                joined = [*joined[1 - MAX_JOINED_BOXES :], spoken[start:end]] if is_next else []
                start, end = opened, token.start()
    if start == _PLAIN_BRACE:
        return None
    return ", ".join(part.strip() for part in [*joined, spoken[start:end]])


def unboxed(gold: str) -> str:
    r"""Return what a gold answer says: the content of its box, if it is written with one."""
    content = extract_boxed(gold)
    return content if content else gold
