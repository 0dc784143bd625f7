"""Additional terms of the loss: KL to a reference policy, and entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from baselines.common.types import LossOutput, TokenBatch
from baselines.optimizers.losses.masked import MAX_LOG_RATIO, reduce_loss

if TYPE_CHECKING:
    from torch import Tensor

KLEstimator: TypeAlias = Literal["k1", "k2", "k3"]


def kl_estimates(logprobs: Tensor, reference_logprobs: Tensor, *, estimator: KLEstimator) -> Tensor:
    """Return an estimate of KL(policy || reference) from each token, of any shape.

    d  = clamp(logprobs - reference_logprobs, -20, 20)
    k1 = d                    unbiased, may be negative
    k2 = d^2 / 2              biased, small variance; its gradient is that of the KL
    k3 = exp(-d) - 1 + d      unbiased and >= 0

    Args:
        logprobs: Log-probability of each sampled token under the policy, nats.
        reference_logprobs: The same under the reference policy.
        estimator: Name of the estimator.

    Note: The expected gradient of k1 as a loss is 0: use it as a penalty in the reward.

    Source: Schulman, "Approximating KL divergence" (2020); k3 in GRPO, arXiv:2402.03300, eq. (4).
    """
    difference = (logprobs - reference_logprobs).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    if estimator == "k1":
        return difference
    if estimator == "k2":
        return 0.5 * difference.square()
    return (-difference).exp() - 1.0 + difference


def kl_loss(logprobs: Tensor, batch: TokenBatch, *, estimator: KLEstimator = "k3") -> LossOutput:
    """Return the estimated KL to the reference policy, reduced like the policy loss.

    Args:
        logprobs: Shape (B, T), nats, with gradient.
        batch: The micro-batch, with reference_logprobs.
        estimator: See `kl_estimates`.

    Returns:
        The loss, and the metric reference_kl: the mean of the estimates over completion tokens.

    Raises:
        ValueError: If the batch has no reference_logprobs.
        FloatingPointError: If the loss is NaN or infinite.
    """
    if batch.reference_logprobs is None:
        raise ValueError(
            "reference_logprobs must be given for a KL term, got None; pass a reference policy, "
            "or set kl_weight to 0"
        )
    ignored = ~batch.completion_mask
    estimates = kl_estimates(
        logprobs.masked_fill(ignored, 0.0),
        batch.reference_logprobs.masked_fill(ignored, 0.0),
        estimator=estimator,
    )
    loss = reduce_loss(estimates, batch)
    num_tokens = batch.completion_mask.sum().clamp(min=1)
    mean = estimates.detach().masked_fill(ignored, 0.0).sum() / num_tokens
    return LossOutput(loss, {"reference_kl": mean.item()})


def entropy_loss(entropy: Tensor | None, batch: TokenBatch) -> LossOutput:
    """Return minus the entropy of the policy, reduced like the policy loss.

    Args:
        entropy: Entropy of the policy's next-token distribution at each completion token, shape
            (B, T), nats, with gradient.
        batch: The micro-batch.

    Returns:
        The loss, and the metric entropy: the mean over completion tokens.

    Raises:
        ValueError: If entropy is None.
        FloatingPointError: If the loss is NaN or infinite.
    """
    if entropy is None:
        raise ValueError(
            "entropy must be given for an entropy term, got None; pass that of the policy, or set "
            "entropy_weight to 0"
        )
    loss = reduce_loss(-entropy, batch)
    num_tokens = batch.completion_mask.sum().clamp(min=1)
    mean = entropy.detach().masked_fill(~batch.completion_mask, 0.0).sum() / num_tokens
    return LossOutput(loss, {"entropy": mean.item()})
