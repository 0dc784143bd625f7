"""Compare a boxed answer with the gold answer as text: fast, and in this process."""

from __future__ import annotations

from ccpo_env.types import Verdict
from ccpo_env.verifiers.extract import extract_boxed, unboxed
from ccpo_env.verifiers.math.normalize import same_text


def exact(response: str, gold: str) -> Verdict:
    """Return whether the boxed answer is written like the gold answer.

    Style, spacing and a full stop at the end make no difference; `1/2` and `0.5` do differ.

    Args:
        response: Full text of a model. Anything but text, and text without a closed and filled
            box, is "no_answer".
        gold: The gold answer, boxed or not. Anything but text, and blank text, is "error".

    Returns:
        "correct", "wrong", "no_answer" or "error".
    """
    answer = extracted(response, gold)
    if isinstance(answer, Verdict):
        return answer
    return Verdict("correct" if same_text(answer, unboxed(gold)) else "wrong", answer)


def extracted(response: object, gold: object) -> str | Verdict:
    """Return the answer in a response, or the verdict where there is nothing to compare.

    Callers may pass anything in spite of the signatures of verifiers.
    """
    if not isinstance(gold, str) or not gold.strip():
        kind = "blank text" if isinstance(gold, str) else type(gold).__name__
        return Verdict("error", detail=f"gold must be text, got {kind}; check the task's answer")
    answer = extract_boxed(response) if isinstance(response, str) else None
    return answer or Verdict("no_answer")
