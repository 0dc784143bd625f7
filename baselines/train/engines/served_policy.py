"""A trained policy that samples on a server, with a check that both have equal weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from baselines.common.errors import RolloutError
from baselines.policies.base import Completion, Policy, Prompt, Sampling, TrainablePolicy
from baselines.train.update.forward import score

TOLERANCE = 1e-3
"""Largest log-probability gap of a float32 server, in nats; measured: 5e-7 to 3e-5."""
GROWTH = 1.5
"""Largest gap of any other server, as a multiple of the gap before training: a bfloat16
server has 0.12, and 0.28 if its last layer is outdated."""
MOST_AT_START = 0.25
"""Largest gap before training, in nats: above it the server has other weights."""
NUM_PROBES, PROBE_TOKENS = 8, 16
"""Completions of a probe, and the longest that they can be, in tokens."""
SCORED_TOKENS = 16384
"""Tokens of one forward pass of the check."""


class StaleServerError(RolloutError):
    """A server does not sample from the weights that were transferred to it."""


@dataclass(slots=True)
class SyncGuard:
    """Checks that a server samples from the trained policy.

    gap   = largest |log-probability of the server - of the trainer| over the tokens of a batch
    limit = max(TOLERANCE, GROWTH * gap at version 0)

    Args:
        at_start: Gap at version 0; None: not measured yet.
    """

    at_start: float | None = None

    def check(self, logprob_gap: float, *, version: int) -> None:
        """Store the first gap, and compare all later ones with it.

        Raises:
            StaleServerError: If the gap is too large or NaN.
        """
        limit = MOST_AT_START
        if self.at_start is not None:
            limit = max(TOLERANCE, GROWTH * self.at_start)
        if not logprob_gap <= limit:
            raise StaleServerError(
                f"a rollout server must sample from the trained weights, got log-probabilities "
                f"{logprob_gap:.2g} nats apart (limit {limit:.2g}) after sync {version}; start it "
                f"from the folder that python -m baselines.train.engines.server_weights writes, "
                f"with the model of the training"
            )
        if self.at_start is None:
            self.at_start = logprob_gap


class ServedPolicy:
    """Samples a trained policy on a server.

    Args:
        endpoint: The server; it returns token ids and log-probabilities.
        trained: The trained policy.

    Attributes:
        is_checked: Whether completions since the last sync were compared with the trained policy.

    Note: The first batch after every sync is also scored with the trained policy.
    """

    def __init__(self, endpoint: Policy, trained: TrainablePolicy) -> None:
        self._endpoint = endpoint
        self._trained = trained
        self._guard = SyncGuard()
        self._probed: tuple[Sequence[Prompt], Sampling] | None = None
        self.is_checked = False
        self.version = 0

    def synced(self, version: int) -> None:
        """Record that the current weights were transferred to the server."""
        self.version = version
        self.is_checked = False

    def probe(self) -> None:
        """Check the server with short completions of prompts of its last batch, if it had one.

        Raises:
            RolloutError: As `sample`.
        """
        if self._probed is not None and not self.is_checked:
            prompts, sampling = self._probed
            self.sample(prompts, sampling=sampling, rng=np.random.default_rng(self.version))

    def sample(
        self, prompts: Sequence[Prompt], *, sampling: Sampling, rng: np.random.Generator
    ) -> list[Completion]:
        """Return one completion per prompt; failed requests yield one with `failure`.

        Raises:
            StaleServerError: If the server does not sample from the trained weights.
            RolloutError: If it returns no token ids or log-probabilities.
        """
        own = replace(sampling, max_tokens=sampling.max_tokens or self._trained.max_tokens)
        completions = self._endpoint.sample(prompts, sampling=own, rng=rng)
        answered = [c for c in completions if c.failure is None and c.token_ids]
        has_all = all(c.prompt_ids and c.logprobs for c in answered)
        if not has_all or (not answered and any(c.text for c in completions)):
            raise RolloutError(
                f"a rollout server must return token ids and log-probabilities, got none at "
                f"temperature {own.temperature}; use vLLM, and at a temperature other than 1 "
                f"--logprobs-mode processed_logprobs and the option logprobs=processed"
            )
        if answered and not self.is_checked:
            self._guard.check(self.logprob_gap(answered), version=self.version)
            self.is_checked = True
        short = min(own.max_tokens or PROBE_TOKENS, PROBE_TOKENS)
        self._probed = prompts[:NUM_PROBES], replace(own, max_tokens=short)
        return completions

    def logprob_gap(self, completions: Sequence[Completion]) -> float:
        """Return the largest difference to the log-probabilities of the trained policy, in nats."""
        scored = score(self._trained, completions, micro_batch_tokens=SCORED_TOKENS)
        gaps = [np.abs(own - c.logprobs) for own, c in zip(scored, completions, strict=True)]
        return float(np.concatenate(gaps).max())
