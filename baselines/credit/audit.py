"""Credit audit: does an allocator lead to other updates than shared credit?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baselines.common.types import FloatArray, IntArray
from baselines.credit.outcomes import GroupOutcomes
from baselines.credit.registry import ALLOCATORS
from baselines.credit.shared import shared_credit
from baselines.credit.turns import speakers_of
from baselines.optimizers import OPTIMIZERS, PolicyOptimizer
from ccpo_env.errors import unknown_name

RELATIVE_TOLERANCE = 1e-9  # far above float64 rounding, far below any useful bonus


@dataclass(frozen=True, slots=True)
class CreditAudit:
    """How one agent's advantage compares with its advantage under shared credit.

    Args:
        slope: Least-squares slope, through the origin, of its advantage on the shared one, over
            all rollouts. NaN if the shared advantage is zero everywhere.
        correlation: Pearson correlation of the two over all rollouts. NaN if either is constant.
        degenerate: True if in every group its advantage in each turn is the shared one times a
            factor, which may be 0. It then ranks the rollouts of each task as shared credit does.
            If every group has one rollout, all groups together count as one.
        signal_rate: Fraction of groups, in [0, 1], in which its advantage is not all zero.
        variance_ratio: Variance of its advantage over that of the shared one, over all rollouts.
            NaN if the shared advantage does not vary.
        sign_agreement: Fraction, in [0, 1], of the rollouts with a non-zero shared advantage whose
            own advantage has the same sign; 0 does not agree. NaN if there are none.
    """

    slope: float
    correlation: float
    degenerate: bool
    signal_rate: float
    variance_ratio: float
    sign_agreement: float


def audit(
    allocator: str,
    *,
    optimizer: str | PolicyOptimizer = "grpo",
    batches: Sequence[GroupOutcomes],
    **arguments: object,
) -> dict[str, CreditAudit]:
    """Compare an allocator with shared credit, after the optimizer's own normalisation.

    slope = sum(x * y) / sum(x * x)      x: advantage from shared credit, y: from the allocator

    Credit that differs from the reward can be cancelled by the advantage. If a bonus compares R
    with a baseline b that is the same for the whole group, the credit of a group has only two
    values, because R is -1 or +1: it is affine in R, c * R + d. Subtracting the group mean removes
    d and leaves c * (R - mean R). Counterfactual credit with baseline "group" is of this kind, with
    c between 1 and 1 + weight / 2: removing the first speaker measures nothing about the message it
    sent.

    Args:
        allocator: Name from ALLOCATORS.
        optimizer: Name from OPTIMIZERS, or one with other hyperparameters; only its advantage is
            used.
        batches: Groups of one step, at least one, all with the same agents.
        **arguments: Passed to the allocator, such as weight=0.5, or state=... for history.

    Returns:
        One CreditAudit per agent.

    Raises:
        ValueError: If a name is unknown, batches is empty or mixes teams, or the allocator or the
            advantage raises it, such as for a group of one rollout.

    Note: In a group of two rollouts with different rewards, the shared advantage already ranks
        them, so only groups of two with equal rewards can show a difference. Not degenerate means
        that the update differs, not that it is better: an advantage whitened over the step keeps d,
        which is a constant per task, and pure noise is not degenerate either.
    """
    if allocator not in ALLOCATORS:
        raise unknown_name("allocator", allocator, ALLOCATORS)
    teams = {(group.agents, group.turns) for group in batches}
    if len(teams) != 1:
        raise ValueError(
            f"batches must hold groups of one team, got {len(teams)} teams in {len(batches)} "
            f"groups; audit each team's groups on their own"
        )
    method = _method(optimizer, batches[0])
    credit = ALLOCATORS[allocator].many(batches, **arguments)
    return audit_advantages(method.advantage(credit), method, batches)


def audit_advantages(
    allocated: Sequence[FloatArray],
    optimizer: str | PolicyOptimizer,
    batches: Sequence[GroupOutcomes],
    *,
    num_tokens: Sequence[IntArray] | None = None,
) -> dict[str, CreditAudit]:
    """Return what `audit` returns, from advantages that have already been computed.

    Args:
        allocated: Advantages of the allocator's credit, one array of shape (G, A) per group, or
            (G, T) with turns: an agent is compared over all its turns.
        optimizer: Name from OPTIMIZERS, or one with other hyperparameters: the one that computed
            the advantages.
        batches: The groups they belong to, at least one, all with the same agents.
        num_tokens: Completion tokens that they were computed with, of the same shapes; None if
            they were computed without.
    """
    method = _method(optimizer, batches[0])
    shared = method.advantage([shared_credit(g) for g in batches], num_tokens)
    sizes = np.array([len(group) for group in shared])
    speakers = np.array(speakers_of(batches[0]))
    audits = {}
    for agent in batches[0].agents:
        own = np.flatnonzero(speakers == agent)
        x, y = (np.concatenate([g.T[own].ravel() for g in each]) for each in (shared, allocated))
        audits[agent] = compare_advantages(
            x, y, group_sizes=sizes * len(own), turn_sizes=sizes.repeat(len(own))
        )
    return audits


def _method(optimizer: str | PolicyOptimizer, team: GroupOutcomes) -> PolicyOptimizer:
    """Return the optimizer for a team; agents are named ``<role>_<number>``."""
    if isinstance(optimizer, PolicyOptimizer):
        method = optimizer
    elif optimizer in OPTIMIZERS:
        method = OPTIMIZERS[optimizer]
    else:
        raise unknown_name("optimizer", optimizer, OPTIMIZERS)
    speakers = speakers_of(team)
    roles = [speaker.rpartition("_")[0] for speaker in speakers]
    return method if method.agents else method.for_team(speakers, roles)


def compare_advantages(
    x: FloatArray,
    y: FloatArray,
    *,
    group_sizes: IntArray,
    turn_sizes: IntArray,
    tolerance: float | None = None,
) -> CreditAudit:
    """Compare the advantages of an agent with its shared ones.

    Args:
        x: Shared advantages of its messages, those of a group consecutive, and in a group those of
            a turn, (n,).
        y: Its own advantages, (n,).
        group_sizes: Number of messages in each group; their sum is n.
        turn_sizes: Number of messages in each turn of each group; their sum is n.
        tolerance: Differences that count as none. None: float64 rounding.
    """
    if tolerance is None:
        # Rewards have magnitude 1, so anything below this is rounding.
        tolerance = RELATIVE_TOLERANCE * max(1.0, float(np.abs(y).max()))
    centred_x, centred_y = x - x.mean(), y - y.mean()
    variance_x, variance_y = (float(c @ c) / len(c) for c in (centred_x, centred_y))
    has_spread_x, has_spread_y = (v > tolerance * tolerance for v in (variance_x, variance_y))
    scale = math.sqrt(variance_x * variance_y) * len(x)
    return CreditAudit(
        slope=float(x @ y / (x @ x)) if np.abs(x).max() > tolerance else math.nan,
        correlation=_within_one(float(centred_x @ centred_y) / scale)
        if has_spread_x and has_spread_y
        else math.nan,
        degenerate=_are_multiples(*_ranked(x, y, group_sizes, turn_sizes), tolerance),
        signal_rate=float((_per_group(np.maximum, np.abs(y), group_sizes) > tolerance).mean()),
        variance_ratio=variance_y / variance_x if has_spread_x else math.nan,
        sign_agreement=_sign_agreement(x, y, tolerance),
    )


def _within_one(correlation: float) -> float:
    return max(-1.0, min(1.0, correlation))  # rounding can exceed 1


def _sign_agreement(x: FloatArray, y: FloatArray, tolerance: float) -> float:
    has_sign = np.abs(x) > tolerance
    if not has_sign.any():
        return math.nan
    agrees = (x * y > 0.0) & (np.abs(y) > tolerance)
    return float(agrees[has_sign].mean())


def _ranked(
    x: FloatArray, y: FloatArray, group_sizes: IntArray, turn_sizes: IntArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return the advantages in sets that are ranked, with their sizes.

    They are the turns of a group, or where groups have one rollout each turn of all groups.
    """
    if turn_sizes.max() > 1:
        return x, y, turn_sizes
    starts = group_sizes.cumsum() - group_sizes
    turn = np.arange(len(x)) - starts.repeat(group_sizes)
    order = np.argsort(turn, kind="stable")
    return x[order], y[order], np.bincount(turn)


def _are_multiples(x: FloatArray, y: FloatArray, sizes: IntArray, tolerance: float) -> bool:
    """Return whether in every group of these sizes y is a multiple of x, zero included."""
    squares = _per_group(np.add, x * x, sizes)
    has_signal = _per_group(np.maximum, np.abs(x), sizes) > tolerance
    products = _per_group(np.add, x * y, sizes)
    factors = np.divide(products, squares, out=np.zeros(len(sizes)), where=has_signal)
    return bool(np.abs(y - factors.repeat(sizes) * x).max() <= tolerance)


def _per_group(combine: np.ufunc, values: FloatArray, sizes: IntArray) -> FloatArray:
    """Return the sum, or the maximum, of each group's values, which are consecutive."""
    combined: FloatArray = combine.reduceat(values, sizes.cumsum() - sizes)
    return combined
