r"""Options of multiple-choice questions: `\textbf{(B)}\ 5` is the letter B and the value 5."""

from __future__ import annotations

import re
from collections.abc import Callable

from ccpo_env.verifiers.math.compare.members import Same
from ccpo_env.verifiers.math.forms.normalize import unwrapped
from ccpo_env.verifiers.math.forms.reading import Reading

_STYLED_LETTER = re.compile(r"\\(?:text|math)[a-z]*\s*\{([^{}]{1,40})\}")
_OPTION = re.compile(
    r"\s*(?:(?:[Tt]he )?(?:[Cc]orrect )?(?:[Oo]ption|[Cc]hoice|[Aa]nswer)(?: is)?:?\s*)?"
    r"(?:\(\s*(?:\\(?:text|math)[a-z]*\s*\{\s*)?(?P<bracketed>[A-J])\s*\}?\s*\)\s*[.:]?|(?P<marked>[A-J])\s*[).:])"
    r"\s*(?P<content>(?!(?:or|and|not)\b|\\text\s*\{\s*(?:or|and|not)\b)[^\s=.,:].*)",
    re.DOTALL,
)
_BEHIND = re.compile(r"(?P<content>.*[\d)}])\s+\((?P<letter>[A-J])\)", re.DOTALL)
_OTHER_OPTION = re.compile(r"\([A-J]\)|\b[A-J]\)")
_LETTERED = re.compile(r"\(([A-J])\)\s+[^\s+-]")
_LETTER = re.compile(r"[A-Ja-j]")
_LETTERS = re.compile(r"(?=[A-J]{2,7}$)A?B?C?D?E?F?G?H?I?J?")


def read_option(reading: Reading) -> tuple[str, Reading] | None:
    """Return the letter and the content of an option, or None if an answer is no option."""
    text = reading.text
    if text.startswith("\\") and (styled := _STYLED_LETTER.match(text)):
        text = f"{styled[1]} {text[styled.end() :]}"
    option = _OPTION.fullmatch(text) or (_BEHIND.fullmatch(text) if text.endswith(")") else None)
    if option is None:
        return None
    letters, content = option.groupdict(), option["content"].strip()
    is_other = _OTHER_OPTION.search(content) or _OPTION.fullmatch(content)
    letter = letters.get("bracketed") or letters.get("marked") or letters.get("letter")
    return None if is_other or letter is None else (letter, Reading(content))


def same_option(answer: Reading, gold: Reading, same: Same) -> bool | None:
    """Compare two answers of which one is an option; None if neither is, or it may be a product.

    Note: Of two options both the letters and the values must be equal; words are not compared. An
        option equals its letter and its content. Several options are a word or a list of letters.
    """
    word = unwrapped(gold.text).strip()
    if _LETTERS.fullmatch(word) and len(answer.parts.items) > 1:
        letters = [item.form.upper() for item in answer.items]
        return "".join(letters) == word if all(map(_LETTER.fullmatch, letters)) else None
    first, second = read_option(answer), read_option(gold)
    if first and second:
        if first[0] != second[0]:
            return False
        contents = first[1], second[1]
        has_words = any(content.is_words and not content.is_value for content in contents)
        return True if has_words else same(*contents)
    if len(set(_LETTERED.findall(answer.text))) > 1 and len(gold.parts.items) == 1:
        return False  # a choice of options
    if first:
        equal = _is_letter_of(gold, first[0], lambda: same(first[1], gold))
        return None if equal is False and answer.tree is not None else equal
    if second:
        equal = _is_letter_of(answer, second[0], lambda: same(answer, second[1]))
        return None if equal is False and gold.tree is not None else equal
    return None


def _is_letter_of(
    other: Reading, letter: str, same_content: Callable[[], bool | None]
) -> bool | None:
    """Return whether an answer is the letter of an option, or else its content."""
    if _LETTER.fullmatch(other.form):
        return letter.casefold() == other.form.casefold()
    return same_content()
