"""Array aliases, and the inputs and outputs of policy losses. Importing it does not load torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from baselines.common.checks import expect_shape

if TYPE_CHECKING:
    from torch import Tensor

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TokenBatch:
    """A micro-batch of completions, the input of a policy loss.

    Where completion_mask is False, tensors of shape (B, T) may hold any value, NaN included.

    Args:
        old_logprobs: Log-probability of each token under the old policy, the denominator of the
            ratio: the sampling policy or, if recomputed, the trained policy before the update;
            shape (B, T), nats.
        advantages: Advantage of each token, shape (B, T); the advantage of a whole completion is
            repeated on each of its tokens.
        completion_mask: True where the policy chose the token, shape (B, T), bool.
        normalizer: Divisor of the loss: a count over the whole update, such as its completion
            tokens, not over this micro-batch, so that the losses of the micro-batches add up.
        row_weights: Factor on the token losses of each completion, shape (B,). None: 1.
        importance_weights: Factor on the policy loss of each token that corrects for another
            sampling policy, shape (B, T), without gradient. None: 1.
        reference_logprobs: Log-probability of each token under the reference policy, shape
            (B, T), nats. None: there is no KL term.

    Raises:
        ValueError: If the shapes disagree, or normalizer is not a positive number.
    """

    old_logprobs: Tensor
    advantages: Tensor
    completion_mask: Tensor
    normalizer: float
    row_weights: Tensor | None = None
    importance_weights: Tensor | None = None
    reference_logprobs: Tensor | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.completion_mask.shape)
        remedy = "pad every completion of a micro-batch to the same number of tokens"
        expect_shape("completion_mask", self.completion_mask, ("B", "T"), remedy=remedy)
        expect_shape("old_logprobs", self.old_logprobs, shape, remedy=remedy)
        expect_shape("advantages", self.advantages, shape, remedy="give each token one")
        if self.row_weights is not None:
            expect_shape("row_weights", self.row_weights, shape[:1], remedy="one per completion")
        if self.importance_weights is not None:
            expect_shape("importance_weights", self.importance_weights, shape, remedy=remedy)
        if self.reference_logprobs is not None:
            expect_shape("reference_logprobs", self.reference_logprobs, shape, remedy=remedy)
        if not 0.0 < self.normalizer < math.inf:
            raise ValueError(
                f"normalizer must be a positive number, got {self.normalizer}; "
                f"pass a count of the whole update, such as its completion tokens"
            )


@dataclass(frozen=True, slots=True, eq=False)
class LossOutput:
    """The output of a policy loss.

    Args:
        loss: Scalar to minimise; the losses of an update's micro-batches add up.
        metrics: Averages over the completion tokens of this micro-batch, so average them over
            an update with those token counts as weights.
    """

    loss: Tensor
    metrics: dict[str, float]

    def plus(self, other: LossOutput, *, weight: float) -> LossOutput:
        """Return this loss plus weight times another, with the metrics of both."""
        return LossOutput(self.loss + weight * other.loss, {**self.metrics, **other.metrics})
