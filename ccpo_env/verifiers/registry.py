"""Verifiers by name: one line each."""

from __future__ import annotations

from collections.abc import Mapping

from ccpo_env.errors import unknown_name
from ccpo_env.prompts import AS_A_NUMBER, IN_A_BOX
from ccpo_env.types import Verifier
from ccpo_env.verifiers.exact import exact
from ccpo_env.verifiers.math.verifier import MathVerifier
from ccpo_env.verifiers.number import number
from ccpo_env.verifiers.worker.pool import POOL

VERIFIERS: Mapping[str, Verifier] = {
    "exact": exact,
    "math": MathVerifier(),
    "number": number,
}
ANSWER_FORMS: Mapping[str, str] = {"number": AS_A_NUMBER}
"""Answer form of each verifier that does not read a box."""


def resolve_verifier(verifier: str | Verifier) -> Verifier:
    """Return a verifier from a name or a callable ``(response, gold) -> Verdict``."""
    if callable(verifier):
        return verifier
    if verifier not in VERIFIERS:
        raise unknown_name("verifier", verifier, VERIFIERS)
    return VERIFIERS[verifier]


def start_early(verifier: Verifier) -> None:
    """Start in the background what a verifier will need: a worker process of the math verifier."""
    if isinstance(verifier, MathVerifier):
        POOL.start_early()


def answer_form(verifier: str | Verifier) -> str:
    """Return the answer form to ask for; custom verifiers are assumed to read a box."""
    forms = (f for name, f in ANSWER_FORMS.items() if verifier in (name, VERIFIERS[name]))
    return next(forms, IN_A_BOX)
