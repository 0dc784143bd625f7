"""The verifier ``code``: runs a program that a model wrote, isolated, against a task's tests."""

from ccpo_env.verifiers.code.verifier import CodeVerifier

__all__ = ["CodeVerifier"]
