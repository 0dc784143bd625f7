"""The public ``verify``: one response against one gold answer, with a verifier by name."""

from __future__ import annotations

from dataclasses import replace

from ccpo_env.types import Task, Verdict, Verifier
from ccpo_env.verifiers.calling import call_verifier, verifier_of
from ccpo_env.verifiers.code.verifier import CodeVerifier
from ccpo_env.verifiers.math.verifier import MathVerifier, check_timeout
from ccpo_env.verifiers.registry import resolve_verifier


def verify(
    response: str,
    gold: str,
    *,
    verifier: str | Verifier = "math",
    task: Task | None = None,
    timeout_s: float = 5.0,
) -> Verdict:
    """Return whether the final answer of a response equals the gold answer.

    Args:
        response: Full response of a model. Anything but text, and text without an answer, is
            "no_answer".
        gold: The gold answer.
        verifier: A name in VERIFIERS, "auto" for the one that the task needs, or a function of a
            response and a gold answer.
        task: The task, for a verifier that reads more of it than the gold answer.
        timeout_s: Time limit of one comparison of the math verifier in a started worker, in CPU
            seconds, and of a program and its tests, in (0, 3600]; wall-clock time is limited to
            ten times as much.

    Returns:
        "correct" or "wrong"; "no_answer" if there is nothing to compare; "timeout" or "error" if
        the response could not be compared, whose reward is None.

    Raises:
        ValueError: If the verifier is unknown or timeout_s is out of range.
    """
    check_timeout(timeout_s)
    chosen = resolve_verifier(verifier, [task] if task else ())
    if isinstance(verifier, str) and isinstance(chosen, MathVerifier | CodeVerifier):
        chosen = replace(chosen, timeout_s=timeout_s)
    return call_verifier(verifier_of(chosen, task) if task else chosen, response, gold)
