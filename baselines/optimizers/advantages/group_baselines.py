"""Baselines from a group: its mean, the mean of the other rollouts, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from baselines.common.types import FloatArray
from baselines.optimizers.advantages.step_credit import expect_groups

Z_SCORE_EPSILON = 1e-6
"""As in verl (TRL: 1e-4); far below any relevant difference in credit."""


def no_baseline(credit: Sequence[FloatArray]) -> list[FloatArray]:
    """Return the credit unchanged; groups of one rollout are allowed.

    Args:
        credit: The groups of one step, each of shape (G, A) with G >= 1.
    """
    expect_groups(credit, min_group_size=1)
    return [group.astype(np.float64) for group in credit]


def group_mean(credit: Sequence[FloatArray]) -> list[FloatArray]:
    """Subtract from each agent's credit its mean over the group.

    advantage[g, a] = credit[g, a] - mean over g of credit[g, a]

    Args:
        credit: The groups of one step, each of shape (G, A) with G >= 2.

    Returns:
        Advantages, a list of the same shapes. They sum to zero per group and agent.

    Raises:
        ValueError: If a group has fewer than two rollouts: its mean is the rollout itself.

    Note: If all credit in a group is equal, the result is exactly 0, without rounding error.

    Source: GRPO, arXiv:2402.03300, section 4.1.2, without the division by the standard deviation.
    """
    expect_groups(credit, min_group_size=2)
    return _by_shape(credit, _centred)


def group_z_score(
    credit: Sequence[FloatArray], *, epsilon: float = Z_SCORE_EPSILON
) -> list[FloatArray]:
    """Divide the result of `group_mean` by the standard deviation over the group.

    advantage[g, a] = (credit[g, a] - mean[a]) / (std[a] + epsilon)
    std[a]^2        = sum over g of (credit[g, a] - mean[a])^2 / (G - 1)

    Args:
        credit: The groups of one step, each of shape (G, A) with G >= 2.
        epsilon: Added to the standard deviation.

    Raises:
        ValueError: If a group has fewer than two rollouts.

    Note: If all credit in a group is equal, the result is exactly 0. Tiny differences are scaled
        up to the size of a reward.

    Source: GRPO, arXiv:2402.03300, section 4.1.2; the unbiased standard deviation of TRL and verl.
    """

    def scaled(groups: FloatArray) -> FloatArray:
        centred = _centred(groups)
        scores: FloatArray = centred / (centred.std(axis=1, ddof=1, keepdims=True) + epsilon)
        return scores

    expect_groups(credit, min_group_size=2)
    return _by_shape(credit, scaled)


def group_relative(credit: Sequence[FloatArray], *, std: bool = False) -> list[FloatArray]:
    """Return `group_z_score` if std is True, else `group_mean`."""
    return group_z_score(credit) if std else group_mean(credit)


def leave_one_out(credit: Sequence[FloatArray]) -> list[FloatArray]:
    """Subtract from each agent's credit the mean of the other rollouts of its group.

    advantage[g, a] = credit[g, a] - mean over h != g of credit[h, a]

    Args:
        credit: The groups of one step, each of shape (G, A) with G >= 2.

    Raises:
        ValueError: If a group has fewer than two rollouts.

    Note: Equals `group_mean` times G / (G - 1): the same direction per group, a different weight.

    Source: RLOO, arXiv:2402.14740, section 3.3; Kool et al. 2019.
    """
    return [group * (len(group) / (len(group) - 1)) for group in group_mean(credit)]


def _centred(groups: FloatArray) -> FloatArray:
    """Return N groups of one shape, (N, G, A), minus their means."""
    # Shifting by the first rollout changes no difference, and makes equal credit exactly 0.
    offsets = groups - groups[:, :1]
    centred: FloatArray = offsets - offsets.mean(axis=1, keepdims=True)
    return centred


def _by_shape(
    groups: Sequence[FloatArray], compute: Callable[[FloatArray], FloatArray]
) -> list[FloatArray]:
    """Apply a function of (N, G, A) to all groups, those of one shape at once."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, group in enumerate(groups):
        alike.setdefault(group.shape, []).append(place)
    computed: dict[int, FloatArray] = {}
    for shape, places in alike.items():
        stacked = np.concatenate([groups[place] for place in places]).reshape(-1, *shape)
        computed.update(zip(places, compute(stacked), strict=True))
    return [computed[place] for place in range(len(groups))]
