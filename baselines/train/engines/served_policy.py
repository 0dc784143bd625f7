"""A trained policy that samples on a server, and keeps what shows whether both are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from baselines.common.errors import RolloutError
from baselines.common.processes import SINGLE_PROCESS, ProcessGroup
from baselines.common.types import FloatArray
from baselines.policies.base import Completion, OptionSampler, Prompt, Sampling, TrainablePolicy
from baselines.policies.endpoint.policy import EndpointPolicy
from baselines.policies.endpoint.token_options import option_logprobs
from baselines.train.update.forward import score

NUM_PROBES, PROBE_TOKENS = 8, 16
"""Completions of a probe, and the longest that they can be, in tokens."""
CHECKED_TOKENS = 16384
"""Most tokens of the completions of a check, prompts included, and of one forward pass."""


@runtime_checkable
class TokenizedPolicy(OptionSampler, Protocol):
    """A policy with the tokenizer of its server."""

    def encode(self, prompts: Sequence[Prompt], max_tokens: int) -> list[tuple[int, ...]]:
        """Return token ids of each prompt, cut to leave room for max_tokens."""
        ...


class ServedPolicy:
    """Samples a trained policy on a server, which also scores options.

    Args:
        endpoint: The server; it returns token ids and log-probabilities.
        trained: The trained policy.
        processes: Processes over which it may be sharded.

    Note: The first batch after every sync is kept for `gaps`.
    """

    def __init__(
        self,
        endpoint: EndpointPolicy,
        trained: TrainablePolicy,
        processes: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        self._endpoint = endpoint
        self._trained = trained
        self._processes = processes
        self._batch: list[Completion] = []
        self._wants_batch = True
        self._probed: tuple[Sequence[Prompt], Sampling] | None = None

    def synced(self, model: str | None) -> None:
        """Record that the server has the current weights, as the model of a name if not None."""
        if model is not None:
            self._endpoint.rename(model)
        self._batch, self._wants_batch = [], True

    def probe(self) -> None:
        """Sample a batch for `gaps`: few short completions of prompts of the first batch.

        It does nothing without an earlier batch, or if there is one since the last sync.

        Raises:
            RolloutError: As `sample`.
        """
        if self._wants_batch and self._probed is not None:
            prompts, sampling = self._probed
            self.sample(prompts, sampling=sampling, rng=np.random.default_rng(0))

    @property
    def is_sampled(self) -> bool:
        """Whether there is a batch for `gaps` since the last sync, or it has been checked."""
        return not self._wants_batch

    def checked(self) -> None:
        """Record that the server has been checked, here or in another process."""
        self._wants_batch = False

    def sample(
        self, prompts: Sequence[Prompt], *, sampling: Sampling, rng: np.random.Generator
    ) -> list[Completion]:
        """Return one completion per prompt; failed requests yield one with `failure`.

        Raises:
            RolloutError: If the server returns no token ids or log-probabilities.
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
        if answered and self._wants_batch:
            self._batch, self._wants_batch = answered, False
        if self._probed is None:  # of the first turn, whose prompts are the shortest
            short = min(own.max_tokens or PROBE_TOKENS, PROBE_TOKENS)
            self._probed = prompts[:NUM_PROBES], replace(own, max_tokens=short)
        return completions

    def gaps(self) -> list[FloatArray]:
        """Return |log-probability of the server - of the trained policy| in the kept batch.

        Returns:
            One array per completion, of its number of tokens, nats. Empty without a new batch.

        Note: To be called before the trained policy changes, and by all processes if it is sharded;
            the batch is forgotten.
        """
        lengths = np.array([len(c.prompt_ids) + len(c.token_ids) for c in self._batch])
        num = max(1, int(np.searchsorted(lengths.cumsum(), CHECKED_TOKENS, side="right")))
        batch, self._batch = self._batch[:num], []
        return self.gaps_of(batch)

    def gaps_of(self, completions: Sequence[Completion]) -> list[FloatArray]:
        """Return the gaps of given completions, as `gaps`."""
        scored = score(
            self._trained,
            completions,
            micro_batch_tokens=CHECKED_TOKENS,
            processes=self._processes,
        )
        return [np.abs(own - c.logprobs) for own, c in zip(scored, completions, strict=True)]

    def option_tokens(self, options: Sequence[str]) -> list[tuple[int, ...]]:
        """Return the token ids of each option, those that `option_logprobs` scores."""
        return self._scorer.option_tokens(options)

    def option_logprobs(
        self, prompts: Sequence[Prompt], options: Sequence[str], *, temperature: float = 1.0
    ) -> tuple[FloatArray, int]:
        """Return log-probabilities of options by the server; see `OptionScorer`.

        Raises:
            RolloutError: If a request fails, or the server gives none at this temperature.
        """
        texts = self.option_tokens(options)
        prompt_ids = self._scorer.encode(prompts, max(map(len, texts)))
        table = option_logprobs(self._endpoint, prompt_ids, texts, temperature=temperature)
        return table, sum(map(len, prompt_ids))

    @property
    def _scorer(self) -> TokenizedPolicy:
        """The trained policy, whose tokenizer is that of the server."""
        assert isinstance(self._trained, TokenizedPolicy), "a model with a tokenizer is served"
        return self._trained
