"""Learning curves at equal cost: accuracy after a number of tokens, and its mean up to there.

Accuracy is measured between training steps, and methods whose steps cost different numbers of
tokens are measured at different ones. Between two evaluations, curves are interpolated with
monotone cubics, which stay between the two. Nothing is extrapolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from baselines.common.types import FloatArray

MIN_EVALUATIONS = 10
"""Fewest evaluations during training for a mean over it: with 10 to 20 of them, leaving out some
moves the mean by less than 0.005; with half as many, by up to 0.03."""


def curve_at(tokens: Sequence[float], values: Sequence[float], at: npt.ArrayLike) -> FloatArray:
    """Return a curve at some numbers of tokens.

    Args:
        tokens: Numbers of tokens of the measured points, increasing.
        values: What was measured there.
        at: Numbers of tokens within the measured range.

    Raises:
        ValueError: If `at` is outside of the measured range.

    Source: Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5 (1984) 300-304, for the slopes.
    """
    wanted = np.asarray(at, dtype=np.float64)
    _expect_measured(tokens, float(wanted.min()), float(wanted.max()))
    if len(tokens) == 1:
        return np.full(wanted.shape, float(values[0]))
    found: FloatArray = _interpolated(tokens, values)(wanted)
    return found


def mean_until(tokens: Sequence[float], values: Sequence[float], until: float) -> float | None:
    """Return the mean of a curve over the tokens from 0, the area under it divided by its width.

    Args:
        tokens: Numbers of tokens of the measured points, increasing from 0.
        values: What was measured there.
        until: End of the range, above 0.

    Returns:
        The mean; None with fewer than MIN_EVALUATIONS evaluations after the first token, up to the
        first one at or after the end.

    Raises:
        ValueError: If the range was not measured.
    """
    _expect_measured(tokens, 0.0, until)
    if evaluations_until(tokens, until) < MIN_EVALUATIONS:
        return None
    return float(_interpolated(tokens, values).integrate(0.0, until) / until)


def evaluations_until(tokens: Sequence[float], until: float) -> int:
    """Return the number of evaluations after 0 tokens, up to the first at or after the end."""
    before = sum(0 < own < until for own in tokens)
    return before + any(own >= until for own in tokens)


def _interpolated(tokens: Sequence[float], values: Sequence[float]) -> Any:
    # scipy is loaded when it is needed, so that commands start faster
    return import_module("scipy.interpolate").PchipInterpolator(tokens, values, extrapolate=False)


def _expect_measured(tokens: Sequence[float], low: float, high: float) -> None:
    if not tokens or low < tokens[0] or high > tokens[-1]:
        raise ValueError(
            f"a curve must have been measured from {low:.0f} to {high:.0f} tokens, got "
            f"{list(tokens)}; compare runs on their common range"
        )
