"""What an updater does about a batch that cannot be computed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from baselines.train.update.batching import TrainingSample

if TYPE_CHECKING:
    from torch import Tensor

CPU_ALLOCATOR = "DefaultCPUAllocator"
"""Torch has an exception of its own for accelerators; on a CPU it names this in the message."""


class OutOfMemoryInBatch(MemoryError):
    """A micro-batch that does not fit into memory.

    Args:
        num_samples: Completions in it.
        num_tokens: Its tokens, counted as the budget of a micro-batch is.
    """

    def __init__(self, num_samples: int, num_tokens: int) -> None:
        self.num_samples = num_samples
        self.num_tokens = num_tokens
        super().__init__(
            f"a micro-batch must fit into memory, got {num_samples} completions of {num_tokens} "
            f"tokens that do not; lower --micro-batch-tokens or --max-tokens, or pass "
            f"--gradient-checkpointing"
        )


class NonFiniteBatch(FloatingPointError):
    """A batch whose loss or gradient is NaN or infinite.

    Args:
        message: What is wrong.
        samples: The batch.
        logprobs: What the trained policy gave, shape (B, T). None: not known.
    """

    def __init__(
        self, message: str, samples: Sequence[TrainingSample], logprobs: Tensor | None = None
    ) -> None:
        self.samples = samples
        self.logprobs = logprobs
        super().__init__(message)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of torch or Python says that memory ran out."""
    text = str(error)
    return isinstance(error, MemoryError) or CPU_ALLOCATOR in text or "out of memory" in text


def save_rows(path: Path, samples: Sequence[TrainingSample], logprobs: Tensor | None = None) -> str:
    """Write the samples of a failed batch as JSON, and return what to tell the user.

    Args:
        path: The file; its folder is made.
        samples: The batch.
        logprobs: What the trained policy gave, shape (B, T). None: not known.

    Note: NaN and infinity are written by these names, which Python reads back. A file that cannot
        be written is part of the answer, not an error of its own.
    """
    trained = [None] * len(samples) if logprobs is None else logprobs.detach().tolist()
    contents = [
        {
            "text": sample.completion.text,
            "prompt_ids": sample.completion.prompt_ids,
            "token_ids": sample.completion.token_ids,
            "sampled_logprobs": sample.completion.logprobs,
            "old_logprobs": sample.old_logprobs,
            "reference_logprobs": sample.reference_logprobs,
            "logprobs": values[: sample.num_completion_tokens] if values else None,
            "advantages": sample.token_advantages,
        }
        for sample, values in zip(samples, trained, strict=True)
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(contents), encoding="utf-8")
    except OSError as error:
        return f"the batch could not be saved: {error}"
    return f"the batch is in {path}"
