"""The ``exact`` verifier: compares the boxed answer with the gold answer as text."""

from __future__ import annotations

from functools import lru_cache

from ccpo_env.types import Verdict
from ccpo_env.verifiers.extract import extract_boxed, unboxed
from ccpo_env.verifiers.math.forms.normalize import MAX_KEPT_CHARS, same_text

VERDICT_CACHE_SIZE = 16_384
"""Cached verdicts: the answers of a group are often equal."""


def exact(response: str, gold: str) -> Verdict:
    """Return whether the boxed answer and the gold answer are the same text.

    Style, spacing and a final full stop are ignored; `1/2` and `0.5` differ.

    Args:
        response: Full response of a model. Anything but text, and text without a closed and filled
            box, is "no_answer".
        gold: The gold answer, boxed or not. Anything but text, and blank text, is "error".

    Returns:
        "correct", "wrong", "no_answer" or "error".
    """
    answer = extracted(response, gold)
    if isinstance(answer, Verdict):
        return answer
    return (_kept_verdict if len(answer) + len(gold) <= MAX_KEPT_CHARS else _verdict)(answer, gold)


def _verdict(answer: str, gold: str) -> Verdict:
    return Verdict("correct" if same_text(answer, unboxed(gold)) else "wrong", answer)


_kept_verdict = lru_cache(maxsize=VERDICT_CACHE_SIZE)(_verdict)


def extracted(response: object, gold: object) -> str | Verdict:
    """Return the extracted answer, or a verdict if there is nothing to compare.

    Arguments are checked at run time, because callers may ignore the type annotations.
    """
    if not isinstance(gold, str) or not gold.strip():
        kind = "blank text" if isinstance(gold, str) else type(gold).__name__
        return Verdict("error", detail=f"gold must be text, got {kind}; check the task's answer")
    answer = extract_boxed(response) if isinstance(response, str) else None
    return answer or Verdict("no_answer")
