"""PPO's clipped surrogate, with one importance ratio per token."""

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


def clipped_policy_loss(
    logprobs: Tensor,
    batch: TokenBatch,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    dual_clip: float | None = 3.0,
) -> LossOutput:
    """Return the clipped surrogate loss with one importance ratio per token.

    r[b, t]   = exp(clamp(logprobs - old_logprobs, -20, 20))
    J[b, t]   = min(r * A, clamp(r, 1 - clip_low, 1 + clip_high) * A)    A: advantages[b, t]
    J[b, t]   = max(J, dual_clip * A)    where A < 0
    loss      = -sum of w * J over completion tokens / normalizer

    Args:
        logprobs: Log-probability of each token under the policy in training, shape (B, T),
            nats, with gradient. May be NaN where completion_mask is False.
        batch: The micro-batch; w is 1 unless it has row_weights or importance_weights.
        clip_low: How far below 1 a ratio may fall before it is clipped, in [0, 1].
        clip_high: How far above 1 a ratio may rise before it is clipped, >= 0.
        dual_clip: Upper bound of the ratio for negative advantages; should exceed 1 + clip_high.
            None: no bound.

    Returns:
        The loss, and two metrics: clip_rate, the fraction of completion tokens whose gradient
        is removed by clipping, and approx_kl >= 0, an estimate of KL(old policy || policy) in nats.

    Raises:
        ValueError: If the shapes disagree.
        FloatingPointError: If the loss is NaN or infinite.

    Note: A micro-batch without completion tokens has loss 0.

    Source: PPO, arXiv:1707.06347, eq. (7); dual clip: arXiv:1912.09729; approx_kl: the estimator
        of GRPO, arXiv:2402.03300, eq. (4), here on tokens of the old policy.
    """
    log_ratio = log_ratios(logprobs, batch)
    ratio = log_ratio.exp()
    advantages = masked_advantages(batch)
    unclipped = ratio * advantages  # (B, T)
    objective = unclipped.minimum(ratio.clamp(1.0 - clip_low, 1.0 + clip_high) * advantages)
    if dual_clip is not None:
        objective = objective.where(advantages >= 0.0, objective.maximum(dual_clip * advantages))
    loss = reduce_policy_loss(-objective, batch)
    return policy_output(loss, batch, log_ratio, objective != unclipped)
