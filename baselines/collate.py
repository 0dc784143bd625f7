"""Completions and their advantages, cut into micro-batches and padded to rectangles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from baselines.policies.base import Completion
from baselines.types import TokenBatch


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One completion and how much better than expected it was."""

    completion: Completion
    advantage: float

    @property
    def num_tokens(self) -> int:
        """Tokens of prompt and completion."""
        return len(self.completion.prompt_ids) + len(self.completion.token_ids)


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


def token_batch(
    rows: Sequence[TrainingRow], *, normalizer: float, device: torch.device
) -> TokenBatch:
    """Pad one micro-batch.

    Args:
        rows: B rows, none of them without tokens.
        normalizer: Completion tokens of the whole update.
        device: Where the tensors go.

    Returns:
        A TokenBatch of shape (B, T), T the longest completion.
    """
    num_tokens = torch.tensor([len(row.completion.token_ids) for row in rows])  # (B,)
    longest = int(num_tokens.max())
    old_logprobs = torch.zeros(len(rows), longest)
    for index, row in enumerate(rows):
        old_logprobs[index, : num_tokens[index]] = torch.tensor(row.completion.logprobs)
    return TokenBatch(
        old_logprobs=old_logprobs.to(device),
        advantages=torch.tensor([row.advantage for row in rows], dtype=torch.float32).to(device),
        completion_mask=(torch.arange(longest)[None, :] < num_tokens[:, None]).to(device),
        normalizer=normalizer,
    )
