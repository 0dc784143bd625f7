"""A policy in training whose rollouts come from a server, and the check that both are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from baselines.policies.base import Completion, Policy, Prompt, Sampling, TrainablePolicy
from baselines.train.update.forward import score

TOLERANCE = 1e-3
"""Largest mismatch of a float32 server, in nats; measured are 5e-7 to 3e-5."""
GROWTH = 1.5
"""Largest mismatch of any other server, as a multiple of the one before training: a bfloat16
server has 0.12, and 0.28 with a last layer that was left behind."""
MOST_AT_START = 0.25
"""Largest mismatch before training, in nats: above it the server has other weights."""
SCORED_TOKENS = 16384
"""Tokens of one forward pass of the check."""


class StaleServerError(RuntimeError):
    """A server does not sample from the weights that it was told to load."""


@dataclass(slots=True)
class SyncGuard:
    """Says whether a server samples from the policy in training.

    mismatch = largest |log-probability of the server - of the trainer| over the tokens of a batch
    limit    = max(TOLERANCE, GROWTH * mismatch at version 0)

    Args:
        at_start: Mismatch at version 0; None: not measured yet.
    """

    at_start: float | None = None

    def check(self, mismatch: float, *, version: int) -> None:
        """Remember the first mismatch, and compare every later one with it.

        Raises:
            StaleServerError: If it is too large, or no number.
        """
        limit = MOST_AT_START
        if self.at_start is not None:
            limit = max(TOLERANCE, GROWTH * self.at_start)
        if not mismatch <= limit:
            raise StaleServerError(
                f"a rollout server must sample from the trained weights, got log-probabilities "
                f"{mismatch:.2g} nats apart (limit {limit:.2g}) after sync {version}; start it "
                f"from the folder that python -m baselines.train.engines.server_weights writes, "
                f"with the model of the training"
            )
        if self.at_start is None:
            self.at_start = mismatch


class ServedPolicy:
    """Samples from a server that follows a policy in training.

    Args:
        endpoint: The server; it returns token ids and log-probabilities.
        trained: The policy in training.

    Note: The first batch after every sync is scored with the trained policy too.
    """

    def __init__(self, endpoint: Policy, trained: TrainablePolicy) -> None:
        self._endpoint = endpoint
        self._trained = trained
        self._guard = SyncGuard()
        self._is_checked = False
        self.version = 0

    def synced(self, version: int) -> None:
        """Take note that the server has been told to load the weights as they are now."""
        self.version = version
        self._is_checked = False

    def sample(
        self, prompts: Sequence[Prompt], *, sampling: Sampling, rng: np.random.Generator
    ) -> list[Completion]:
        """Return one completion per prompt; one with a failure where the server gave none.

        Raises:
            StaleServerError: If the server samples from other weights than those in training.
            ValueError: If it returns no token ids or log-probabilities.
        """
        own = replace(sampling, max_tokens=sampling.max_tokens or self._trained.max_tokens)
        completions = self._endpoint.sample(prompts, sampling=own, rng=rng)
        answered = [c for c in completions if c.failure is None and c.token_ids]
        has_all = all(c.prompt_ids and c.logprobs for c in answered)
        if not has_all or (not answered and any(c.text for c in completions)):
            raise ValueError(
                f"a rollout server must return token ids and log-probabilities, got none at "
                f"temperature {own.temperature}; use vLLM, and at a temperature other than 1 "
                f"--logprobs-mode processed_logprobs and the option logprobs=processed"
            )
        if answered and not self._is_checked:
            self._guard.check(self.mismatch(answered, own.temperature), version=self.version)
            self._is_checked = True
        return completions

    def mismatch(self, completions: Sequence[Completion], temperature: float) -> float:
        """Return the largest difference to the log-probabilities of the policy in training."""
        scored = score(
            self._trained,
            completions,
            temperature=temperature,
            micro_batch_tokens=SCORED_TOKENS,
        )
        gaps = [np.abs(own - c.logprobs) for own, c in zip(scored, completions, strict=True)]
        return float(np.concatenate(gaps).max())
