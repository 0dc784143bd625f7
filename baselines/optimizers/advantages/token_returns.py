"""Values per token: discounted returns with a KL penalty, or the value of the completion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baselines.common.checks import expect_shape
from baselines.common.types import FloatArray, IntArray
from baselines.optimizers.advantages.step_credit import expect_groups
from baselines.optimizers.advantages.token_counts import (
    expect_token_counts,
    longest_completion,
    token_mask,
)


def token_returns(
    credit: Sequence[FloatArray],
    num_tokens: Sequence[IntArray],
    kl: Sequence[FloatArray] | None = None,
    *,
    gamma: float = 1.0,
    kl_weight: float = 0.0,
) -> list[FloatArray]:
    """Return the discounted return from each token on, with a KL penalty on every token.

    reward[g, a, t] = credit[g, a] * (t is the last token) - kl_weight * kl[g, a, t]
    return[g, a, t] = reward[g, a, t] + gamma * return[g, a, t + 1]

    Args:
        credit: The groups of one step, each of shape (G, A).
        num_tokens: Completion tokens of each agent, of the same shapes, >= 0.
        kl: log policy - log reference of each token, each of shape (G, A, T), nats; values
            beyond num_tokens are ignored. None: no penalty.
        gamma: Discount per token, in [0, 1].
        kl_weight: Penalty per nat, in units of reward, >= 0.

    Returns:
        Returns, each of shape (G, A, T), where T is the longest in the group (or the T of kl), 0
        beyond num_tokens.

    Raises:
        ValueError: If the shapes disagree, or kl has fewer tokens than num_tokens.

    Source: REINFORCE++, arXiv:2501.03262, eq. (4) and (5).
    """
    expect_groups(credit, min_group_size=1)
    counts = expect_token_counts(credit, num_tokens)
    penalties = (
        kl if kl is not None else [np.zeros((*n.shape, longest_completion(n))) for n in counts]
    )
    if len(penalties) != len(credit):
        raise ValueError(
            f"kl must hold one array per group, got {len(penalties)} for {len(credit)} groups; "
            f"score every group of the step"
        )
    return [
        _returns(*group, gamma=gamma, kl_weight=kl_weight)
        for group in zip(credit, counts, penalties, strict=True)
    ]


def on_tokens(advantages: Sequence[FloatArray], num_tokens: Sequence[IntArray]) -> list[FloatArray]:
    """Repeat the value of each completion on all its tokens.

    Args:
        advantages: Each of shape (G, A).
        num_tokens: Each of shape (G, A).

    Returns:
        Each of shape (G, A, T), where T is the longest in the group, 0 beyond num_tokens.
    """
    return [
        np.where(token_mask(n, longest_completion(n)), group[:, :, None], 0.0)
        for group, n in zip(advantages, num_tokens, strict=True)
    ]


def _returns(
    credit: FloatArray, num_tokens: IntArray, kl: FloatArray, *, gamma: float, kl_weight: float
) -> FloatArray:
    longest = longest_completion(num_tokens)
    expect_shape("kl", kl, (*credit.shape, "T"), remedy="give one value per token and agent")
    if kl.shape[2] < longest:
        raise ValueError(
            f"kl must cover all {longest} tokens, got {kl.shape[2]}; score every token"
        )
    is_token = token_mask(num_tokens, kl.shape[2])  # (G, A, T)
    rewards = -kl_weight * np.where(is_token, kl, 0.0)
    rewards += credit[:, :, None] * (np.arange(kl.shape[2]) == num_tokens[:, :, None] - 1)
    returns = np.zeros_like(rewards)
    running = np.zeros(credit.shape)
    for t in reversed(range(kl.shape[2])):  # loops over the longest completion, not all tokens
        running = rewards[:, :, t] + gamma * running
        returns[:, :, t] = running
    return returns
