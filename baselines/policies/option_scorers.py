"""Find what scores options with a policy: the policy itself, or the server that it asks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baselines.common.types import FloatArray
from baselines.policies.base import OptionScorer, Policy, Prompt
from baselines.policies.endpoint.policy import EndpointPolicy


def scorer_of(policy: Policy) -> OptionScorer:
    """Return what scores letters with a policy.

    Raises:
        ValueError: If nothing can, such as for a policy that is a program, or a server that is
            asked by chat messages.
    """
    if isinstance(policy, EndpointPolicy):
        policy.next_token_logprobs([])  # checks its settings; sends nothing
        return ServedOptions(policy)
    if isinstance(policy, OptionScorer):
        return policy
    raise ValueError(
        f"a policy must score given letters for the likelihood of options, got "
        f"{type(policy).__name__}; use a local model, or an endpoint with api=completions"
    )


@dataclass(frozen=True, slots=True)
class ServedOptions:
    """Scores letters by the next token that a server gives a log-probability.

    A letter that is not among the most probable tokens has a probability of 0.
    """

    policy: EndpointPolicy

    def option_logprobs(
        self, prompts: Sequence[Prompt], options: Sequence[str], *, temperature: float = 1.0
    ) -> tuple[FloatArray, int]:
        """Return log-probabilities of the last character of each option after all before it.

        Args:
            prompts: N prompts, of which the server completes the plain text.
            options: K texts that differ in their last character only.
            temperature: 1: a server gives those of its most probable tokens only.

        Returns:
            Shape (N, K), nats, up to one number per prompt: the text before the last character is
            taken as given. And 0, because the server counts the tokens.

        Raises:
            ValueError: If the options or the temperature are others, a request fails, or no option
                is among the most probable tokens of a prompt.
        """
        starts = {option[:-1] for option in options}
        if len(starts) != 1 or temperature != 1.0:
            raise ValueError(
                f"an endpoint can score letters after the same text at temperature 1, got "
                f"{list(options)} at {temperature}; use a local model"
            )
        (start,) = starts
        listed = self.policy.next_token_logprobs([prompt.text + start for prompt in prompts])
        rows = [[own.get(option[-1], -math.inf) for option in options] for own in listed]
        table = np.array(rows, dtype=np.float64).reshape(len(prompts), len(options))
        lost = np.flatnonzero(np.isneginf(table).all(axis=1))
        if lost.size:
            raise ValueError(
                f"an endpoint must list at least one option among the most probable tokens, got "
                f"none for {lost.size} of {len(prompts)} prompts; use a local model"
            )
        return table, 0
