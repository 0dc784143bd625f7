"""Interfaces of policies, for rollouts and for training, and the values they exchange."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from baselines.common.types import FloatArray

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt of an agent, in the two forms that policies accept.

    Args:
        text: Plain text, for a model without a chat template.
        messages: The same prompt as chat messages.
    """

    text: str
    messages: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """The completion of one prompt.

    Args:
        text: The decoded completion, without special tokens.
        prompt_ids: Token ids of the prompt as the model read them; empty without a tokenizer.
        token_ids: Token ids of the completion, the end token included if it was sampled.
        logprobs: log-probability of each token of token_ids, in nats, under the policy that
            sampled it at the temperature it used.
        failure: Why there is no completion, in one sentence; the episode then has no measured
            reward. None for a completion, as always from a policy in this process.
        temperature: Temperature it was sampled at, at which an update computes its
            log-probabilities again.
        max_tokens: Length limit it was sampled with, in tokens. None: unknown.
    """

    text: str
    prompt_ids: tuple[int, ...] = ()
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    failure: str | None = None
    temperature: float = 1.0
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Sampling parameters.

    Args:
        temperature: Divides the logits; 0 takes the most probable token.
        max_tokens: Longest completion, in tokens; None: the policy's own default.
        stop: A text that ends a completion and is kept in it; None: only the model ends it.
    """

    temperature: float = 1.0
    max_tokens: int | None = None
    stop: str | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.temperature < math.inf:
            raise ValueError(
                f"temperature must be a number >= 0, got {self.temperature}; pass 1.0 to sample "
                f"or 0 for greedy decoding"
            )
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens must be >= 1, got {self.max_tokens}; pass e.g. 256")
        if self.stop == "":
            raise ValueError("stop must not be empty, got ''; leave it out for no stop text")


class Policy(Protocol):
    """Completes prompts."""

    def sample(
        self, prompts: Sequence[Prompt], *, sampling: Sampling, rng: np.random.Generator
    ) -> list[Completion]:
        """Return one completion per prompt, in order; deterministic given the state of rng."""
        ...


class TrainablePolicy(Policy, Protocol):
    """A policy with weights, as the updater and the checkpoints need it."""

    @property
    def module(self) -> torch.nn.Module:
        """The network whose parameters are trained."""
        ...

    @property
    def max_tokens(self) -> int:
        """Default length limit of a completion, in tokens."""
        ...

    def logprobs(self, completions: Sequence[Completion]) -> torch.Tensor:
        """Return log-probabilities of the sampled tokens, with gradient.

        Each completion is scored at the temperature it was sampled at; 0 counts as 1.

        Returns:
            Shape (B, T), nats, T the longest completion; positions after the end of a row are 0.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write weights and tokenizer in Hugging Face format."""
        ...


@runtime_checkable
class HiddenStatePolicy(Protocol):
    """A policy whose network shows what it makes of a prompt, as a critic needs it."""

    def hidden_states(self, prompts: Sequence[tuple[int, ...]]) -> FloatArray:
        """Return the last hidden state after each prompt of token ids, shape (B, D)."""
        ...


@runtime_checkable
class OptionScorer(Protocol):
    """A policy that can score given continuations, such as the letters of options."""

    def option_logprobs(
        self, prompts: Sequence[Prompt], options: Sequence[str], *, temperature: float = 1.0
    ) -> tuple[FloatArray, int]:
        """Return log-probabilities of each option after each prompt, and the prompt tokens.

        Args:
            prompts: N prompts.
            options: K texts, none empty; those that differ in their last token only take one
                forward pass per prompt.
            temperature: Divides the logits, > 0.

        Returns:
            Shape (N, K), nats; and the number of prompt tokens. Probabilities need not sum to 1:
            the model may prefer other text.
        """
        ...


@runtime_checkable
class OptionSampler(OptionScorer, Protocol):
    """A policy in this process, whose completions can be compared with options by their tokens."""

    def option_tokens(self, options: Sequence[str]) -> list[tuple[int, ...]]:
        """Return the token ids of each option, those that `option_logprobs` scores."""
        ...
