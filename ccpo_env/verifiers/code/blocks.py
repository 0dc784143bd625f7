"""Find the program in a response: its fenced blocks, else the whole text."""

from __future__ import annotations

import re

from ccpo_env.verifiers.extract import without_thinking

PYTHON = ("", "py", "python", "python3")
"""Languages of fenced blocks that are read; those of other languages are no programs."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^`\s]*)[^`\n]*")


def program_texts(response: str) -> tuple[list[str], bool]:
    """Return the texts of a response that may be its program, and whether they are fenced.

    Args:
        response: Full response of a model. Only what follows the last `</think>` is read.

    Returns:
        The fenced blocks in order (the last may end with the text, as stop strings cut the fence);
        without any, the whole text as a completion of the prompt, unless it is blank.

    Note: Time is linear in the response's length. Nothing is parsed here.
    """
    visible = without_thinking(response)
    if visible is None or not visible.strip():
        return [], False
    blocks: list[str] = []
    opened: re.Match[str] | None = None
    lines: list[str] = []
    is_fenced = False
    for line in visible.splitlines(keepends=True):
        fence = _FENCE.fullmatch(line.rstrip())
        if opened is None:
            if fence is not None:
                opened, lines, is_fenced = fence, [], True
        elif fence is not None and not fence[2] and fence[1].startswith(opened[1]):
            _add(blocks, opened, lines)
            opened = None
        else:
            lines.append(line)
    if opened is not None:
        _add(blocks, opened, lines)
    return (blocks, True) if is_fenced else ([visible.strip("\n")], False)


def _add(blocks: list[str], opened: re.Match[str], lines: list[str]) -> None:
    if opened[2].lower() in PYTHON and any(map(str.strip, lines)):
        blocks.append("".join(lines))


def same_program(first: str, second: str) -> bool:
    """Return whether two texts are the same lines, blank ones and ends of lines aside."""
    return program_lines(first) == program_lines(second)


def program_lines(text: str) -> list[str]:
    """Return the lines of a program without blank ones and without spaces at their ends."""
    return [kept for line in text.splitlines() if (kept := line.rstrip())]
