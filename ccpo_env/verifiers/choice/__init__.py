"""The verifier "choice" for multiple-choice questions."""

from ccpo_env.verifiers.choice.verifier import ChoiceVerifier

__all__ = ["ChoiceVerifier"]
