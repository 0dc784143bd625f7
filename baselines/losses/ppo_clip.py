"""PPO's clipped surrogate, with one importance ratio per token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from baselines.shapes import expect_shape
from baselines.types import LossOutput, TokenBatch

if TYPE_CHECKING:
    from torch import Tensor

MAX_LOG_RATIO = 20.0  # exp(20) is 5e8: far outside any clip range, still finite in float32


def clipped_policy_loss(
    logprobs: Tensor,
    batch: TokenBatch,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    dual_clip: float | None = 3.0,
) -> LossOutput:
    """Return the clipped surrogate loss, summed over tokens and divided once.

    r[b, t]   = exp(clamp(logprobs - old_logprobs, -20, 20))
    J[b, t]   = min(r * A[b], clamp(r, 1 - clip_low, 1 + clip_high) * A[b])
    J[b, t]   = max(J, dual_clip * A[b])    where A[b] < 0
    loss      = -sum of J over completion tokens / normalizer

    Args:
        logprobs: Log-probability of each token under the policy in training, shape (B, T),
            nats, with gradient. May be NaN where completion_mask is False.
        batch: The tokens, with advantages A of shape (B,).
        clip_low: How far below 1 a ratio may fall before its gradient stops, in [0, 1].
        clip_high: How far above 1 it may rise before its gradient stops, >= 0.
        dual_clip: Largest ratio that a negative advantage is multiplied with, > 1 + clip_high
            in sensible use. None: no bound.

    Returns:
        The loss, and two metrics: clip_rate, the share of completion tokens that a clip gives no
        gradient, and approx_kl >= 0, an estimate of KL(old policy || policy) in nats.

    Raises:
        ValueError: If the shapes disagree.
        FloatingPointError: If the loss is NaN or infinite.

    Note: A micro-batch without completion tokens has loss 0.

    Source: PPO, arXiv:1707.06347, eq. (7); dual clip: arXiv:1912.09729; approx_kl: the estimator
        of GRPO, arXiv:2402.03300, eq. (4), here on tokens of the old policy.
    """
    expect_shape(
        "logprobs",
        logprobs,
        tuple(batch.completion_mask.shape),
        remedy="score the tokens of this micro-batch, prompt and padding masked",
    )
    ignored = ~batch.completion_mask  # (B, T)
    log_ratio = (logprobs - batch.old_logprobs).masked_fill(ignored, 0.0)
    log_ratio = log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    ratio = log_ratio.exp()
    advantages = batch.advantages[:, None]  # (B, 1)
    unclipped = ratio * advantages  # (B, T)
    objective = unclipped.minimum(ratio.clamp(1.0 - clip_low, 1.0 + clip_high) * advantages)
    if dual_clip is not None:
        objective = objective.where(advantages >= 0.0, objective.maximum(dual_clip * advantages))
    loss = -objective.masked_fill(ignored, 0.0).sum() / batch.normalizer
    if not loss.isfinite():
        raise FloatingPointError(
            f"the policy loss must be finite, got {loss.item()}; look for NaN in logprobs, "
            f"old_logprobs and advantages where completion_mask is True"
        )

    num_tokens = batch.completion_mask.sum().clamp(min=1)
    clipped = (objective != unclipped) & batch.completion_mask
    divergence = (ratio - 1.0 - log_ratio).detach()  # 0 on ignored tokens, whose ratio is 1
    metrics = {
        "clip_rate": (clipped.sum() / num_tokens).item(),
        "approx_kl": (divergence.sum() / num_tokens).item(),
    }
    return LossOutput(loss, metrics)
