"""The options of a multiple-choice row, and its gold answer as the letter of one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import ascii_uppercase as LETTERS

from ccpo_env.tasks.values import NotATaskError, as_text, gold_answer
from ccpo_env.verifiers.extract import extract_boxed

OPTION_COLUMNS = ("choices", "options")
"""Columns that may hold all options of a row; else each has a column of its own: A, B, ..."""
LETTER_COLUMNS = ("answer_idx", "answer_index", "answerKey", "answer_key", "correct_option")
"""Columns that may hold the gold answer as a letter, label or index."""
LABEL_KEYS = ("label", "key", "letter")
TEXT_KEYS = ("text", "value")
"""Entries of an option that is a mapping: its label and its text."""
UNLABELLED = -1
"""Index by which data sets mark a row whose gold answer is withheld."""

_OWN_LETTER = re.compile(r"\s*[(\[]?([A-Za-z])[).:\]]\s+(?=\S)")
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

    def __init__(self, value: object, column: str) -> None:
        pairs = _pairs(value, column)
        while pairs and (pairs[-1][1] is None or not str(pairs[-1][1]).strip()):
            pairs.pop()
        if not 2 <= len(pairs) <= len(LETTERS):
            raise NotATaskError(f"have 2 to {len(LETTERS)} options in {column!r}", value)
        texts = [as_text(text, column, value).strip() for _, text in pairs]
        if not all(texts):
            raise NotATaskError(f"have a text for every option in {column!r}", value)
        own = [_OWN_LETTER.match(text) for text in texts]
        letters = "".join(mark[1].upper() for mark in own if mark)
        if letters == LETTERS[: len(texts)]:
            texts = [text[mark.end() :] for text, mark in zip(texts, own, strict=True) if mark]
        self.texts = tuple(texts)
        self._are_numbers = all(isinstance(text, int | float) for _, text in pairs)
        self._labels = [None if label is None else str(label).strip() for label, _ in pairs]

    def letter_of(self, gold: object, column: str) -> str:
        """Return the letter of the gold answer; empty if it is withheld.

        Args:
            gold: A label or letter, a whole number counted from 0, or the text of one option.
            column: The column that held it.

        Raises:
            NotATaskError: If it names no option, or could mean two.
        """
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
            last = LETTERS[len(self.texts) - 1]
            raise NotATaskError(
                f"have one option as {column!r}: a letter from A to {last}, an index from 0 to "
                f"{len(self.texts) - 1}, or the text of one option",
                gold,
            )
        return LETTERS[place]

    def _place(self, gold: object, text: str) -> int | None:
        """Return the place of the option that a gold answer names, from 0; None unless it is one.

        A label comes first, then a letter, then an index that is a number, then the text of an
        option, and last an index that is written as text.
        """
        num_options = len(self.texts)
        if text in self._labels:
            return self._labels.index(text)
        if (mark := _LETTER.fullmatch(text)) and mark[1].upper() in LETTERS[:num_options]:
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
        for fold in (str.strip, _folded):
            same = [place for place, own in enumerate(self.texts) if fold(own) == fold(text)]
            if same:
                return same[0] if len(same) == 1 else None
        return None


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _pairs(value: object, column: str) -> list[tuple[object, object]]:
    """Return labels (None: no label) and texts."""
    if isinstance(value, Mapping):
        texts, labels = value.get("text"), value.get("label")
        if isinstance(texts, list | tuple):
            known = isinstance(labels, list | tuple) and len(labels) == len(texts)
            return list(zip(labels if known else [None] * len(texts), texts, strict=True))
        keys = list(value)
        if all(isinstance(key, str) and len(key) == 1 for key in keys):
            keys.sort()
        return [(key, value[key]) for key in keys]
    if not isinstance(value, list | tuple):
        raise NotATaskError(
            f"have a list of options or a mapping of letters to options as {column!r}", value
        )
    return [_pair(option, column) for option in value]


def _pair(option: object, column: str) -> tuple[object, object]:
    if not isinstance(option, Mapping):
        return None, option
    text = next((option[key] for key in TEXT_KEYS if key in option), None)
    if text is None:
        raise NotATaskError(f"have options with a 'label' and a 'text' in {column!r}", option)
    return next((option[key] for key in LABEL_KEYS if key in option), None), text
