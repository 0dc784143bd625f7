r"""Remove stated answers from a message before the next agent reads it.

A thinker that states the answer leaves nothing to the next agent, and credit for its message is
meaningless. Every `\boxed{...}` goes, with the dollar signs around it, and so does every
clause that states the answer.
"""

from __future__ import annotations

import re

_BOX = re.compile(r"\\(?:boxed|fbox)\s*")
_BARE = re.compile(r"[^\s$]*")
_TOKEN = re.compile(r"\\[\\{}]|[{}]|\n\s*\n")
_DOLLARS = re.compile(r"\$\s*(?=\0)|(?<=\0)\s*\$|\\[\[(]\s*(?=\0)|(?<=\0)\s*\\[\])]")

ANSWER_PHRASES = (
    r"(?:final\s+|correct\s+|right\s+)?answers?\b\**(?:\s+(?:to|of|for)\s[^.\n;!?]{1,60}?)?"
    r"\s*(?:is\b|are\b|:|=|equals\b|would\s+be\b|must\s+be\b)\**\s*",
    r"(?:final|correct)\s+(?:result|solution)s?\b\**\s*(?:is\b|are\b|:|=|equals\b)\**\s*",
    r"(?:is|are|be)\s+(?:the|our|my)\s+(?:final\s+|correct\s+)?answers?\b",
    r"(?<!\#)\#{4}(?!\#)[ \t]*(?=[-+$\\\d])(?!\d+[.)][ \t]+\S)",  # not a numbered heading
    r"(?:la\s+)?(?:respuesta|réponse)(?:\s+final[e]?)?\s*(?:es|est|:|=)",
    r"(?:die\s+)?antwort\s*(?:ist|lautet|:|=)",
    r"ответ\s*(?:[:=—-]|равен)",
    r"(?:最终)?答案\s*(?:是|为|為|[::=])",
    r"(?:答え|解答)\s*(?:は|[::=])",
)
"""Patterns at the start or end of a statement of the answer; one line per language."""
STEMS = (
    *("answer", "result", "solut", "####", "respuesta", "réponse", "antwort"),
    *("ответ", "答案", "答え", "解答"),
)
"""Each statement holds one of them, in lower case: to look for these takes a hundredth of the time.

None has an i, which patterns that ignore case also take for other letters.
"""

_WORD_OR_MARK = re.compile(r"[^\W\d_]|\#")
"""Something of every box and every statement."""
_STATEMENT = re.compile("|".join(ANSWER_PHRASES), re.IGNORECASE)
# A clause ends at a line, or at a full stop that is not a decimal point.
_CLAUSE_END = re.compile(r"[\n;!?。;!?]|\.(?!\d)")


def strip_answers(text: str) -> tuple[str, int]:
    r"""Return a text without stated answers, and the number of statements removed.

    Args:
        text: What an agent wrote.

    Returns:
        The text, unchanged if nothing was found, and the number of boxes and clauses removed. An
        unclosed box takes the rest of its paragraph with it. Time is linear in the length.
    """
    if _WORD_OR_MARK.search(text) is None:  # such as a bare calculation
        return text, 0
    text, num_boxes = _without_boxes(text)
    text, num_clauses = _without_statements(text)
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


def _without_statements(text: str) -> tuple[str, int]:
    folded = text.casefold()
    if not any(stem in folded for stem in STEMS):
        return text, 0
    kept: list[str] = []
    end = num_clauses = 0
    for statement in _STATEMENT.finditer(text):
        if statement.start() < end:
            continue
        breaks = _CLAUSE_END.finditer(text, end, statement.start())
        start = max((found.end() for found in breaks), default=end)
        stop = _CLAUSE_END.search(text, statement.end())
        kept.append(text[end:start])
        end = len(text) if stop is None else stop.end() - (stop[0] == "\n")
        num_clauses += 1
    kept.append(text[end:])
    return "".join(kept), num_clauses
