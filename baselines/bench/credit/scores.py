"""Scores of estimated against true advantages: pure functions, one seed at a time."""

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
    "cosine_shared": "the same for shared credit with as many whole groups as the tokens afford",
    "gain": "cosine minus that of shared credit with the same tokens, within each seed",
    "cosine_at_budget": "cosine of the mean gradient of as many groups as one budget affords",
}
"""Scores by name, with their meaning."""


def centred(values: FloatArray) -> FloatArray:
    """Return values (..., G, A) minus their mean over the group.

    Credit is only defined up to a constant of the task, so estimates and truth are both compared
    like this.
    """
    differences: FloatArray = values - values.mean(axis=-2, keepdims=True)
    return differences


def accuracy_scores(estimate: FloatArray, truth: FloatArray) -> Scores:
    """Return skill, slope, Spearman and sign accuracy.

    MSE = mean (e - h1) (e - h2)      MSE of zero = mean h1 * h2      slope = mean e * h / that

    with e the estimate, h1 and h2 the two estimates of the truth and h their mean, all centred
    over the group. As the errors of h1 and h2 are independent, these means hold none of them;
    with an exact truth, h1 = h2, they are the plain ones.

    Args:
        estimate: Advantages or credit, shape (N, G, A).
        truth: True advantages, shape (2, N, G, A).

    Note: Rank correlation and sign accuracy are with h, so errors of a truth that was sampled
        lower them. An estimate that is constant has no rank correlation: NaN.
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
    whose turn, with all that it had read, was kept. What both errors share is bias: no more
    samples of the rest remove it.

    Args:
        estimate: Advantages or credit, shape (N, G, A), the second half twins of the first.
        truth: True advantages, shape (2, N, G, A).
        kept: Of which agent each pair kept the turn, shape (N / 2,).

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
    """Return the rank correlation, equal values sharing their mean rank; NaN if constant."""
    from scipy.stats import rankdata

    # Rounding makes equal advantages differ, and ranks would see that.
    ranks = [rankdata(np.round(values, 12)) for values in (estimate, truth)]
    if min(np.ptp(rank) for rank in ranks) == 0:
        return math.nan
    return float(np.corrcoef(*ranks)[0, 1])


def sign_accuracy(estimate: FloatArray, truth: FloatArray) -> float:
    """Return the share of the non-zero truths whose sign is right; an estimate of 0 is half."""
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
            groups that fill no whole update are left out. NaN if there is no whole update.

    Note: An update of zero points nowhere and counts 0.
    """
    num_updates = len(estimates) // groups_per_update
    used = estimates[: num_updates * groups_per_update]
    if num_updates == 0:
        return math.nan
    updates = used.reshape(num_updates, groups_per_update, -1).mean(axis=1)
    lengths = np.linalg.norm(updates, axis=1) * np.linalg.norm(exact)
    products = updates @ exact
    return float(np.divide(products, lengths, out=np.zeros(num_updates), where=lengths > 0).mean())
