"""GSPO's clipped surrogate, with one importance ratio per completion."""

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

MAX_SEQUENCE_LOG_RATIO = 10.0  # verl's bound


def sequence_clipped_loss(
    logprobs: Tensor,
    batch: TokenBatch,
    *,
    clip_low: float = 3e-4,
    clip_high: float = 4e-4,
) -> LossOutput:
    """Return the clipped surrogate loss with one importance ratio per completion.

    l[b]     = mean over completion tokens of (logprobs - old_logprobs)
    s[b, t]  = exp(min(sg(l[b]) + logprobs - sg(logprobs), 10))    sg: without gradient
    J[b, t]  = min(s * A, clamp(s, 1 - clip_low, 1 + clip_high) * A)    A: advantages[b, t]
    loss     = -sum of w * J over completion tokens / normalizer

    On each token, s has the value of the completion's ratio and the gradient of the token's
    log-probability, so that advantages may differ between tokens (GSPO-token). With equal
    advantages in a completion and row weights of 1 / length this is GSPO, gradient included.

    Args:
        logprobs: Log-probability of each token under the policy in training, shape (B, T),
            nats, with gradient. May be NaN where completion_mask is False.
        batch: The micro-batch; w is 1 unless it has row_weights or importance_weights.
        clip_low: How far below 1 a ratio may fall before it is clipped, in [0, 1].
        clip_high: How far above 1 a ratio may rise before it is clipped, >= 0.

    Returns:
        The loss, and the metrics of `clipped_policy_loss`.

    Raises:
        ValueError: If the shapes disagree.
        FloatingPointError: If the loss is NaN or infinite.

    Note: A mean of log-ratios is close to 0, hence the narrow published range, which suits
        learning rates around 1e-6.

    Source: GSPO, arXiv:2507.18071, eq. (5), (7) and (14); clip range: section 5.1.
    """
    log_ratio = log_ratios(logprobs, batch)  # (B, T)
    lengths = batch.completion_mask.sum(dim=1, keepdim=True).clamp(min=1)
    mean_log_ratio = log_ratio.detach().sum(dim=1, keepdim=True) / lengths  # (B, 1)
    chosen = logprobs.masked_fill(~batch.completion_mask, 0.0)
    log_s = mean_log_ratio + chosen - chosen.detach()
    ratio = log_s.clamp(max=MAX_SEQUENCE_LOG_RATIO).exp()
    advantages = masked_advantages(batch)
    unclipped = ratio * advantages
    objective = unclipped.minimum(ratio.clamp(1.0 - clip_low, 1.0 + clip_high) * advantages)
    loss = reduce_policy_loss(-objective, batch)
    return policy_output(loss, batch, log_ratio, objective != unclipped)
