"""Validation of the categories of messages, and of their probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from baselines.common.checks import expect_between, expect_shape
from baselines.common.types import BoolArray, FloatArray, IntArray

SUM_TOLERANCE = 1e-4  # for probabilities computed in float32


def check_features(
    features: npt.ArrayLike | None, num_turns: int, num_rollouts: int
) -> IntArray | None:
    """Return categories of shape (G, T)."""
    if features is None:
        return None
    categories = expect_categories(np.array(features), (num_rollouts, num_turns))
    categories.setflags(write=False)
    return categories


def check_probabilities(
    probabilities: npt.ArrayLike | None, features: IntArray | None
) -> FloatArray | None:
    """Return probabilities of categories, shape (G, T, C), as read-only floats."""
    if probabilities is None:
        return None
    if features is None:
        raise ValueError(
            "probabilities must be of the categories in features, got no features; pass both"
        )
    chances = expect_chances(np.array(probabilities, dtype=np.float64), features)
    chances.setflags(write=False)
    return chances


def expect_chances(chances: npt.NDArray[Any], categories: IntArray) -> FloatArray:
    """Return probabilities of categories, shape (..., T, C), as floats.

    Args:
        chances: The probability of each category when the message was sampled; NaN in all places
            of a turn where they are not known.
        categories: The categories, shape (..., T).

    Raises:
        ValueError: If the shape or a value is invalid.
    """
    remedy = "give each category of `features` its probability, or NaN to all of a turn"
    expect_shape("probabilities", chances, (*categories.shape, "C"), remedy=remedy)
    turns = known_turns(chances, categories.shape[-1])
    known = chances[..., turns, :]
    expect_between("probabilities", known, 0.0, 1.0, remedy=remedy)
    largest = categories[..., turns].max(initial=0)
    if largest >= chances.shape[-1]:
        raise ValueError(
            f"probabilities must have a last size above the largest category {largest}, "
            f"got {chances.shape[-1]}; {remedy}"
        )
    sums = known.sum(axis=-1)
    wrong = sums[np.abs(sums - 1.0) > SUM_TOLERANCE]
    if wrong.size:
        raise ValueError(
            f"probabilities must sum to 1 over the categories, got {wrong[0]:g}; {remedy}"
        )
    return chances.astype(np.float64, copy=False)


def known_turns(chances: FloatArray | None, num_turns: int) -> BoolArray:
    """Return in which turns the probabilities, shape (..., T, C), are known, shape (T,)."""
    if chances is None:
        return np.zeros(num_turns, dtype=np.bool_)
    is_nan = np.isnan(np.moveaxis(chances, -2, 0)).reshape(num_turns, -1)
    known: BoolArray = np.logical_not(np.all(is_nan, axis=1))
    return known


def expect_categories(features: npt.NDArray[Any], shape: tuple[int, ...]) -> IntArray:
    """Return features as integers; raise ValueError if their shape or a value is invalid."""
    remedy = "give each turn of each rollout one category"
    expect_shape("features", features, shape, remedy=remedy)
    if features.dtype.kind not in "iu":
        raise ValueError(f"features must be integers, got {features.dtype}; number them from 0")
    if features.min() < 0:
        raise ValueError(f"features must be >= 0, got {features.min()}; number them from 0")
    return features.astype(np.int64)
