"""Audit: does an allocator teach anything that the shared reward does not?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baselines.credit.outcomes import GroupOutcomes
from baselines.credit.registry import ALLOCATORS
from baselines.credit.shared import shared_credit
from baselines.optimizers import OPTIMIZERS
from baselines.types import FloatArray
from ccpo_env.errors import unknown_name

RELATIVE_TOLERANCE = 1e-9  # far above float64 rounding, far below any bonus worth paying


@dataclass(frozen=True, slots=True)
class CreditAudit:
    """How one agent's advantage compares with the one it would get from shared credit.

    Args:
        slope: Least-squares slope, through the origin, of its advantage on the shared one, over
            all rollouts. NaN if the shared advantage is zero everywhere.
        correlation: Pearson correlation of the two over all rollouts. NaN if either is constant.
        degenerate: True if in every group its advantage is the shared one times a factor of that
            group, which may be 0. It then ranks no rollout of a task differently.
        signal_rate: Share of groups, in [0, 1], in which its advantage is not zero throughout.
    """

    slope: float
    correlation: float
    degenerate: bool
    signal_rate: float


def audit(
    allocator: str,
    *,
    optimizer: str = "grpo",
    batches: Sequence[GroupOutcomes],
    **knobs: object,
) -> dict[str, CreditAudit]:
    """Compare an allocator with shared credit, after the optimizer's own normalisation.

    slope = sum(x * y) / sum(x * x)      x: advantage from shared credit, y: from the allocator

    Credit that looks new can cancel in the advantage. If a bonus compares R with a number b that
    the whole group shares, R is -1 or +1 and so the credit of a group has two values: it is
    affine in R, c * R + d. Subtracting the group mean removes d and leaves c * (R - mean R).
    Counterfactual credit with baseline "group" is of this kind, with c between 1 and
    1 + weight / 2: a first speaker's removal says nothing about what it said.

    Args:
        allocator: Name from ALLOCATORS.
        optimizer: Name from OPTIMIZERS; only its advantage is used.
        batches: Groups of one step, at least one, all with the same agents.
        **knobs: Passed on to the allocator.

    Returns:
        One CreditAudit per agent.

    Raises:
        ValueError: If a name is unknown, batches is empty or mixes teams; and whatever the
            allocator and the advantage refuse, such as a group of one rollout.

    Note: Of two rollouts the shared advantage is zero or already ranks them, so groups of two
        can only be told apart where their rewards are equal.
    """
    if allocator not in ALLOCATORS:
        raise unknown_name("allocator", allocator, ALLOCATORS)
    if optimizer not in OPTIMIZERS:
        raise unknown_name("optimizer", optimizer, OPTIMIZERS)
    teams = {group.agents for group in batches}
    if len(teams) != 1:
        raise ValueError(
            f"batches must hold groups of one team, got {len(teams)} teams in {len(batches)} "
            f"groups; audit each team's groups on their own"
        )
    credit = [ALLOCATORS[allocator](group, **knobs) for group in batches]
    return audit_advantages(OPTIMIZERS[optimizer].advantage(credit), optimizer, batches)


def audit_advantages(
    allocated: Sequence[FloatArray], optimizer: str, batches: Sequence[GroupOutcomes]
) -> dict[str, CreditAudit]:
    """Return what `audit` does, from advantages that have been computed already.

    Args:
        allocated: Advantages of the allocator's credit, one array of shape (G, A) per group.
        optimizer: Name from OPTIMIZERS, the one that made them.
        batches: The groups they belong to, at least one, all with the same agents.
    """
    shared = OPTIMIZERS[optimizer].advantage([shared_credit(group) for group in batches])
    return {
        agent: _compare(
            [group[:, column] for group in shared], [group[:, column] for group in allocated]
        )
        for column, agent in enumerate(batches[0].agents)
    }


def _compare(shared: list[FloatArray], allocated: list[FloatArray]) -> CreditAudit:
    x, y = np.concatenate(shared), np.concatenate(allocated)
    # Rewards have unit size, so what is below this is rounding even if nothing else is left.
    tolerance = RELATIVE_TOLERANCE * max(1.0, float(np.abs(y).max()))
    return CreditAudit(
        slope=_slope(x, y, tolerance),
        correlation=_correlation(x, y, tolerance),
        degenerate=all(
            _is_multiple(*group, tolerance) for group in zip(shared, allocated, strict=True)
        ),
        signal_rate=float(np.mean([np.abs(group).max() > tolerance for group in allocated])),
    )


def _slope(x: FloatArray, y: FloatArray, tolerance: float) -> float:
    return float(x @ y / (x @ x)) if np.abs(x).max() > tolerance else math.nan


def _correlation(x: FloatArray, y: FloatArray, tolerance: float) -> float:
    if min(x.std(), y.std()) <= tolerance:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])


def _is_multiple(x: FloatArray, y: FloatArray, tolerance: float) -> bool:
    """Return whether y is a multiple of x, zero included."""
    factor = np.nan_to_num(_slope(x, y, tolerance))
    return bool(np.abs(y - factor * x).max() <= tolerance)
