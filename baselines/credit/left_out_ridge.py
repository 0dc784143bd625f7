"""Kernel ridge regression that predicts each rollout of a group from the others."""

from __future__ import annotations

import numpy as np

from baselines.common.types import FloatArray

TIE = 1e-9  # relative; far above rounding, so that reordered rollouts select the same ridge


def left_out_duals(rewards: FloatArray, kernel: FloatArray, ridges: FloatArray) -> FloatArray:
    """Return the dual weights of the ridge regressions without each rollout.

    dual = Q y / ridge      Q = ridge * (H K H + ridge)^-1 without its constant part, H = centring
    error of rollout g when left out = dual[g] / Q[g, g]
    dual without g = dual - Q[:, g] * dual[g] / Q[g, g]

    Args:
        rewards: y, shape (..., G).
        kernel: K, positive semi-definite, shape (..., G, G).
        ridges: Candidate penalties, the strongest first; the one with the smallest sum of squared
            errors of the left-out rollouts is taken.

    Returns:
        Row g: the weights without rollout g, shape (..., G, G), 0 on the diagonal.
    """
    num_rollouts = rewards.shape[-1]
    centring = np.eye(num_rollouts) - 1.0 / num_rollouts
    sizes, vectors = np.linalg.eigh(centring @ kernel @ centring)  # (..., G), (..., G, G)
    transposed = np.swapaxes(vectors, -1, -2)
    sizes = np.maximum(sizes, 0.0)[..., None]  # (..., G, 1), without rounding errors below 0
    offsets = (centring @ rewards[..., None])[..., 0]
    precision = _best_precision(sizes, vectors, transposed @ offsets[..., None], ridges)
    kept = 1.0 / (1.0 + sizes * precision)
    q = vectors @ (kept * transposed) - 1.0 / num_rollouts
    dual = q @ offsets[..., None]  # (..., G, 1)
    error = dual / np.diagonal(q, axis1=-2, axis2=-1)[..., None]
    without: FloatArray = (np.swapaxes(dual, -1, -2) - error * q) * precision
    return without


def left_out_predictions(rewards: FloatArray, kernel: FloatArray, duals: FloatArray) -> FloatArray:
    """Return the prediction of each rollout by the model fitted without it, shape (..., G).

    Args:
        rewards: y, shape (..., G).
        kernel: K, shape (..., G, G).
        duals: The weights of `left_out_duals`.

    Note: The intercept, the mean of what the model leaves over, is not penalised.
    """
    effects = duals @ kernel  # (..., G, G): of rollout j without g
    own = np.diagonal(effects, axis1=-2, axis2=-1)
    rest = rewards[..., None, :] - effects
    total = np.add.reduce(rest, axis=-1) - np.diagonal(rest, axis1=-2, axis2=-1)
    predicted: FloatArray = total / (rewards.shape[-1] - 1) + own
    return predicted


def _best_precision(
    sizes: FloatArray, vectors: FloatArray, projected: FloatArray, ridges: FloatArray
) -> FloatArray:
    """Return 1 / ridge with the smallest sum of squared errors of left-out rollouts."""
    num_rollouts = vectors.shape[-1]
    precisions = 1.0 / ridges
    kept = 1.0 / (1.0 + sizes * precisions)  # (..., G, L)
    dual = vectors @ (kept * projected)  # (..., G, L)
    diagonal = np.square(vectors) @ kept - 1.0 / num_rollouts  # (..., G, L)
    errors = np.add.reduce(np.square(dual / diagonal), axis=-2)  # (..., L)
    within_tie = errors <= errors.min(axis=-1, keepdims=True) * (1.0 + TIE)
    best: FloatArray = precisions[within_tie.argmax(axis=-1)]  # the strongest ridge of the best
    return best[..., None, None]
