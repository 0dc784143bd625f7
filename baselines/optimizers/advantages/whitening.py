"""Whitening: mean 0 and variance 1 over the completion tokens of a training step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baselines.common.types import FloatArray, IntArray
from baselines.optimizers.advantages.step_credit import expect_groups
from baselines.optimizers.advantages.token_counts import expect_token_counts, token_mask

WHITEN_EPSILON = 1e-8
"""Added to the variance, as verl and OpenRLHF do."""


def whiten(
    values: Sequence[FloatArray],
    num_tokens: Sequence[IntArray] | None = None,
    *,
    epsilon: float = WHITEN_EPSILON,
) -> list[FloatArray]:
    """Shift and scale each agent's values to mean 0 and variance 1 over the tokens of the step.

    advantage[g, a] = (x[g, a] - mean[a]) / sqrt(var[a] + epsilon)
    mean[a]         = sum of n * x / N        n: num_tokens[g, a], N: their sum over all groups
    var[a]          = sum of n * (x - mean[a])^2 / (N - 1)

    Args:
        values: One value per completion, the groups of one step, each of shape (G, A).
        num_tokens: Number of completion tokens of each value, of the same shapes, >= 0. None:
            each completion has weight 1.
        epsilon: Added to the variance.

    Returns:
        Advantages, a list of the same shapes.

    Raises:
        ValueError: If the shapes disagree or a count is negative.

    Note: Equal values, or a single token, give exactly 0. A completion without tokens has weight
        0, but gets a value.

    Source: REINFORCE++, arXiv:2501.03262, section 3.2; the unbiased variance of verl.
    """
    expect_groups(values, min_group_size=1)
    counts = expect_token_counts(values, num_tokens)
    if not values:
        return []
    pooled = np.concatenate(values)  # (sum of G, A)
    weights = np.concatenate(counts).astype(np.float64)
    white = np.column_stack(
        [_whiten(column, weights[:, a], epsilon) for a, column in enumerate(pooled.T)]
    )
    return _like(white, values)


def whiten_tokens(
    values: Sequence[FloatArray],
    num_tokens: Sequence[IntArray],
    *,
    epsilon: float = WHITEN_EPSILON,
) -> list[FloatArray]:
    """Apply `whiten` to values per token.

    Args:
        values: Each of shape (G, A, T); values beyond num_tokens are ignored.
        num_tokens: Each of shape (G, A).
        epsilon: Added to the variance.

    Returns:
        Each of shape (G, A, T), 0 beyond num_tokens; mean 0 and variance 1 per agent over the
        tokens of the step.
    """
    num_agents = values[0].shape[1] if values else 0
    masks = [token_mask(n, group.shape[2]) for group, n in zip(values, num_tokens, strict=True)]
    white = [np.zeros(group.shape) for group in values]
    for a in range(num_agents):
        pooled = np.concatenate(
            [group[:, a][mask[:, a]] for group, mask in zip(values, masks, strict=True)]
        )
        if pooled.size:
            flat = _whiten(pooled, np.ones(pooled.size), epsilon)
            ends = np.cumsum([mask[:, a].sum() for mask in masks])[:-1]
            for group, mask, part in zip(white, masks, np.split(flat, ends), strict=True):
                group[:, a][mask[:, a]] = part
    return white


def _whiten(values: FloatArray, weights: FloatArray, epsilon: float) -> FloatArray:
    total = weights.sum()
    if total <= 1:
        return np.zeros_like(values)
    # Shifting by one of them changes no difference, and makes equal values exactly 0.
    offsets = values - values[np.argmax(weights > 0)]
    centred = offsets - (weights @ offsets) / total
    variance = (weights @ centred**2) / (total - 1)
    white: FloatArray = centred / np.sqrt(variance + epsilon)
    return white


def _like(pooled: FloatArray, groups: Sequence[FloatArray]) -> list[FloatArray]:
    return np.split(pooled, np.cumsum([len(group) for group in groups])[:-1])
