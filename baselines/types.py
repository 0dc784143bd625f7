"""Values that cross the borders of the baselines. Importing this module does not load torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from baselines.shapes import expect_shape

if TYPE_CHECKING:
    from torch import Tensor

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TokenBatch:
    """One micro-batch of completions, as a policy loss reads it.

    Args:
        old_logprobs: Log-probability of each token under the policy that sampled it, shape
            (B, T), nats. May hold anything, NaN included, where completion_mask is False.
        advantages: Advantage of each completion, shape (B,).
        completion_mask: True where the policy chose the token, shape (B, T), bool.
        normalizer: What the loss is divided by: the completion tokens of the whole update,
            not of this micro-batch, so that the losses of the micro-batches add up.

    Raises:
        ValueError: If the shapes disagree, or normalizer is not a positive number.
    """

    old_logprobs: Tensor
    advantages: Tensor
    completion_mask: Tensor
    normalizer: float

    def __post_init__(self) -> None:
        shape = tuple(self.completion_mask.shape)
        remedy = "pad every completion of a micro-batch to the same number of tokens"
        expect_shape("completion_mask", self.completion_mask, ("B", "T"), remedy=remedy)
        expect_shape("old_logprobs", self.old_logprobs, shape, remedy=remedy)
        expect_shape("advantages", self.advantages, shape[:1], remedy="give each completion one")
        if not 0.0 < self.normalizer < math.inf:
            raise ValueError(
                f"normalizer must be a positive number, got {self.normalizer}; "
                f"pass the completion tokens of the whole update"
            )


@dataclass(frozen=True, slots=True, eq=False)
class LossOutput:
    """What a policy loss returns.

    Args:
        loss: Scalar to minimise; the losses of an update's micro-batches add up.
        metrics: Averages over the completion tokens of this micro-batch, so average them over
            an update with those token counts as weights.
    """

    loss: Tensor
    metrics: dict[str, float]
