"""Values of a conversation from its features: cross-fitted ridge regressions of the reward."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Self

import numpy as np

from baselines.common.types import FloatArray

NUM_FOLDS = 5
"""Parts of the tasks; the value of a task is from a model that was fitted to the other parts."""

PENALTIES = 10.0 ** np.arange(-1.0, 3.5, 0.5)
"""Candidate ridge penalties, in units of the variance of a feature. The largest leave nearly
nothing of the effects of hidden states."""

DECAY = 0.9
"""Weight of a step relative to the one after it: a memory of some ten steps, because a policy that
learns changes what its messages are worth."""

PAIRS = tuple(combinations(range(NUM_FOLDS), 2))


def fold_of(question: str) -> int:
    """Return the fold of a task, the same in every step, run and process."""
    return _hash_of(question) % NUM_FOLDS


def number_of(question: str) -> float:
    """Return the number of a task, the same in every step, run and process.

    A whole number below 2^52, which float64 stores exactly.
    """
    return float(_hash_of(question) >> 12)


def _hash_of(question: str) -> int:
    """Return 64 bits of a hash of a question."""
    digest = hashlib.sha256(question.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big")


@dataclass(frozen=True, slots=True, eq=False)
class ValueModel:
    """Ridge regressions of the reward on features, one per turn and fold. Immutable.

    value[g, t] = c + sum over i of beta[i] * x[g, t, i], clipped to [-1, 1]
    c, beta     = argmin sum of (R - value)^2 + penalty * n * sum of (sd[i] * beta[i] / ease[i])^2
                      over all rollouts of other folds, those of earlier steps with less weight

    A task belongs to one fold for the whole run, so no reward of a task, of this step or an earlier
    one, enters the values of the task. The penalty of a fold is the one of PENALTIES with the
    smallest error in the other folds, each predicted without itself and without this fold.

    Args:
        moments: Sums over rollouts of the products of (1, x, R), shape (T, NUM_FOLDS, D + 2,
            D + 2): all that the regressions need, so no rollout is kept.
        ease: How much less a feature is penalised than others, shape (D,): few features that say
            much would else be shrunk like many that say little.
    """

    moments: FloatArray
    ease: FloatArray

    @classmethod
    def new(cls, num_turns: int, ease: FloatArray) -> Self:
        """Return a model without any data, whose values are 0."""
        size = len(ease) + 2
        return cls(np.zeros((num_turns, NUM_FOLDS, size, size)), ease)

    def updated(
        self,
        features: Sequence[FloatArray],
        rewards: Sequence[FloatArray],
        folds: Sequence[int],
    ) -> Self:
        """Return the model after a step.

        Args:
            features: Of each group, shape (G, T, D).
            rewards: Of each group, shape (G,), -1 or +1.
            folds: Fold of the task of each group.
        """
        moments = DECAY * self.moments
        for fold in sorted(set(folds)):
            own = [place for place, other in enumerate(folds) if other == fold]
            x = np.concatenate([features[place] for place in own])  # (N, T, D)
            r = np.concatenate([rewards[place] for place in own])
            for turn in range(x.shape[1]):
                z = np.column_stack([np.ones(len(r)), x[:, turn], r])
                moments[turn, fold] += z.T @ z
        return replace(self, moments=moments)

    def values(self, features: Sequence[FloatArray], folds: Sequence[int]) -> list[FloatArray]:
        """Return the value before each turn, one (G, T) array per group."""
        # Intercept and coefficients, (T, NUM_FOLDS, 1 + D).
        effects = np.stack([_fitted(own, self.ease) for own in self.moments])
        predicted = [
            effects[:, fold, 0] + np.einsum("gtd,td->gt", x, effects[:, fold, 1:])
            for x, fold in zip(features, folds, strict=True)
        ]
        return [np.clip(own, -1.0, 1.0) for own in predicted]


def _fitted(moments: FloatArray, ease: FloatArray) -> FloatArray:
    """Return intercept and coefficients for each fold from the others, (NUM_FOLDS, 1 + D)."""
    # Features that are 0 everywhere, such as those of later messages, are left out.
    used = np.flatnonzero(np.diagonal(moments, axis1=-2, axis2=-1).sum(axis=0)[1:-1] > 0.0)
    size = moments.shape[-1]
    kept = np.concatenate([[0], used + 1, [size - 1]])
    moments, ease = moments[:, kept[:, None], kept], ease[used]
    folds = range(NUM_FOLDS)
    errors = np.zeros((NUM_FOLDS, len(PENALTIES)))  # of each fold's models in the other folds
    pairs = _paths(np.stack([_sum_without(moments, pair) for pair in PAIRS]), ease)
    for pair, path in zip(PAIRS, pairs, strict=True):
        for own, other in (pair, pair[::-1]):
            errors[own] += _squared_errors(path, moments[other])
    paths = _paths(np.stack([_sum_without(moments, (fold,)) for fold in folds]), ease)
    effects = np.zeros((NUM_FOLDS, size - 1))
    effects[:, kept[:-1]] = [paths[fold, errors[fold].argmin()] for fold in folds]
    return effects


def _sum_without(moments: FloatArray, left_out: Sequence[int]) -> FloatArray:
    """Return the sum over the other folds, in which nothing of those left out is even rounded."""
    kept = [fold for fold in range(NUM_FOLDS) if fold not in left_out]
    total: FloatArray = moments[kept].sum(axis=0)
    return total


def _paths(moments: FloatArray, ease: FloatArray) -> FloatArray:
    """Return intercept and coefficients of each penalty, (..., penalties, 1 + D)."""
    total = np.maximum(moments[..., :1, :1], np.finfo(float).tiny)
    means = moments[..., :1, 1:] / total  # (..., 1, D + 1)
    covariance = moments[..., 1:, 1:] / total - np.swapaxes(means, -1, -2) * means
    variance = np.diagonal(covariance, axis1=-2, axis2=-1)[..., :-1]
    squares = np.diagonal(moments, axis1=-2, axis2=-1)[..., 1:-1] / total[..., 0]
    varies = variance > 1e-9 * squares  # else rounding
    scale = np.where(varies, ease / np.sqrt(np.where(varies, variance, 1.0)), 0.0)  # (..., D)
    correlation = covariance[..., :-1, :-1] * scale[..., :, None] * scale[..., None, :]
    spectrum, axes = np.linalg.eigh(correlation)
    along = np.einsum("...ij,...i->...j", axes, covariance[..., :-1, -1] * scale)
    shrunk = along[..., None, :] / (np.maximum(spectrum, 0.0)[..., None, :] + PENALTIES[:, None])
    slopes = np.einsum("...ij,...pj->...pi", axes, shrunk) * scale[..., None, :]
    intercepts = means[..., -1] - np.einsum("...pi,...i->...p", slopes, means[..., 0, :-1])
    return np.concatenate([intercepts[..., None], slopes], axis=-1)


def _squared_errors(path: FloatArray, moments: FloatArray) -> FloatArray:
    """Return the sum of squared errors of each penalty in a fold, (penalties,)."""
    residual = np.column_stack([path, np.full(len(path), -1.0)])
    errors: FloatArray = np.einsum("pi,ij,pj->p", residual, moments, residual)
    return errors
