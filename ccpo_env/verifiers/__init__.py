"""Verifiers: functions that compare a response with a gold answer and return a verdict."""

from ccpo_env.verifiers.choice.verifier import ChoiceVerifier
from ccpo_env.verifiers.code.verifier import CodeVerifier
from ccpo_env.verifiers.exact import exact
from ccpo_env.verifiers.extract import extract_boxed
from ccpo_env.verifiers.math.verifier import MathVerifier
from ccpo_env.verifiers.number import number
from ccpo_env.verifiers.qa import QaVerifier
from ccpo_env.verifiers.verify import verify
from ccpo_env.verifiers.worker.many import verify_many

__all__ = [
    "ChoiceVerifier",
    "CodeVerifier",
    "MathVerifier",
    "QaVerifier",
    "exact",
    "extract_boxed",
    "number",
    "verify",
    "verify_many",
]
