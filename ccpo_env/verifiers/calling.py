"""Call verifiers: with what they read of a task, and with a check of what they return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, cast, runtime_checkable

from ccpo_env.types import Task, TaskVerifier, Verdict, Verifier


@runtime_checkable
class CategoryVerifier(Protocol):
    """A verifier whose answers are equal exactly if their categories are."""

    def category(self, answer: str) -> str:
        """Return the category of an answer that one of its verdicts reported."""
        ...


@dataclass(frozen=True, slots=True)
class WithCategories:
    """A verifier that names the categories of its answers.

    Args:
        verify: Compares a response with an answer.
        category: Names the category of an answer that a verdict of it reported.
    """

    verify: Verifier
    category: Callable[[str], str]

    def __call__(self, response: str, gold: str) -> Verdict:
        """Return the verdict on a response."""
        return self.verify(response, gold)


def category_of(verifier: Verifier) -> Callable[[str], str] | None:
    """Return the function that names the category of an answer; None if answers are compared."""
    return verifier.category if isinstance(verifier, CategoryVerifier) else None


def verifier_of(verifier: Verifier, task: Task) -> Verifier:
    """Return a verifier for the answers to one task; most verifiers are the same for all tasks."""
    if not _reads_tasks(type(verifier)):  # type: ignore[arg-type]  # a class is hashable
        return verifier
    return cast(TaskVerifier, verifier).for_task(task)


@lru_cache(maxsize=64)
def _reads_tasks(kind: type) -> bool:
    """Return whether verifiers of a class are for one task each: a slow question of a protocol."""
    return issubclass(kind, TaskVerifier)


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
