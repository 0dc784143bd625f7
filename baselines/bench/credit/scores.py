"""Scores of estimated advantages against true ones, for one seed."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from baselines.common.types import FloatArray, IntArray

Scores = dict[str, float]

QUANTITIES: Mapping[str, str] = {
    "skill": "1 - MSE / MSE of predicting zero; 1 is perfect, below 0 is worse than zero",
    "bias2": "squared bias, in units of the MSE of predicting zero",
    "variance": "variance given the agent's prompt and completion, in the same units",
    "slope": "least-squares slope of the estimate on the truth; 1 is calibrated",
    "spearman": "rank correlation with the truth",
    "sign": "share of advantages with the true sign; an estimate of 0 counts one half",
    "cosine": "cosine of one group's gradient to the exact policy gradient",
    "cosine_shared": "the same for shared credit with as many whole groups as the tokens allow",
    "gain": "cosine minus that of shared credit with the same tokens, within each seed",
    "cosine_at_budget": "cosine of the mean gradient of as many groups as one budget allows",
}
"""Scores by name, with their meaning."""


def centred(values: FloatArray) -> FloatArray:
    """Return values (..., G, A) minus their group mean.

    Credit is only defined up to a constant per task, so estimates and true advantages are centred
    before they are compared.
    """
    differences: FloatArray = values - values.mean(axis=-2, keepdims=True)
    return differences


def accuracy_scores(estimate: FloatArray, truth: FloatArray) -> Scores:
    """Return skill, slope, Spearman and sign accuracy.

    MSE = mean (e - h1) (e - h2)      MSE of zero = mean h1 * h2      slope = mean e * h / that

    with e the estimate, h1 and h2 the two estimates of the truth and h their mean, all centred
    over the group. As the errors of h1 and h2 are independent, they do not bias these means;
    with exact true advantages, h1 = h2.

    Args:
        estimate: Advantages or credit, shape (N, G, A).
        truth: True advantages, shape (2, N, G, A).

    Note: Rank correlation and sign accuracy use h, so errors of sampled true advantages lower
        them. The rank correlation of a constant estimate is NaN.
    """
    guess, (one, two) = centred(estimate), centred(truth)
    reference = (one + two) / 2.0
    scale = float((one * two).mean())
    return {
        "skill": 1.0 - float(((guess - one) * (guess - two)).mean()) / scale,
        "slope": float((guess * reference).mean()) / scale,
        "spearman": spearman(guess, reference),
        "sign": sign_accuracy(guess, reference),
    }


def split_scores(estimate: FloatArray, truth: FloatArray, kept: IntArray) -> Scores:
    """Return squared bias and variance from the pairs of groups.

    bias2 = mean x * y      variance = mean (x^2 + y^2) / 2 - bias2

    with x and y the errors of the first rollout's credit in both groups of a pair, for the agent
    whose prompt and completion were kept. The common part of both errors is bias: more samples of
    the rest do not reduce it.

    Args:
        estimate: Advantages or credit, shape (N, G, A), where the second half are twins of the
            first.
        truth: True advantages, shape (2, N, G, A).
        kept: Index of the agent whose turn each pair keeps, shape (N / 2,).

    Returns:
        Both in units of the MSE of predicting zero over all groups.
    """
    one, two = centred(truth)
    errors = np.stack([centred(estimate) - one, centred(estimate) - two])[:, :, 0]  # (2, N, A)
    pairs = np.arange(len(kept))
    first, again = errors[:, pairs, kept], errors[:, len(kept) + pairs, kept]  # (2, N / 2)
    scale = float((one * two).mean())
    # Errors of the truth are independent only across its two estimates.
    bias2 = float((first[0] * again[1] + first[1] * again[0]).mean()) / 2.0
    mse = float((first[0] * first[1] + again[0] * again[1]).mean()) / 2.0
    return {"bias2": bias2 / scale, "variance": (mse - bias2) / scale}


def spearman(estimate: FloatArray, truth: FloatArray) -> float:
    """Return Spearman's rank correlation with mean ranks for ties; NaN if constant."""
    from scipy.stats import rankdata

    # Without rounding, numerical noise would break ties.
    ranks = [rankdata(np.round(values, 12)) for values in (estimate, truth)]
    if min(np.ptp(rank) for rank in ranks) == 0:
        return math.nan
    return float(np.corrcoef(*ranks)[0, 1])


def sign_accuracy(estimate: FloatArray, truth: FloatArray) -> float:
    """Return the rate of correct signs where the true value is not 0; an estimate of 0 is half."""
    estimate, truth = np.round(estimate, 12), np.round(truth, 12)
    matters = truth != 0
    if not matters.any():
        return math.nan
    agreement = np.sign(estimate[matters]) * np.sign(truth[matters])  # -1, 0 or 1
    return float((agreement + 1.0).mean() / 2.0)


def cosine(estimates: FloatArray, exact: FloatArray, groups_per_update: int) -> float:
    """Return the mean cosine of updates to the exact gradient.

    Args:
        estimates: Gradient of each group, shape (N, P).
        exact: Exact gradient, shape (P,).
        groups_per_update: Groups whose gradients are averaged into one update, at least 1;
            an incomplete last update is dropped. NaN if there is no complete update.

    Note: The cosine of a zero update is 0.
    """
    num_updates = len(estimates) // groups_per_update
    used = estimates[: num_updates * groups_per_update]
    if num_updates == 0:
        return math.nan
    updates = used.reshape(num_updates, groups_per_update, -1).mean(axis=1)
    lengths = np.linalg.norm(updates, axis=1) * np.linalg.norm(exact)
    products = updates @ exact
    return float(np.divide(products, lengths, out=np.zeros(num_updates), where=lengths > 0).mean())
