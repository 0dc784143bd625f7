from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from baselines.bench.credit import scores


def exact(truth):
    return np.stack([truth, truth])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_truth_has_perfect_scores_and_nothing_has_none():
    truth = normal(5, 8, 3)
    perfect = scores.accuracy_scores(truth + 7.0, exact(truth))  # a constant says nothing
    assert perfect == pytest.approx({"skill": 1.0, "slope": 1.0, "spearman": 1.0, "sign": 1.0})
    nothing = scores.accuracy_scores(np.zeros_like(truth), exact(truth))
    assert math.isnan(nothing.pop("spearman"))
    assert nothing == {"skill": 0.0, "slope": 0.0, "sign": 0.5}


def test_accuracy_scores_by_hand():
    # One group, one agent, truth -1, 0, 1, estimate 0, -2, 2: errors 1, -2, 1, so MSE 6/3
    # against 2/3; products 0, 0, 2, so slope 2/2; ranks 2, 1, 3 against 1, 2, 3: 1 - 6*2/24.
    # Of the truths -1 and 1 the signs are 0 (a half) and right.
    truth, estimate = (np.array(v).reshape(1, 3, 1) for v in ([-1.0, 0, 1], [0.0, -2, 2]))
    made = scores.accuracy_scores(estimate, exact(truth))
    assert made == pytest.approx({"skill": -2.0, "slope": 1.0, "spearman": 0.5, "sign": 0.75})


def test_spearman_agrees_with_scipy_on_ties():
    one, two = np.random.default_rng(0).integers(0, 4, size=(2, 200)).astype(float)
    assert scores.spearman(one, two) == pytest.approx(stats.spearmanr(one, two).statistic)


def test_scores_see_through_the_noise_of_a_sampled_truth():
    truth = normal(4000, 8, 1)
    estimate = 0.5 * truth + 0.5 * normal(4000, 8, 1, seed=1)
    noisy = truth + 2.0 * normal(2, 4000, 8, 1, seed=2)
    plain = scores.accuracy_scores(estimate, exact(truth))
    seen = scores.accuracy_scores(estimate, noisy)
    assert seen["skill"] == pytest.approx(plain["skill"], abs=0.05)
    assert seen["slope"] == pytest.approx(plain["slope"], abs=0.05)


def test_split_scores_tell_bias_from_variance():
    # Rollout 0 of both groups of a pair has the same truth. Shrinking by half leaves a bias of
    # half of it: bias2 = 1/4. Noise of 0.3 gives variance 0.09; the other rollouts are 0.
    num_pairs, group_size = 20_000, 50
    truth = np.zeros((2 * num_pairs, group_size, 1))
    truth[:, 0, 0] = np.tile(normal(num_pairs), 2)
    noise = np.zeros_like(truth)
    noise[:, 0] = 0.3 * normal(2 * num_pairs, 1, seed=1)
    kept = np.zeros(num_pairs, dtype=int)
    made = scores.split_scores(0.5 * truth + noise, exact(truth), kept)
    scale = (scores.centred(truth) ** 2).mean()
    shrink = ((group_size - 1) / group_size) ** 2  # of rollout 0 by centring
    assert made["bias2"] * scale == pytest.approx(0.25 * shrink, rel=0.05)
    assert made["variance"] * scale == pytest.approx(0.09 * shrink, rel=0.05)


def test_split_scores_read_the_agent_that_was_kept():
    truth = normal(4, 3, 2)
    truth[2:, 0] = truth[:2, 0]
    estimate = truth.copy()
    estimate[:, 0, 1] += 5.0  # only the second agent's credit is wrong
    right = scores.split_scores(estimate, exact(truth), np.array([0, 0]))
    wrong = scores.split_scores(estimate, exact(truth), np.array([1, 1]))
    assert right["bias2"] == pytest.approx(0.0, abs=1e-12)
    assert wrong["bias2"] > 0.1


def test_cosine_by_hand():
    # Updates of two: (1, 0) and (0, 0). The fifth gradient fills no update.
    estimates = np.array([[1.0, 1.0], [1.0, -1.0], [2.0, 2.0], [-2.0, -2.0], [9.0, 9.0]])
    assert scores.cosine(estimates, np.array([2.0, 0.0]), 2) == pytest.approx(0.5)
    assert math.isnan(scores.cosine(estimates, np.array([2.0, 0.0]), 6))
