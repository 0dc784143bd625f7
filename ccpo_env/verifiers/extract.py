"""Find the answer in what a model wrote: the last box behind the thinking."""

from __future__ import annotations

import re

# Escaped braces are tokens so that they cannot count as braces; so is a row break before one.
_TOKEN = re.compile(r"\\boxed\s*+\{|\\\\(?!boxed)|\\[{}]|[{}]")
_PLAIN_BRACE = -1


def extract_boxed(response: str) -> str | None:
    r"""Return the content of the last balanced `\boxed{...}`.

    Args:
        response: Full text of a model. Only what follows the last `</think>` is read.

    Returns:
        The content without surrounding whitespace; empty for an empty box. None if no box is
        closed, or if a `<think>` after the last `</think>` was never closed.

    Note: Of nested boxes the inner one counts. Time is linear in the length of the response.
    """
    spoken = response.rpartition("</think>")[2]
    if "<think>" in spoken:
        return None
    first_box, last_brace = spoken.find("\\boxed"), spoken.rfind("}")
    if first_box < 0 or last_brace < 0:
        return None

    open_braces: list[int] = []  # where a box's content starts, or _PLAIN_BRACE
    start = end = _PLAIN_BRACE
    for token in _TOKEN.finditer(spoken, first_box, last_brace + 1):
        if token[0].startswith("\\boxed"):
            open_braces.append(token.end())
        elif token[0] == "{":
            open_braces.append(_PLAIN_BRACE)
        elif token[0] == "}" and open_braces:
            opened = open_braces.pop()
            if opened > start:
                start, end = opened, token.start()
    return None if start == _PLAIN_BRACE else spoken[start:end].strip()


def unboxed(gold: str) -> str:
    r"""Return what a gold answer says: the content of its box, if it is written with one."""
    content = extract_boxed(gold)
    return content if content else gold
