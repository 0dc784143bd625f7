"""Call verifiers: with what they read of a task, and with a check of what they return."""

from __future__ import annotations

from ccpo_env.types import Task, TaskVerifier, Verdict, Verifier


def verifier_of(verifier: Verifier, task: Task) -> Verifier:
    """Return a verifier for the answers to one task; most verifiers are the same for all tasks."""
    return verifier.for_task(task) if isinstance(verifier, TaskVerifier) else verifier


def call_verifier(verify: Verifier, response: str, answer: str) -> Verdict:
    """Return the verdict of a verifier on a response.

    Raises:
        TypeError: If the verifier returns anything else.
    """
    verdict: object = verify(response, answer)
    if not isinstance(verdict, Verdict):
        raise TypeError(
            f"a verifier must return a Verdict, got {verdict!r}; return Verdict('correct')"
        )
    return verdict
