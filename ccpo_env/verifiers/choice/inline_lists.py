"""Leave out lists of options in one line, and read the verdicts on options in one."""

from __future__ import annotations

import re

from ccpo_env.verifiers.choice.marks import OPTION_LETTERS, SIGNS, VERDICT, said_of
from ccpo_env.verifiers.choice.option_texts import texts_in
from ccpo_env.verifiers.choice.options import Options
from ccpo_env.verifiers.choice.words import letter_of

MAX_REMARK = 60
"""Longest remark, in characters, between two options of a list in one line."""
_LONE_LETTER = re.compile(rf"(?<![A-Za-z'])(?:[A-Z]|[{OPTION_LETTERS}])(?![A-Za-z'])")
_ANY_LABEL = re.compile(r"(?<![A-Za-z'])\(?([A-Z])(?![A-Za-z'])")
_NEW_SENTENCE = re.compile(r"[.!?][\s*_]+(?i:the|all|these|those|but|while|in)\b")
"""What begins between two options that are no list: "is (A) x. The other options, (B) y, ..."."""
_ENDS_MARK = re.compile(r"\s*(?:$|[.,;!)|*]|[A-Z][\s).:?]|[(✗✘❌✓✔✅])|(?<=[✗✘❌✖✓✔✅☑])")


def without_inline_lists(text: str, options: Options) -> str:
    """Return a text in which options in one line, each with a verdict, are replaced."""
    lines = []
    for line in _without_lines_of_all(text, options).split("\n"):
        found: list[tuple[str, bool]] = []
        place, start, end = 0, 0, 0
        for first, letter, behind in _named_in(line, options):
            if first < place:
                continue
            verdict = VERDICT.match(line, SIGNS.match(line, behind).end())  # type: ignore[union-attr]
            if verdict is None or not _ENDS_MARK.match(line, verdict.end()):
                continue
            if found and len(line[end:first]) > MAX_REMARK:
                break
            start = start if found else first
            place = end = verdict.end()
            found.append((letter, verdict["yes"] is not None))
        if len({letter for letter, _ in found}) > 1:
            right = [letter for letter, is_right in found if is_right]
            said = f" {said_of(right)} " if right else " "
            lines.append(line[:start].rstrip(" (*-") + said + line[end:].lstrip(" .,;!)*|"))
        else:
            lines.append(line)
    return "\n".join(lines)


def _named_in(line: str, options: Options) -> list[tuple[int, str, int]]:
    """Return where options are named in a line: the start, the letter and the end, in order."""
    found = []
    for label in _LONE_LETTER.finditer(line):
        letter = letter_of(label[0])
        named = options.text_at(line, SIGNS.match(line, label.end()).end())  # type: ignore[union-attr]
        if letter in options.letters:
            found.append((label.start(), letter, named[1] if named else label.end()))
    for letters, start, end in texts_in(line, options.letters, options.texts):
        if len(letters) == 1:
            found.append((start, letters, end))
    return sorted(found)


def _without_lines_of_all(text: str, options: Options) -> str:
    """Return a text without lists of all options, each with its letter and its text, in a line."""
    if not options.is_known or len(options.letters) < 2:
        return text
    lines = []
    for line in text.split("\n"):
        wanted, start, end = 0, 0, 0
        for label in _ANY_LABEL.finditer(line):
            if wanted == len(options.letters) or label[1] != options.letters[wanted]:
                continue
            named = options.text_at(line, SIGNS.match(line, label.end()).end())  # type: ignore[union-attr]
            if named is None or label[1] not in named[0]:
                continue
            if wanted and _NEW_SENTENCE.search(line, end, label.start()):
                break
            start, end = start if wanted else label.start(), named[1]
            wanted += 1
        is_all = wanted == len(options.letters)
        lines.append(line[:start] + line[end:].lstrip(" .;,)*") if is_all else line)
    return "\n".join(lines)
