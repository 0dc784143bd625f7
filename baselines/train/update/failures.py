"""Errors and dumps for non-finite or out-of-memory batches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from baselines.common.errors import NotEnoughMemory
from baselines.train.update.batching import TrainingSample

if TYPE_CHECKING:
    from torch import Tensor


class OutOfMemoryInBatch(NotEnoughMemory):
    """A micro-batch does not fit into memory.

    Args:
        num_samples: Completions in it.
        num_tokens: Its tokens, counted as in the budget of a micro-batch.
        is_sharded: Whether the weights are sharded: other processes then wait in the same pass,
            which cannot be repeated with smaller micro-batches.
    """

    def __init__(self, num_samples: int, num_tokens: int, *, is_sharded: bool = False) -> None:
        self.num_samples = num_samples
        self.num_tokens = num_tokens
        super().__init__(
            f"a micro-batch must fit into memory, got {num_samples} completions of {num_tokens} "
            f"tokens that do not{', and --shard allows no retry' if is_sharded else ''}; lower "
            f"--micro-batch-tokens or --max-tokens, or pass --gradient-checkpointing"
        )


class NonFiniteBatch(FloatingPointError):
    """The loss or gradient of a batch is NaN or infinite.

    Args:
        message: Description of the failure.
        samples: The batch.
        logprobs: Log-probabilities under the trained policy, shape (B, T). None: not known.
    """

    def __init__(
        self, message: str, samples: Sequence[TrainingSample], logprobs: Tensor | None = None
    ) -> None:
        self.samples = samples
        self.logprobs = logprobs
        super().__init__(message)


def save_samples(
    path: Path, samples: Sequence[TrainingSample], logprobs: Tensor | None = None
) -> str:
    """Write the samples of a failed batch as JSON, and return a sentence for the user.

    Args:
        path: The file; its folder is created.
        samples: The batch.
        logprobs: Log-probabilities under the trained policy, shape (B, T). None: not known.

    Note: NaN and infinity are written by name, which Python can read. If the file cannot be
        written, the returned sentence reports that; no error is raised.
    """
    trained = [None] * len(samples) if logprobs is None else logprobs.detach().tolist()
    contents = [
        {
            "text": sample.completion.text,
            "prompt_ids": sample.completion.prompt_ids,
            "token_ids": sample.completion.token_ids,
            "temperature": sample.completion.temperature,
            "sampled_logprobs": sample.completion.logprobs,
            "old_logprobs": sample.old_logprobs,
            "reference_logprobs": sample.reference_logprobs,
            "logprobs": values[: sample.num_completion_tokens] if values else None,
            "advantages": sample.token_advantages,
            "version": sample.version,
        }
        for sample, values in zip(samples, trained, strict=True)
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(contents), encoding="utf-8")
    except OSError as error:
        return f"the batch could not be saved: {error}"
    return f"the batch is in {path}"
