"""Numbers of completion tokens of a training step, checked, and masks of these tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baselines.common.checks import expect_shape
from baselines.common.types import BoolArray, FloatArray, IntArray


def expect_token_counts(
    values: Sequence[FloatArray], num_tokens: Sequence[IntArray] | None
) -> list[IntArray]:
    """Return the checked token counts of each value, of the same shapes; None: all are 1.

    Raises:
        ValueError: If the shapes disagree or a count is negative.
    """
    if num_tokens is None:
        return [np.ones(group.shape, dtype=np.int64) for group in values]
    if len(num_tokens) != len(values):
        raise ValueError(
            f"num_tokens must hold one array per group, got {len(num_tokens)} for {len(values)} "
            f"groups; count the tokens of every group of the step"
        )
    for index, (group, counts) in enumerate(zip(values, num_tokens, strict=True)):
        expect_shape(
            f"num_tokens of group {index}", counts, group.shape, remedy="count each completion"
        )
        if (counts < 0).any():
            raise ValueError(
                f"num_tokens must be >= 0, got {counts.min()} in group {index}; count the tokens"
            )
    return list(num_tokens)


def token_mask(num_tokens: IntArray, width: int) -> BoolArray:
    """Return whether each of width positions is a token, shape (G, A, width)."""
    return np.asarray(np.arange(width) < num_tokens[:, :, None])


def longest_completion(num_tokens: IntArray) -> int:
    """Return the number of tokens of the longest completion, at least 1."""
    return max(1, int(num_tokens.max()))
