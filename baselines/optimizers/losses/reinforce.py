"""The REINFORCE policy gradient, without ratio or clipping."""

from __future__ import annotations

from typing import TYPE_CHECKING

from baselines.common.types import LossOutput, TokenBatch
from baselines.optimizers.losses.masked import (
    log_ratios,
    masked_advantages,
    policy_output,
    reduce_policy_loss,
)

if TYPE_CHECKING:
    from torch import Tensor


def policy_gradient_loss(logprobs: Tensor, batch: TokenBatch) -> LossOutput:
    """Return minus the advantage-weighted log-probability, without ratio or clipping.

    loss = -sum of w * A * logprobs over completion tokens / normalizer    A: advantages[b, t]

    Args:
        logprobs: Log-probability of each token under the policy in training, shape (B, T),
            nats, with gradient. May be NaN where completion_mask is False.
        batch: The micro-batch; w is 1 unless it has row_weights or importance_weights.

    Returns:
        The loss, and the metrics of `clipped_policy_loss`; nothing is clipped.

    Raises:
        ValueError: If the shapes disagree.
        FloatingPointError: If the loss is NaN or infinite.

    Note: It is unbiased only on-policy, so not from the second update of a step on: use one
        update per step.

    Source: Williams 1992; for language models RLOO, arXiv:2402.14740, eq. (6).
    """
    log_ratio = log_ratios(logprobs, batch)
    chosen = logprobs.masked_fill(~batch.completion_mask, 0.0)
    loss = reduce_policy_loss(-masked_advantages(batch) * chosen, batch)
    return policy_output(loss, batch, log_ratio)
