r"""Remove stated answers from a message before the next agent reads it.

A thinker that states the answer leaves nothing to the next agent, and credit for its message is
meaningless. Every `\boxed{...}` goes, with the dollar signs around it, and so does every
clause that states the answer; earlier clauses of its sentence stay.
"""

from __future__ import annotations

import re

from ccpo_env.content.option_statements import option_statements_in
from ccpo_env.content.statements import statements_in, without_statements
from ccpo_env.prompts import LETTERS

_BOX = re.compile(r"\\(?:boxed|fbox)\s*")
_BARE = re.compile(r"[^\s$]*")
_TOKEN = re.compile(r"\\[\\{}]|[{}]|\n\s*\n")
_DOLLARS = re.compile(r"\$\s*(?=\0)|(?<=\0)\s*\$|\\[\[(]\s*(?=\0)|(?<=\0)\s*\\[\])]")

_WORD_OR_MARK = re.compile(r"[^\W\d_]|\#")
"""Something of every box and every statement."""


def strip_answers(text: str, choices: tuple[str, ...] = ()) -> tuple[str, int]:
    r"""Return a text without stated answers, and the number of statements removed.

    Args:
        text: What an agent wrote.
        choices: Texts of the options of a multiple-choice question; naming one as the right one, by
            letter or text, states the answer.

    Returns:
        The text, unchanged if nothing was found, and the number of boxes and clauses removed. An
        unclosed box takes the rest of its paragraph with it. Time is linear in the length.
    """
    if _WORD_OR_MARK.search(text) is None:  # such as a bare calculation
        return text, 0
    text, num_boxes = _without_boxes(text)
    text, num_clauses = _without_statements(text, choices)
    return text, num_boxes + num_clauses


def _without_boxes(text: str) -> tuple[str, int]:
    if "\\boxed" not in text and "\\fbox" not in text:
        return text, 0
    kept: list[str] = []
    end = num_boxes = 0
    for box in _BOX.finditer(text):
        if box.start() < end:  # inside a removed box
            continue
        kept.append(text[end : box.start()])
        end = _box_end(text, box.end())
        num_boxes += 1
    kept.append(text[end:])
    marked = _DOLLARS.sub("", "\0".join(kept))
    joined = marked.replace("\0", "")
    # Two ends that meet must not make a box: "\\bo" and "xed{5}".
    return marked.replace("\0", " ") if _BOX.search(joined) else joined, num_boxes


def _box_end(text: str, start: int) -> int:
    """Return the end of the box whose command ends at start."""
    if text[start : start + 1] != "{":
        return _BARE.match(text, start).end()  # type: ignore[union-attr]  # \boxed 12
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token[0] == "{":
            depth += 1
        elif token[0] == "}":
            depth -= 1
            if depth == 0:
                return token.end()
        elif token[0][0] == "\n":
            return token.start()
    return len(text)


def _without_statements(text: str, choices: tuple[str, ...]) -> tuple[str, int]:
    statements = list(statements_in(text))
    letters = LETTERS[: len(choices)]
    if choices:
        statements += option_statements_in(text, choices, letters)
        statements.sort(key=lambda statement: statement.start)
    return without_statements(text, statements, letters=letters)
