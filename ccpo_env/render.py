"""Render an episode as a readable transcript."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from ccpo_env.prompts import question_with_options
from ccpo_env.text import INVISIBLE, valid_unicode
from ccpo_env.types import Message, Task, Verdict

WIDTH = 88
"""Width of a transcript in columns; a Chinese character or an emoji takes two."""
INDENT = "  "
"""Prefix of every message line, so that no message can look like a heading or a verdict."""
VERDICT_INDENT = "   "
"""Prefix of every line of a verdict but the first."""

_JOINERS = "\u200c\u200d"  # emoji and several scripts are written with them
_CONTROL_PICTURES = 0x2400
_DELETE, _DELETE_PICTURE = 0x7F, 0x2421


def transcript(
    task: Task, messages: Sequence[Message], removed: Iterable[str], verdict: Verdict | None
) -> str:
    """Return the question, its options, the messages with their speakers, and the verdict if any.

    Args:
        task: Its id, question, options and gold answer are shown; its passages are counted.
        messages: All messages, in turn order.
        removed: Agents that do not exist in this episode.
        verdict: The verdict of the verifier, or None while the episode runs.

    Returns:
        Plain text, the same on every terminal, with lines of at most WIDTH columns. Control
        characters are shown as symbols such as ␛, and other invisible ones as escapes.
    """
    question = _wrapped(question_with_options(task))
    paragraphs = [[*_wrapped(f"Task {_one_line(task.id)}"), *question]]
    if task.context:
        num_chars = sum(map(len, task.context))
        paragraphs.append([f"({len(task.context)} passages of {num_chars:,} characters together)"])
    absent = sorted(removed)
    if absent:
        paragraphs.append([f"({agent} is removed)" for agent in absent])
    paragraphs += [_spoken(message) for message in messages]
    if verdict is not None:
        paragraphs[-1] += _wrapped(_verdict_line(task, verdict), later=VERDICT_INDENT)
    return "\n\n".join("\n".join(paragraph) for paragraph in paragraphs)


def _spoken(message: Message) -> list[str]:
    if not message.text.strip():
        return [f"{message.agent}: (empty message)"]
    lines = _wrapped(message.text, first=INDENT, later=INDENT)
    return [f"{message.agent}:", *lines]


def _verdict_line(task: Task, verdict: Verdict) -> str:
    reward = "not measured" if verdict.reward is None else f"reward {verdict.reward:+.0f}"
    answer = "no answer" if verdict.answer is None else f"answer {_one_line(verdict.answer)}"
    gold = f"gold {_one_line(task.answer)}"
    reason = f": {_one_line(verdict.detail)}" if verdict.detail else ""
    return f"=> {verdict.status}, {reward} ({answer}, {gold}){reason}"


def _wrapped(text: str, *, first: str = "", later: str = "") -> list[str]:
    """Return wrapped and indented lines; the text is never parsed as markup."""
    width = WIDTH - max(len(first), len(later))
    visible = Text("".join(_visible(valid_unicode(text).replace("\r\n", "\n"))))
    return [
        f"{later if index else first}{line.plain}".rstrip()
        for index, line in enumerate(visible.wrap(Console(), width))
    ]


def _visible(text: str) -> Iterator[str]:
    """Yield characters, with symbols for those that would move the cursor or hide text."""
    for char in text:
        if char in "\n\t" or char in _JOINERS or unicodedata.category(char) not in INVISIBLE:
            yield char
        elif ord(char) < ord(" "):
            yield chr(_CONTROL_PICTURES + ord(char))
        elif ord(char) == _DELETE:
            yield chr(_DELETE_PICTURE)
        else:
            yield ascii(char)[1:-1]


def _one_line(text: str) -> str:
    """Return a text on one line: line ends and tabs are shown as symbols as well."""
    return text.translate({ord(char): _CONTROL_PICTURES + ord(char) for char in "\n\t\r"})
