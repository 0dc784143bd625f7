"""Options in another order, against the preference that models have for some letters."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ccpo_env.prompts import LETTERS
from ccpo_env.types import Task

_LETTER = r"[(\[]?(?-i:[A-Z])[)\]]?"
_LETTERS = rf"{_LETTER}(?:(?:\s*,\s*|\s*&\s*|,?\s+(?:and|or|nor)\s+){_LETTER})"
_NAMES_LETTERS = re.compile(
    rf"(?:(?:both|either|neither|all(?: of)?|only)\s+)?{_LETTERS}+"
    r"(?:\s+(?:only|(?:is|are)\b.*))?\W*"
    rf"|{_LETTER}\s+only\W*|only\s+{_LETTER}\W*"
    rf"|.*\b(?:options?|choices?|answers?)\s+{_LETTER}(?!\w).*",
    re.IGNORECASE | re.DOTALL,
)
_NAMES_OTHERS = re.compile(
    r"\b(?:all|none|both|neither|any|either|two|one) of (?:these|them|the (?:above|other|preceding"
    r"|previous|following|options|choices|answers))\b"
    r"|\b(?:all|none|both|neither|any) (?:the )?above\b"
    r"|\b(?:all|both|neither|none)(?: \w+)? (?:are|is) (?:correct|true|right|wrong|false)\b",
    re.IGNORECASE,
)


def shuffle_choices(tasks: Iterable[Task], seed: int) -> list[Task]:
    """Return tasks with their options in random order; the gold answer moves with its option.

    The order depends on the seed and the task's id alone, so it is the same in every selection. A
    task keeps its order if an option names others ("both A and B", "all of the above").

    Args:
        tasks: Tasks; those without options stay as they are.
        seed: At least 0.

    Raises:
        TypeError: If the seed is no whole number.
        ValueError: If it is negative.
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"shuffle_choices must be a whole number, got {seed!r}; pass e.g. 0")
    if seed < 0:
        raise ValueError(f"shuffle_choices must be >= 0, got {seed}; pass e.g. 0")
    return [_shuffled(task, seed) for task in tasks]


def _shuffled(task: Task, seed: int) -> Task:
    if not task.choices or any(map(names_options, task.choices)):
        return task
    key = zlib.crc32(task.id.encode(errors="replace"))
    order = np.random.default_rng([seed, key]).permutation(len(task.choices)).tolist()
    letter = {LETTERS[old]: LETTERS[new] for new, old in enumerate(order)}
    return replace(
        task,
        choices=tuple(task.choices[old] for old in order),
        answer=letter.get(task.answer, task.answer),
        answers=tuple(letter.get(gold, gold) for gold in task.answers),
    )


def names_options(text: str) -> bool:
    """Return whether an option names others, by letters or as "all of the above"."""
    return bool(_NAMES_LETTERS.fullmatch(text.strip()) or _NAMES_OTHERS.search(text))
