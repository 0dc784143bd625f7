"""Common parts of the policy losses: ratios, masked sums and the check for finite values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from baselines.common.checks import expect_shape
from baselines.common.types import LossOutput, TokenBatch

if TYPE_CHECKING:
    from torch import Tensor

MAX_LOG_RATIO = 20.0  # exp(20) is 5e8: far outside any clip range, still finite in float32

Aggregation: TypeAlias = Literal[
    "token_mean", "completion_token_mean", "completion_token_sum", "constant"
]
"""How token losses are averaged; see `row_weight` and `normalizer`."""


def row_weight(aggregation: Aggregation, num_tokens: int, max_tokens: int | None) -> float:
    """Return the factor on the token losses of one completion before they are summed.

    1 / num_tokens for "completion_token_mean", 1 / max_tokens for "constant", else 1.

    Args:
        aggregation: A name of `normalizer`.
        num_tokens: Number of tokens of the completion.
        max_tokens: Its length limit; required by "constant" only.

    Raises:
        ValueError: If max_tokens is required and missing.
    """
    if aggregation == "completion_token_mean":
        return 1.0 / max(1, num_tokens)
    if aggregation != "constant":
        return 1.0
    if max_tokens is None:
        raise ValueError(
            "max_tokens of a completion must be a number for aggregation 'constant', got None; "
            "sample with a length limit, or choose another aggregation"
        )
    return 1.0 / max_tokens


def normalizer(
    aggregation: Aggregation, num_tokens: Sequence[int], weights: Sequence[float] | None = None
) -> float:
    """Return the divisor of the weighted sum over an update; 1 if there is nothing to divide.

    token_mean             the completion tokens of the update: DAPO, verl "token-mean"
    completion_token_mean  its completions: the mean over completions of their token means; GRPO,
                           GSPO, verl "seq-mean-token-mean"
    completion_token_sum   its completions: the mean over completions of their token sums; RLOO,
                           verl "seq-mean-token-sum"
    constant               its completions: the mean over completions of their token sums, each
                           divided by the length limit; Dr. GRPO, TRL "dr_grpo"

    Args:
        aggregation: One of these names.
        num_tokens: Number of tokens of each completion of the update; empty ones are not counted.
        weights: Number of times that each completion counts, with its tokens; any positive
            number. None: once.
    """
    counts = num_tokens if aggregation == "token_mean" else [n > 0 for n in num_tokens]
    times = [1.0] * len(counts) if weights is None else weights
    total = sum(count * weight for count, weight in zip(counts, times, strict=True))
    return float(total) or 1.0


def log_ratios(logprobs: Tensor, batch: TokenBatch) -> Tensor:
    """Return logprobs - old_logprobs, clamped to +-20, 0 on ignored tokens, shape (B, T).

    Raises:
        ValueError: If logprobs has another shape than the batch.
    """
    expect_shape(
        "logprobs",
        logprobs,
        tuple(batch.completion_mask.shape),
        remedy="score the tokens of this micro-batch, prompt and padding masked",
    )
    difference = (logprobs - batch.old_logprobs).masked_fill(~batch.completion_mask, 0.0)
    return difference.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)


def masked_advantages(batch: TokenBatch) -> Tensor:
    """Return the advantages, 0 on ignored tokens, shape (B, T)."""
    return batch.advantages.masked_fill(~batch.completion_mask, 0.0)


def reduce_policy_loss(token_losses: Tensor, batch: TokenBatch) -> Tensor:
    """Return `reduce_loss` of token losses times the batch's importance weights."""
    if batch.importance_weights is not None:
        token_losses = token_losses * batch.importance_weights
    return reduce_loss(token_losses, batch)


def reduce_loss(token_losses: Tensor, batch: TokenBatch) -> Tensor:
    """Return the weighted sum over completion tokens, divided by the normalizer.

    loss = sum over b of w[b] * (sum over completion tokens t of token_losses[b, t]) / normalizer

    Raises:
        FloatingPointError: If the loss is NaN or infinite.
    """
    token_losses = token_losses.masked_fill(~batch.completion_mask, 0.0)
    if batch.row_weights is not None:
        token_losses = token_losses * batch.row_weights[:, None]
    loss = token_losses.sum() / batch.normalizer
    if not loss.isfinite():
        raise FloatingPointError(
            f"the policy loss must be finite, got {loss.item()}; look for NaN in logprobs, "
            f"old_logprobs and advantages where completion_mask is True"
        )
    return loss


def policy_output(
    loss: Tensor, batch: TokenBatch, log_ratio: Tensor, clipped: Tensor | None = None
) -> LossOutput:
    """Return a policy loss with its metrics.

    Args:
        loss: The scalar loss.
        batch: The micro-batch.
        log_ratio: Result of `log_ratios`.
        clipped: True where clipping removes the gradient of a token, shape (B, T). None: nowhere.
    """
    num_tokens = batch.completion_mask.sum().clamp(min=1)
    log_ratio = log_ratio.detach()
    divergence = log_ratio.exp() - 1.0 - log_ratio  # 0 on ignored tokens
    is_clipped = None if clipped is None else clipped & batch.completion_mask
    metrics = {
        "clip_rate": 0.0 if is_clipped is None else (is_clipped.sum() / num_tokens).item(),
        "approx_kl": (divergence.sum() / num_tokens).item(),
    }
    return LossOutput(loss, metrics)
