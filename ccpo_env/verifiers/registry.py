"""Verifiers by name: one line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import FunctionType

from ccpo_env.errors import unknown_name
from ccpo_env.prompts import AS_A_LETTER, AS_A_NUMBER, AS_A_PHRASE, AS_CODE, IN_A_BOX
from ccpo_env.types import Task, Verifier
from ccpo_env.verifiers.auto import AUTO, verifier_name
from ccpo_env.verifiers.choice.verifier import ChoiceVerifier
from ccpo_env.verifiers.code.verifier import CodeVerifier
from ccpo_env.verifiers.exact import exact
from ccpo_env.verifiers.math.verifier import MathVerifier
from ccpo_env.verifiers.number import number
from ccpo_env.verifiers.qa import QaVerifier
from ccpo_env.verifiers.worker.pool import POOL

SIMILAR_F1 = 0.8
"""Least token F1 with a gold answer that the verifier "qa_f1" accepts."""
VERIFIERS: Mapping[str, Verifier] = {
    "choice": ChoiceVerifier(),
    "code": CodeVerifier(),
    "code_partial": CodeVerifier(partial=True),
    "exact": exact,
    "math": MathVerifier(),
    "number": number,
    "qa": QaVerifier(),
    "qa_f1": QaVerifier(min_f1=SIMILAR_F1),
}
VERIFIER_NAMES: Mapping[str, Verifier | None] = {AUTO: None, **VERIFIERS}
"""Names that settings take: "auto" stands for the verifier that the tasks need."""
ANSWER_FORMS: Mapping[str, str] = {
    "code": AS_CODE,
    "code_partial": AS_CODE,
    "choice": AS_A_LETTER,
    "number": AS_A_NUMBER,
    "qa": AS_A_PHRASE,
    "qa_f1": AS_A_PHRASE,
}
"""Answer form of each verifier that reads something else than any text in a box."""


def resolve_verifier(verifier: str | Verifier, tasks: Iterable[Task] = ()) -> Verifier:
    """Return a verifier from a name or a callable ``(response, gold) -> Verdict``.

    Args:
        verifier: A name from VERIFIERS, "auto", or the verifier itself.
        tasks: The tasks whose answers it compares, which "auto" reads.

    Raises:
        ValueError: If the name is unknown, or "auto" fits no verifier to the tasks.
    """
    if callable(verifier):
        return verifier
    if verifier not in VERIFIER_NAMES:
        raise unknown_name("verifier", verifier, VERIFIER_NAMES)
    return VERIFIERS[verifier_name(tasks) if verifier == AUTO else verifier]


def check_tasks(verifier: str | Verifier, tasks: Iterable[Task]) -> None:
    """Raise ValueError if a verifier cannot judge the answers to one of some tasks.

    Args:
        verifier: A name from VERIFIERS, "auto", which fits every task, or the verifier itself.
        tasks: The tasks; "code" needs their tests, "choice" their options or a letter as answer.
    """
    chosen = VERIFIERS.get(verifier) if isinstance(verifier, str) else verifier
    if isinstance(chosen, CodeVerifier):
        lacking, needed = (task for task in tasks if not task.tests.strip()), "tests"
    elif isinstance(chosen, ChoiceVerifier):
        lacking, needed = (task for task in tasks if not _is_choice(task)), "options"
    else:
        return
    task = next(lacking, None)
    if task is not None:
        name = verifier if isinstance(verifier, str) else type(verifier).__name__
        raise ValueError(
            f"tasks of verifier {name!r} must have {needed}, got task {task.id!r} without; "
            f"pass verifier='auto' for the verifier that the tasks need, or other tasks"
        )


def _is_choice(task: Task) -> bool:
    """Return whether a task has options, or a letter as answer to options within its question."""
    return bool(task.choices) or ChoiceVerifier()("", task.answer).status != "error"


def start_early(verifier: Verifier) -> None:
    """Start in the background what a verifier will need: a worker process of the math verifier."""
    if isinstance(verifier, MathVerifier):
        POOL.start_early()


def answer_form(verifier: str | Verifier) -> str:
    """Return the answer form to ask for: that of the registered verifier of the same class.

    Custom verifiers are assumed to read a box.
    """
    kind = _kind(VERIFIERS.get(verifier, verifier) if isinstance(verifier, str) else verifier)
    forms = (f for name, f in ANSWER_FORMS.items() if kind == _kind(VERIFIERS[name]))
    return next(forms, IN_A_BOX)


def _kind(verifier: object) -> object:
    """Return a function itself, and the class of a verifier with settings."""
    return verifier if isinstance(verifier, FunctionType) else type(verifier)
