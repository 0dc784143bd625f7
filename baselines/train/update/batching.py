"""Completions and their advantages, cut into micro-batches and padded to rectangles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from operator import eq

import torch

from baselines.policies.base import Completion
from baselines.types import TokenBatch


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One completion and how much better than expected it was.

    Args:
        completion: What was sampled.
        advantage: One number for the whole completion, or one per token.
        old_logprobs: Log-probability of each token under the policy that the ratio is taken to,
            nats. None: those that the completion was sampled with.
        reference_logprobs: The same under the reference policy. None: not scored.

    Raises:
        ValueError: If something given per token has another length than the completion.
    """

    completion: Completion
    advantage: float | tuple[float, ...]
    old_logprobs: tuple[float, ...] | None = None
    reference_logprobs: tuple[float, ...] | None = None

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
        """Whether a token has an advantage other than 0."""
        if isinstance(self.advantage, tuple):
            return any(advantage != 0.0 for advantage in self.advantage)
        return self.advantage != 0.0 and self.num_completion_tokens > 0


def padded_size(rows: Sequence[TrainingRow]) -> int:
    """Return the tokens of a micro-batch once padded, prompts and completions apart."""
    prompt = max(len(row.completion.prompt_ids) for row in rows)
    completion = max(len(row.completion.token_ids) for row in rows)
    return (prompt + completion) * len(rows)


def micro_batches(rows: Sequence[TrainingRow], max_tokens: int) -> Iterator[list[TrainingRow]]:
    """Yield all rows in batches of at most max_tokens once padded, the longest first.

    Args:
        rows: Any rows.
        max_tokens: Budget of a padded batch; a row that is longer gets a batch of its own.

    Note: The longest come first, so a budget that does not fit the memory fails at once.
    """
    batch: list[TrainingRow] = []
    prompt, completion = 0, 0  # the longest of the batch: padded apart, each to its own width
    for row in sorted(rows, key=lambda row: -row.num_tokens):
        prompt = max(prompt, len(row.completion.prompt_ids))
        completion = max(completion, len(row.completion.token_ids))
        if batch and (prompt + completion) * (len(batch) + 1) > max_tokens:
            yield batch
            batch = []
            prompt, completion = len(row.completion.prompt_ids), len(row.completion.token_ids)
        batch.append(row)
    if batch:
        yield batch


def distinct_size(rows: Sequence[TrainingRow]) -> int:
    """Return the tokens of a micro-batch, a beginning that rows share counted once."""
    return sum(num_new for _, num_new in _in_order_of_text(rows))


def distinct_batches(rows: Sequence[TrainingRow], max_tokens: int) -> Iterator[list[TrainingRow]]:
    """Yield all rows in batches of at most max_tokens; those that begin alike stand together.

    Args:
        rows: Any rows.
        max_tokens: Budget of a batch as `distinct_size` counts it; a row that is longer gets a
            batch of its own.
    """
    batch: list[TrainingRow] = []
    size = 0
    for row, num_new in _in_order_of_text(rows):
        if batch and size + num_new > max_tokens:
            yield batch
            batch, size, num_new = [], 0, row.num_tokens
        batch.append(row)
        size += num_new
    if batch:
        yield batch


def _in_order_of_text(rows: Sequence[TrainingRow]) -> Iterator[tuple[TrainingRow, int]]:
    """Yield rows, and how many tokens each has after what it shares with the one before."""
    before: tuple[int, ...] = ()
    for token_ids, row in sorted(
        (((*row.completion.prompt_ids, *row.completion.token_ids), row) for row in rows),
        key=lambda pair: pair[0],
    ):
        num_shared = len(list(takewhile(bool, map(eq, token_ids, before))))
        yield row, len(token_ids) - num_shared
        before = token_ids


@dataclass(frozen=True, slots=True)
class Counting:
    """How the tokens of a micro-batch are counted.

    Args:
        batches: Cuts rows into batches of at most so many tokens.
        size: The tokens of one batch.
    """

    batches: Callable[[Sequence[TrainingRow], int], Iterator[list[TrainingRow]]]
    size: Callable[[Sequence[TrainingRow]], int]


PADDED = Counting(micro_batches, padded_size)
"""For a policy that computes a rectangle."""
DISTINCT = Counting(distinct_batches, distinct_size)
"""For a policy that computes a beginning that rows share once."""


def token_batch(
    rows: Sequence[TrainingRow],
    *,
    normalizer: float,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    row_weight: Callable[[int], float] | None = None,
    tis_cap: float | None = None,
) -> TokenBatch:
    """Pad one micro-batch.

    importance_weights[b, t] = min(exp(old_logprobs - sampled logprobs), tis_cap)

    Args:
        rows: B rows, none of them without tokens.
        normalizer: A count of the whole update, such as its completion tokens.
        device: Where the tensors go.
        dtype: Of the tensors that hold numbers.
        row_weight: Weight of a completion, from its number of tokens. None: 1.
        tis_cap: Largest importance weight of truncated importance sampling. None: no weights.

    Returns:
        A TokenBatch of shape (B, T), T the longest completion.

    Source: truncated importance sampling: Yao et al., "Your efficient RL framework secretly
        brings you off-policy RL training" (2025), as in TRL and verl.
    """
    counts = [row.num_completion_tokens for row in rows]
    mask = torch.arange(max(counts)) < torch.tensor(counts)[:, None]

    def padded(values: Iterable[Sequence[float]]) -> torch.Tensor:
        numbers = torch.tensor(list(chain.from_iterable(values)), dtype=dtype)
        tensor = torch.zeros(mask.shape, dtype=dtype)
        return tensor.masked_scatter_(mask, numbers).to(device)

    sampled = padded(row.completion.logprobs for row in rows)
    is_as_sampled = all(row.old_logprobs is None for row in rows)
    old = (
        sampled
        if is_as_sampled
        else padded(row.old_logprobs or row.completion.logprobs for row in rows)
    )
    references = [row.reference_logprobs for row in rows if row.reference_logprobs is not None]
    return TokenBatch(
        old_logprobs=old,
        advantages=padded(row.token_advantages for row in rows),
        completion_mask=mask.to(device),
        normalizer=normalizer,
        row_weights=(
            torch.tensor([row_weight(count) for count in counts], dtype=dtype).to(device)
            if row_weight
            else None
        ),
        importance_weights=None if tis_cap is None else (old - sampled).exp().clamp(max=tis_cap),
        reference_logprobs=padded(references) if len(references) == len(rows) else None,
    )
