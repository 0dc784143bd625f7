"""Does a formula reproduce the advantages of an agent, up to rounding, zeros and clipping?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines.common.types import BoolArray, FloatArray, IntArray

MAX_DECIMALS = 8
"""Decimals above which a column is not rounded."""
LEAST_SUPPORT = 8
"""Rows with an advantage that is not 0 that must support a formula before it is named."""
ROUNDING_SHARE = 0.01
"""Half a unit of the last decimal is allowed for up to this share of the spread."""
HALF_PRECISIONS = (("bfloat16", 8), ("float16", 11))
"""Floating-point types of 16 bits, and the bits of their significands."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an advantage may be from a formula's.

    Args:
        spread: Root mean square of the advantages of the agent.
        decimals: Decimals that the column was rounded to; None: it was not.
        precision: Floating-point type of 16 bits that it was rounded to; None: it was not.
        allowed: The largest deviation that counts as equal.
    """

    spread: float
    decimals: int | None
    precision: str | None
    allowed: float


@dataclass(frozen=True, slots=True)
class Fit:
    """How a formula fits the advantages of an agent.

    Args:
        is_match: Whether every row is within the tolerance, except groups that were zeroed, and
            rows that were clipped.
        error: Largest deviation of the other rows, in units of the spread.
        num_support: Rows with an advantage that is not 0 which a match reproduces, neither zeroed
            nor clipped.
        num_support_groups: Groups that these are in.
        num_zeroed: Rows of whole groups whose advantages are 0 where the formula's are not.
        clipped_at: Bound to which larger advantages were clipped; None: none were.
        share: Share of the rows within the tolerance, among those that are not 0 in both.
        factor: The number times which the formula reproduces every row, if it is not 1; None: there
            is none.
    """

    is_match: bool
    error: float
    num_support: int = 0
    num_support_groups: int = 0
    num_zeroed: int = 0
    clipped_at: float | None = None
    share: float = 1.0
    factor: float | None = None


def tolerance_of(advantage: FloatArray, relative: float) -> Tolerance:
    """Return the tolerance for the advantages of an agent.

    allowed = relative * spread + rounding

    The rounding is half a unit of the last decimal, if the column was rounded to decimals, or of
    the last bit of the largest advantage, if it was rounded to 16 bits.

    Args:
        advantage: Finite advantages, (n,).
        relative: Tolerance in units of the spread.
    """
    spread = float(np.sqrt(np.mean(advantage * advantage))) if len(advantage) else 0.0
    decimals = _decimals(advantage, spread)
    precision, bits = (None, None) if decimals is not None else _half_precision(advantage)
    rounding = 0.0
    if decimals is not None:
        rounding = 0.5 * 10.0**-decimals
    elif bits is not None:
        rounding = float(np.abs(advantage).max()) * 2.0**-bits
    return Tolerance(spread, decimals, precision, relative * spread + 1.01 * rounding)


def _half_precision(advantage: FloatArray) -> tuple[str, int] | tuple[None, None]:
    """Return the type of 16 bits that all values have, and the bits of its significand."""
    if not advantage.any():
        return None, None
    significands = np.frexp(advantage)[0]
    for precision, bits in HALF_PRECISIONS:
        scaled = np.ldexp(significands, bits)
        if (scaled == np.rint(scaled)).all():
            return precision, bits
    return None, None


def _decimals(advantage: FloatArray, spread: float) -> int | None:
    """Return the decimals that all values are rounded to, unless that is too coarse to allow."""
    for decimals in range(MAX_DECIMALS):
        if 0.5 * 10.0**-decimals > ROUNDING_SHARE * spread:
            continue
        rounded = advantage.round(decimals)
        if np.abs(rounded - advantage).max(initial=0.0) <= 1e-9 * max(1.0, spread):
            return decimals
    return None


def fit(
    advantage: FloatArray, formula: FloatArray, group: IntArray, tolerance: Tolerance
) -> Fit | None:
    """Return how a formula fits; None if it has no value, or is 0 everywhere.

    Zeros are an exception to a formula only if they fill groups, as those that a trainer has
    masked; single zeros are deviations like others. Most rows that are not 0 must have a value.

    Args:
        advantage: Finite advantages, (n,).
        formula: Those of the formula, (n,), NaN where it has none; such rows do not count.
        group: Group of each row, (n,), numbered from 0.
        tolerance: Of these advantages.
    """
    y, x, own = advantage, formula, group
    allowed = tolerance.allowed
    num_unknown = 0
    if not (is_known := np.isfinite(formula)).all():
        y, x, own = advantage[is_known], formula[is_known], group[is_known]
        num_unknown = int((np.abs(advantage[~is_known]) > allowed).sum())
    if not len(y) or np.abs(x).max() <= allowed:
        return None
    deviation = np.abs(y - x)
    is_equal = deviation <= allowed
    is_informative = (np.abs(x) > allowed) | (np.abs(y) > allowed)
    share = float(is_equal[is_informative].mean())
    clipped = None if is_equal.all() else _clipped(y, x, is_equal, allowed)
    explained = is_equal if clipped is None else is_equal | _is_clipped(y, x, clipped, allowed)
    is_zeroed = ~is_equal & _in_zero_groups(y, own, 1e-9 * tolerance.spread)
    num_informative = int((np.abs(x) > allowed).sum())
    num_zeroed = int(is_zeroed.sum())
    support = own[is_equal & (np.abs(y) > allowed)]
    is_most = 2 * num_zeroed <= num_informative and num_unknown <= len(support)
    if (explained | is_zeroed).all() and is_most:
        return Fit(
            True,
            float(deviation[is_equal].max(initial=0.0)) / tolerance.spread,
            num_support=len(support),
            num_support_groups=len(np.unique(support)),
            num_zeroed=num_zeroed,
            clipped_at=clipped,
            share=share,
        )
    factor = float(y @ x / (x @ x))
    is_multiple = abs(factor) > 1e-6 and bool((np.abs(y - factor * x) <= allowed).all())
    error = float(deviation.max()) / tolerance.spread
    return Fit(False, error, share=share, factor=factor if is_multiple else None)


def affine_factor(
    advantage: FloatArray, reward: FloatArray, cell: IntArray, tolerance: Tolerance
) -> float | None:
    """Return the a of advantage = a * reward + b[cell] within the tolerance; None if there is none.

    There is none either where a cell has one row, which any b explains, or fewer than LEAST_SUPPORT
    rows have a reward other than the mean of their cell.

    Args:
        advantage: Finite advantages, (n,).
        reward: Rewards, (n,).
        cell: Which rows have one baseline b, (n,), numbered from 0.
        tolerance: Of these advantages.
    """
    sizes = np.bincount(cell)
    x, y = (
        each - (np.bincount(cell, each) / np.maximum(sizes, 1))[cell]
        for each in (reward, advantage)
    )
    is_informative = np.abs(x) > 1e-9 * max(1.0, float(np.abs(reward).max(initial=0.0)))
    if (sizes == 1).any() or is_informative.sum() < LEAST_SUPPORT:
        return None
    factor = float(x @ y / (x @ x))
    is_zero = np.abs(factor * x).max() <= tolerance.allowed
    is_affine = np.abs(y - factor * x).max() <= tolerance.allowed
    return factor if is_affine and not is_zero else None


def _in_zero_groups(y: FloatArray, group: IntArray, smallest: float) -> BoolArray:
    """Return which rows are in groups of several rows whose advantages are all 0."""
    is_zero = np.abs(y) <= smallest
    if not is_zero.any():
        return is_zero
    is_filled: BoolArray = (np.bincount(group, ~is_zero) == 0.0) & (np.bincount(group) > 1)
    found: BoolArray = is_filled[group]
    return found


def _clipped(y: FloatArray, x: FloatArray, is_equal: BoolArray, allowed: float) -> float | None:
    """Return the bound if all larger values, of which there are fewer than others, are at it."""
    bound = float(np.abs(y).max())
    is_beyond = np.abs(x) > bound + allowed
    num_inside = int((is_equal & (np.abs(x) > allowed) & (np.abs(y) < bound - allowed)).sum())
    is_bounded = bool(_is_clipped(y, x, bound, allowed)[is_beyond].all())
    return bound if is_beyond.any() and is_bounded and is_beyond.sum() <= num_inside else None


def _is_clipped(y: FloatArray, x: FloatArray, bound: float, allowed: float) -> BoolArray:
    clipped: BoolArray = (np.abs(x) > bound + allowed) & (np.abs(y - np.sign(x) * bound) <= allowed)
    return clipped
