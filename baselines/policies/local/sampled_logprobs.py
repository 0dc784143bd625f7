"""Log-probabilities of given tokens from hidden states, without a table over the vocabulary."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHUNK_ROWS = 256
"""Rows whose logits are computed at once."""


def sampled_logprobs(
    hidden: Tensor, weight: Tensor, token_ids: Tensor, temperature: float | Tensor
) -> Tensor:
    """Return the log-probability of one token after each hidden state, nats, (N,).

    Args:
        hidden: Inputs of the output layer, (N, D).
        weight: Weight of the output layer, frozen, (V, D).
        token_ids: The tokens, (N,).
        temperature: Divides the logits; 0 counts as 1. Or one for each row, (N, 1), none 0.

    Note: The gradient of a log-probability by a hidden state is the token's row of the weight less
        the mean of all rows under the policy. It is computed with the logits, of few rows at a
        time, so that neither logits nor probabilities of all rows are stored.
    """
    if not isinstance(temperature, Tensor):
        temperature = hidden.new_full((1, 1), temperature or 1.0)
    divisors = temperature.expand(len(hidden), 1)
    needs_gradient = torch.is_grad_enabled() and hidden.requires_grad
    values: Tensor = _SampledLogprobs.apply(hidden, weight, token_ids, divisors, needs_gradient)  # type: ignore[no-untyped-call]
    return values


class _SampledLogprobs(torch.autograd.Function):
    """log_softmax(hidden @ weight.T / divisors) at token_ids, with a frozen weight."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        token_ids: Tensor,
        divisors: Tensor,
        needs_gradient: bool,
    ) -> Tensor:
        values = torch.empty(len(hidden), dtype=hidden.dtype)
        slopes = torch.empty_like(hidden) if needs_gradient else None
        for start in range(0, len(hidden), CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            chosen, own = token_ids[rows, None], divisors[rows]
            logprobs = (hidden[rows] @ weight.T).div_(own).log_softmax(dim=-1)
            values[rows] = logprobs.gather(1, chosen)[:, 0]
            if slopes is not None:
                mean = logprobs.exp_() @ weight
                slopes[rows] = (weight[chosen[:, 0]] - mean).div_(own)
        if slopes is not None:
            ctx.save_for_backward(slopes)
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (slopes,) = ctx.saved_tensors
        return gradients[0][:, None] * slopes, None, None, None, None
