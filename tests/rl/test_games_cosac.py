"""COSAC's estimate: its terms by hand, and its expectations by another route."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from baselines.bench.credit.games.bandit import make_bandit
from baselines.bench.credit.games.chain import make_chain
from baselines.bench.credit.games.cosac import additive_fit, cosac_advantages, cosac_terms
from baselines.bench.credit.games.turn_game import play
from baselines.bench.credit.games.vote_game import make_vote

EFFECTS = np.array([[[0.2, -0.4], [0.9, -0.7]]])  # phi of two agents in one group
FIRST = np.array([0.6, 0.4])  # p of the first
SECOND = np.array([[0.8, 0.2], [0.3, 0.7]])  # p of the second after each choice of the first


def chances_by_hand():
    """The four joint choices as the rollouts of one group, shape (1, 4, 3, 2, 2)."""
    rollouts = []
    for one, two in itertools.product(range(2), range(2)):
        nothing = [FIRST, FIRST @ SECOND]
        rollouts.append([nothing, [np.eye(2)[one], SECOND[one]], [np.eye(2)[one], np.eye(2)[two]]])
    return np.array([rollouts])


def test_terms_by_hand():
    direct, continuation = cosac_terms(EFFECTS, chances_by_hand())
    np.testing.assert_allclose(direct[0, ::2, 0], [0.24, -0.36], rtol=0, atol=1e-12)
    np.testing.assert_allclose(continuation[0, ::2, 0], [0.32, -0.48], rtol=0, atol=1e-12)
    advantages = (direct + continuation)[0]
    np.testing.assert_allclose(advantages[::2, 0], [0.56, -0.84], rtol=0, atol=1e-12)
    second = advantages[:, 1].reshape(2, 2)
    np.testing.assert_allclose(second, [[0.32, -1.28], [1.12, -0.48]], rtol=0, atol=1e-12)
    assert not continuation[..., 1].any()  # nobody speaks after the last
    # f - E[f] exactly.
    f = np.add.outer(EFFECTS[0, 0], EFFECTS[0, 1])
    mean = (FIRST[:, None] * SECOND * f).sum()
    np.testing.assert_allclose(advantages.sum(axis=1), f.ravel() - mean, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("ridge", "expected"),
    [
        (0.01, [[0.001241, -0.001241], [0.996266, -0.996266]]),
        (1.0, [[0.066667, -0.066667], [0.733333, -0.733333]]),
    ],
)
def test_fit_by_hand(ridge, expected):
    choices = np.array([[[0, 0], [0, 1], [1, 1], [1, 0], [0, 0], [1, 1]]])
    rewards = np.array([[1.0, -1.0, -1.0, 1.0, 1.0, -1.0]])
    found = additive_fit(choices, rewards, 2, ridge)
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-6)


GAMES = {
    "bandit": lambda rng: make_bandit(3, rng),
    "chain": lambda rng: make_chain(2, rng),
    "vote": lambda rng: make_vote(3, rng),
}


@pytest.mark.parametrize("name", GAMES)
def test_chances_are_those_of_all_continuations(name):
    rng = np.random.default_rng(0)
    game = GAMES[name](rng)
    (choices,) = play(game, 1, 4, rng)  # (G, A)
    num_choices = game.policy.shape[1]
    every = np.array(list(itertools.product(range(num_choices), repeat=3)))
    not_last = np.zeros(len(every), dtype=bool)
    each = [
        game.policy[game.rows(t, every[:, :t], not_last if t < 2 else ~not_last), every[:, t]]
        for t in range(3)
    ]
    for turn in range(4):
        chances = game.chances(choices, turn)
        for own, found in zip(choices, chances, strict=True):
            follows = (every[:, :turn] == own[:turn]).all(axis=1)
            weight = np.prod([follows, *each[turn:]], axis=0)
            np.testing.assert_allclose(weight.sum(), 1.0, rtol=0, atol=1e-12)
            for later in range(3):
                wanted = np.bincount(every[:, later], weight, minlength=num_choices)
                np.testing.assert_allclose(found[later], wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", GAMES)
def test_exact_advantages_are_the_limit_of_many_suffixes(name):
    rng = np.random.default_rng(1)
    game = GAMES[name](rng)
    choices = play(game, 3, 6, rng)
    rewards = game.reward(choices)
    exact = cosac_advantages(game, choices, rewards)
    sampled = cosac_advantages(game, choices, rewards, num_suffixes=20_000, rng=rng)
    np.testing.assert_allclose(sampled, exact, rtol=0, atol=0.03)
    assert np.abs(exact).max() > 0.1


def test_vote_has_no_continuation_term():
    rng = np.random.default_rng(2)
    game = make_vote(3, rng)
    choices = play(game, 2, 5, rng)
    chances = np.stack([game.chances(choices, turn) for turn in range(4)], axis=2)
    effects = additive_fit(choices, game.reward(choices), 4, 1.0)
    direct, continuation = cosac_terms(effects, chances)
    assert not continuation.any()
    assert direct.any()
