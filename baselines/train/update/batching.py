"""Training samples, split into micro-batches and padded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from operator import eq

import torch

from baselines.common.types import TokenBatch
from baselines.policies.base import Completion


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """One completion with its advantage.

    Args:
        completion: The sampled completion.
        advantage: One number for the whole completion, or one per token.
        old_logprobs: Log-probability of each token under the old policy of the importance ratio,
            nats. None: those reported by the sampler.
        reference_logprobs: Log-probabilities under the reference policy. None: not computed.
        weight: Factor on the loss of the completion, relative to the others of its update.
        version: Number of training steps whose updates the weights had that sampled it. None: not
            recorded, because they were those before its update.

    Raises:
        ValueError: If a value per token has a different length than the completion.
    """

    completion: Completion
    advantage: float | tuple[float, ...]
    old_logprobs: tuple[float, ...] | None = None
    reference_logprobs: tuple[float, ...] | None = None
    weight: float = 1.0
    version: int | None = None

    def __post_init__(self) -> None:
        num_tokens = self.num_completion_tokens
        for name in ("advantage", "old_logprobs", "reference_logprobs"):
            values = getattr(self, name)
            if isinstance(values, tuple) and len(values) != num_tokens:
                raise ValueError(
                    f"{name} must hold one number per token, got {len(values)} for {num_tokens} "
                    f"tokens; cut it to the completion"
                )

    @property
    def num_tokens(self) -> int:
        """Tokens of prompt and completion."""
        return len(self.completion.prompt_ids) + len(self.completion.token_ids)

    @property
    def num_completion_tokens(self) -> int:
        """Tokens of the completion alone."""
        return len(self.completion.token_ids)

    @property
    def token_advantages(self) -> tuple[float, ...]:
        """Advantage of each token of the completion."""
        if isinstance(self.advantage, tuple):
            return self.advantage
        return (self.advantage,) * self.num_completion_tokens

    @property
    def has_advantage(self) -> bool:
        """Whether any token has a nonzero advantage."""
        if isinstance(self.advantage, tuple):
            return any(advantage != 0.0 for advantage in self.advantage)
        return self.advantage != 0.0 and self.num_completion_tokens > 0


def padded_size(samples: Sequence[TrainingSample]) -> int:
    """Return the padded tokens of a micro-batch; prompts and completions are padded separately."""
    prompt = max(len(sample.completion.prompt_ids) for sample in samples)
    completion = max(len(sample.completion.token_ids) for sample in samples)
    return (prompt + completion) * len(samples)


def micro_batches(
    samples: Sequence[TrainingSample], max_tokens: int
) -> Iterator[list[TrainingSample]]:
    """Yield all samples in batches of at most max_tokens padded tokens, the longest first.

    Args:
        samples: Any samples.
        max_tokens: Budget of a padded batch; a longer sample gets its own batch.

    Note: The longest come first, so a budget that exceeds the memory fails immediately.
    """
    batch: list[TrainingSample] = []
    prompt, completion = 0, 0  # longest prompt and longest completion, which are padded separately
    for sample in sorted(samples, key=lambda sample: -sample.num_tokens):
        prompt = max(prompt, len(sample.completion.prompt_ids))
        completion = max(completion, len(sample.completion.token_ids))
        if batch and (prompt + completion) * (len(batch) + 1) > max_tokens:
            yield batch
            batch = []
            prompt, completion = len(sample.completion.prompt_ids), len(sample.completion.token_ids)
        batch.append(sample)
    if batch:
        yield batch


def distinct_size(samples: Sequence[TrainingSample]) -> int:
    """Return the tokens of a micro-batch, with shared prefixes counted once."""
    return sum(num_new for _, num_new in _in_order_of_text(samples))


def distinct_batches(
    samples: Sequence[TrainingSample], max_tokens: int
) -> Iterator[list[TrainingSample]]:
    """Yield all samples in batches of at most max_tokens; shared prefixes are kept together.

    Args:
        samples: Any samples.
        max_tokens: Budget of a batch as counted by `distinct_size`; a longer sample gets its own
            batch.
    """
    batch: list[TrainingSample] = []
    size = 0
    for sample, num_new in _in_order_of_text(samples):
        if batch and size + num_new > max_tokens:
            yield batch
            batch, size, num_new = [], 0, sample.num_tokens
        batch.append(sample)
        size += num_new
    if batch:
        yield batch


def _in_order_of_text(samples: Sequence[TrainingSample]) -> Iterator[tuple[TrainingSample, int]]:
    """Yield samples in order of their tokens, with the number of tokens after the shared prefix."""
    before: tuple[int, ...] = ()
    for token_ids, sample in sorted(
        (
            ((*sample.completion.prompt_ids, *sample.completion.token_ids), sample)
            for sample in samples
        ),
        key=lambda pair: pair[0],
    ):
        num_shared = len(list(takewhile(bool, map(eq, token_ids, before))))
        yield sample, len(token_ids) - num_shared
        before = token_ids


@dataclass(frozen=True, slots=True)
class Counting:
    """A way to count the tokens of a micro-batch.

    Args:
        batches: Splits samples into batches of at most a number of tokens.
        size: Counts the tokens of one batch.
    """

    batches: Callable[[Sequence[TrainingSample], int], Iterator[list[TrainingSample]]]
    size: Callable[[Sequence[TrainingSample]], int]


PADDED = Counting(micro_batches, padded_size)
"""For a policy that computes padded batches."""
DISTINCT = Counting(distinct_batches, distinct_size)
"""For a policy that computes shared prefixes once."""


def token_batch(
    samples: Sequence[TrainingSample],
    *,
    normalizer: float,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    row_weight: Callable[[int, int | None], float] | None = None,
    tis_cap: float | None = None,
) -> TokenBatch:
    """Pad one micro-batch.

    importance_weights[b, t] = min(exp(old_logprobs - sampled logprobs), tis_cap)

    Args:
        samples: B samples, none of them without tokens.
        normalizer: A count over the whole update, such as its completion tokens.
        device: Device of the tensors.
        dtype: Data type of the floating-point tensors.
        row_weight: Weight of a completion as a function of its number of tokens and of its length
            limit, times which its own weight counts. None: 1, and the own weights are ignored.
        tis_cap: Largest importance weight of truncated importance sampling. None: no weights.

    Returns:
        A TokenBatch of shape (B, T), T the longest completion.

    Source: truncated importance sampling: Yao et al., "Your efficient RL framework secretly
        brings you off-policy RL training" (2025), as in TRL and verl.
    """
    counts = [sample.num_completion_tokens for sample in samples]
    mask = torch.arange(max(counts)) < torch.tensor(counts)[:, None]

    def padded(values: Iterable[Sequence[float]]) -> torch.Tensor:
        numbers = torch.tensor(list(chain.from_iterable(values)), dtype=dtype)
        tensor = torch.zeros(mask.shape, dtype=dtype)
        return tensor.masked_scatter_(mask, numbers).to(device)

    sampled = padded(sample.completion.logprobs for sample in samples)
    is_as_sampled = all(sample.old_logprobs is None for sample in samples)
    old = (
        sampled
        if is_as_sampled
        else padded(sample.old_logprobs or sample.completion.logprobs for sample in samples)
    )
    references = [
        sample.reference_logprobs for sample in samples if sample.reference_logprobs is not None
    ]
    return TokenBatch(
        old_logprobs=old,
        advantages=padded(sample.token_advantages for sample in samples),
        completion_mask=mask.to(device),
        normalizer=normalizer,
        row_weights=(
            torch.tensor(
                [
                    s.weight * row_weight(s.num_completion_tokens, s.completion.max_tokens)
                    for s in samples
                ],
                dtype=dtype,
            ).to(device)
            if row_weight
            else None
        ),
        importance_weights=None if tis_cap is None else (old - sampled).exp().clamp(max=tis_cap),
        reference_logprobs=padded(references) if len(references) == len(samples) else None,
    )
