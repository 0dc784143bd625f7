"""Does a formula reproduce the advantages of an agent, up to rounding, zeros and clipping?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines.common.types import BoolArray, FloatArray

MAX_DECIMALS = 8
"""Decimals above which a column is not rounded."""
ROUNDING_SHARE = 0.01
"""Half a unit of the last decimal is allowed for up to this share of the spread."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an advantage may be from a formula's.

    Args:
        spread: Root mean square of the advantages of the agent.
        decimals: Decimals that the column was rounded to; None: it was not.
        allowed: The largest deviation that counts as equal.
    """

    spread: float
    decimals: int | None
    allowed: float


@dataclass(frozen=True, slots=True)
class Fit:
    """How a formula fits the advantages of an agent.

    Args:
        is_match: Whether every row is within the tolerance, except those that were zeroed or
            clipped.
        error: Largest deviation of the other rows, in units of the spread.
        num_zeroed: Rows whose advantage is 0 where the formula's is not.
        clipped_at: Bound to which larger advantages were clipped; None: none were.
        share: Share of the rows within the tolerance, among those that are not 0 in both.
        factor: The number times which the formula reproduces every row, if it is not 1; None: there
            is none.
    """

    is_match: bool
    error: float
    num_zeroed: int = 0
    clipped_at: float | None = None
    share: float = 1.0
    factor: float | None = None


def tolerance_of(advantage: FloatArray, relative: float) -> Tolerance:
    """Return the tolerance for the advantages of an agent.

    allowed = relative * spread + half a unit of the last decimal, if the column was rounded

    Args:
        advantage: Finite advantages, (n,).
        relative: Tolerance in units of the spread.
    """
    spread = float(np.sqrt(np.mean(advantage * advantage))) if len(advantage) else 0.0
    decimals = _decimals(advantage, spread)
    rounding = 0.0 if decimals is None else 0.5 * 10.0**-decimals
    return Tolerance(spread, decimals, relative * spread + 1.01 * rounding)


def _decimals(advantage: FloatArray, spread: float) -> int | None:
    """Return the decimals that all values are rounded to, unless that is too coarse to allow."""
    for decimals in range(MAX_DECIMALS):
        if 0.5 * 10.0**-decimals > ROUNDING_SHARE * spread:
            continue
        rounded = advantage.round(decimals)
        if np.abs(rounded - advantage).max(initial=0.0) <= 1e-9 * max(1.0, spread):
            return decimals
    return None


def fit(advantage: FloatArray, formula: FloatArray, tolerance: Tolerance) -> Fit | None:
    """Return how a formula fits; None if it has no value, or is 0 everywhere.

    Args:
        advantage: Finite advantages, (n,).
        formula: Those of the formula, (n,), NaN where it has none; such rows do not count.
        tolerance: Of these advantages.
    """
    is_known = np.isfinite(formula)
    y, x = (advantage, formula) if is_known.all() else (advantage[is_known], formula[is_known])
    allowed = tolerance.allowed
    if not len(y) or np.abs(x).max() <= allowed:
        return None
    deviation = np.abs(y - x)
    is_equal = deviation <= allowed
    is_informative = (np.abs(x) > allowed) | (np.abs(y) > allowed)
    share = float(is_equal[is_informative].mean())
    if is_equal.all():
        return Fit(True, float(deviation.max()) / tolerance.spread)
    clipped = _clipped(y, x, is_equal, allowed)
    explained = is_equal if clipped is None else is_equal | _is_clipped(y, x, clipped, allowed)
    is_zeroed = (np.abs(y) <= 1e-9 * tolerance.spread) & ~is_equal
    num_informative = int((np.abs(x) > allowed).sum())
    num_zeroed = int(is_zeroed.sum())
    if (explained | is_zeroed).all() and 2 * num_zeroed <= num_informative:
        rest = deviation[is_equal].max(initial=0.0)
        return Fit(True, float(rest) / tolerance.spread, num_zeroed, clipped, share)
    factor = float(y @ x / (x @ x))
    is_multiple = abs(factor) > 1e-6 and bool((np.abs(y - factor * x) <= allowed).all())
    error = float(deviation.max()) / tolerance.spread
    return Fit(False, error, share=share, factor=factor if is_multiple else None)


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
