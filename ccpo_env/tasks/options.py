"""The options of a multiple-choice row, and its gold answer as the letter of one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ccpo_env.prompts import LETTERS
from ccpo_env.tasks.values import NotATaskError, as_text, gold_answer
from ccpo_env.verifiers.extract import extract_boxed

OPTION_COLUMNS = ("choices", "options")
"""Columns that may hold all options of a row; else each has a column of its own: A, B, ..."""
LETTER_COLUMNS = ("answer_idx", "answer_index", "answerKey", "answer_key", "correct_option")
"""Columns that may hold the gold answer as a letter, label or index."""
LABEL_KEYS = ("label", "key", "letter")
TEXT_KEYS = ("text", "value")
"""Entries of an option that is a mapping: its label and its text."""
MAX_SHARED = 16_384
"""Different texts of options that are held once for all tasks."""
UNLABELLED = -1
"""Index by which data sets mark a row whose gold answer is withheld."""

_OWN_LETTER = re.compile(r"\s*[(\[]?([A-Za-z])[).:\]]\s*(?=\S)")
_LETTER = re.compile(r"[(\[]?([A-Za-z])[).:\]]{0,2}")
_LETTER_AND_TEXT = re.compile(r"\s*[(\[]?([A-Za-z])[).:\]]\s*(\S.*)", re.DOTALL)


class Options:
    """The options of one row, in order.

    Args:
        value: A list of texts, numbers or mappings with a label and a text; a mapping of labels to
            texts; or a mapping with the lists "text" and "label", as in ARC. Missing options at
            the end are left out; a letter before each text ("A. yes") is removed.
        column: The column that held it.

    Raises:
        NotATaskError: If it has another form, or not 2 to 26 options, each with a text.
    """

    __slots__ = ("_are_numbers", "_labels", "letters", "texts")

    def __init__(self, value: object, column: str) -> None:
        labels: list[object]
        texts: list[object]
        if type(value) is list and {*map(type, value)} == {str}:
            labels, texts = [], value.copy()
        else:
            labels, texts = _labels_and_texts(value, column)
        while texts and (texts[-1] is None or texts[-1] == ""):
            texts.pop()
        num_options = len(texts)
        if not 2 <= num_options <= len(LETTERS):
            raise NotATaskError(f"have 2 to {len(LETTERS)} options in {column!r}", value)
        self._are_numbers = not any(isinstance(text, str) for text in texts)
        stripped = [as_text(text, column).strip() for text in texts]
        if "" in stripped:
            raise NotATaskError(f"have a text for every option in {column!r}", value)
        self.letters = LETTERS[:num_options]
        self.texts = _shared(_without_letters(stripped, self.letters))
        self._labels = () if None in labels else tuple(str(x).strip() for x in labels[:num_options])

    def letter_of(self, gold: object, column: str) -> str:
        """Return the letter of the gold answer; empty if it is withheld.

        Args:
            gold: A label or letter, a whole number counted from 0, or the text of one option.
            column: The column that held it.

        Raises:
            NotATaskError: If it names no option, or could mean two.
        """
        if isinstance(gold, str) and gold in (*self.letters,) and not self._has_short_texts:
            return gold
        if isinstance(gold, float) and gold.is_integer():
            gold = int(gold)
        if isinstance(gold, bool) or not isinstance(gold, str | int):
            raise NotATaskError(f"have a letter, index or option as {column!r}", gold)
        text = gold_answer(str(gold)).strip()
        if not text or gold == UNLABELLED:
            return ""
        place = self._place(gold, text)
        if place is None and (boxed := extract_boxed(text)):
            place = self._place(boxed, boxed)
        if column not in LETTER_COLUMNS and self._is_ambiguous(gold, text, place):
            raise NotATaskError(
                f"have one option as {column!r}, not what is the text of one and the letter or "
                f"index of another; name the column {LETTER_COLUMNS[0]!r} if it is no text",
                gold,
            )
        if place is None:
            raise NotATaskError(
                f"have one option as {column!r}: a letter from A to {self.letters[-1]}, an index "
                f"from 0 to {len(self.texts) - 1}, or the text of one option",
                gold,
            )
        return LETTERS[place]

    @property
    def _has_short_texts(self) -> bool:
        """Whether a letter could be the text or another label of an option."""
        return bool(self._labels) or min(map(len, self.texts)) == 1

    def _place(self, gold: object, text: str) -> int | None:
        """Return the place of the option that a gold answer names, from 0; None unless it is one.

        A label comes first, then a letter, then an index that is a number, then the text of an
        option, and last an index that is written as text.
        """
        num_options = len(self.texts)
        if text in self._labels:
            return self._labels.index(text)
        if (mark := _LETTER.fullmatch(text)) and mark[1].upper() in self.letters:
            return LETTERS.index(mark[1].upper())
        if isinstance(gold, int):
            return gold if 0 <= gold < num_options else None
        place = self._place_of_text(text)
        if place is None and (mark := _LETTER_AND_TEXT.fullmatch(text)):
            place = self._place_of_text(mark[2])
            place = None if place is None or LETTERS[place] != mark[1].upper() else place
        if place is None and text.isascii() and text.isdigit() and int(text) < num_options:
            return int(text)
        return place

    def _is_ambiguous(self, gold: object, text: str, place: int | None) -> bool:
        is_short = self._are_numbers if isinstance(gold, int) else len(text) == 1
        return (
            is_short and text not in self._labels and self._place_of_text(text) not in (None, place)
        )

    def _place_of_text(self, text: str) -> int | None:
        texts = self.texts
        if text not in texts:
            texts, text = tuple(map(_folded, texts)), _folded(text)
        return texts.index(text) if texts.count(text) == 1 else None


_kept: dict[object, Any] = {}


def _shared(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return equal texts that other tasks have too, such as "yes" and "no", where they are kept."""
    if texts in _kept:
        kept: tuple[str, ...] = _kept[texts]
        return kept
    if len(_kept) < MAX_SHARED:
        texts = tuple(_kept.setdefault(text, text) for text in texts)
        _kept[texts] = texts
        return texts
    return tuple(_kept.get(text, text) for text in texts)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _without_letters(texts: list[str], letters: str) -> tuple[str, ...]:
    """Return texts without the letter before each of them, if all have their own: "A. yes"."""
    if not (first := _OWN_LETTER.match(texts[0])) or first[1] not in "Aa":
        return tuple(texts)
    marks = [_OWN_LETTER.match(text) for text in texts]
    if "".join(mark[1].upper() for mark in marks if mark) != letters:
        return tuple(texts)
    return tuple(text[mark.end() :] for text, mark in zip(texts, marks, strict=True) if mark)


def _labels_and_texts(value: object, column: str) -> tuple[list[object], list[object]]:
    """Return the labels of options, None or empty without any, and their texts."""
    if isinstance(value, Mapping):
        texts, labels = value.get("text"), value.get("label")
        if isinstance(texts, list | tuple):
            if isinstance(labels, list | tuple) and len(labels) == len(texts):
                return list(labels), list(texts)
            return [], list(texts)
        keys = list(value)
        if all(isinstance(key, str) and len(key) == 1 for key in keys):
            keys.sort()
        return list(keys), [value[key] for key in keys]
    if not isinstance(value, list | tuple):
        raise NotATaskError(
            f"have a list of options or a mapping of letters to options as {column!r}", value
        )
    pairs = [_label_and_text(option, column) for option in value]
    return [label for label, _ in pairs], [text for _, text in pairs]


def _label_and_text(option: object, column: str) -> tuple[object, object]:
    if not isinstance(option, Mapping):
        return None, option
    text = next((option[key] for key in TEXT_KEYS if key in option), None)
    if text is None:
        raise NotATaskError(f"have options with a 'label' and a 'text' in {column!r}", option)
    return next((option[key] for key in LABEL_KEYS if key in option), None), text
