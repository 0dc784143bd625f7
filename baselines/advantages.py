"""Relative to what: from the credit of a whole step to its advantages.

Each function takes the step as a list of (G, A) credit arrays, one per group, because some
normalise across groups. Groups may differ in size: unmeasured rollouts have been dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

from baselines.shapes import expect_shape
from baselines.types import FloatArray


def group_mean(credit: Sequence[FloatArray]) -> list[FloatArray]:
    """Subtract from each agent's credit its mean over the group.

    advantage[g, a] = credit[g, a] - mean over g of credit[g, a]

    Args:
        credit: The groups of one step, each of shape (G, A) with G >= 2.

    Returns:
        Advantages, a list of the same shapes. They sum to zero per group and agent.

    Raises:
        ValueError: If a group has fewer than two rollouts: its mean is the rollout itself.

    Note: Equal credit throughout a group gives exactly 0, not a rounding error.

    Source: GRPO, arXiv:2402.03300, section 4.1.2, without the division by the standard deviation.
    """
    _expect_groups(credit)
    # Counted from the first rollout: it changes no difference, and equal credit becomes 0.
    offsets = [group - group[:1] for group in credit]
    return [offset - offset.mean(axis=0) for offset in offsets]


def _expect_groups(credit: Sequence[FloatArray]) -> None:
    for index, group in enumerate(credit):
        expect_shape(
            f"credit of group {index}", group, ("G", "A"), remedy="give each agent a column"
        )
        if len(group) < 2:
            raise ValueError(
                f"group_size must be >= 2, got 1 rollout in group {index}; "
                f"raise --group-size, or drop a group whose other rollouts were not measured"
            )
