"""Exact signal and noise of the map: they agree with games that are played, and with formulas."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.bench.credit.games import enumeration, turn_game
from baselines.bench.credit.games.chain import CORRECT, make_chain
from baselines.bench.map.enumerated import Enumerated
from baselines.bench.map.group_laws import group_signal
from baselines.bench.map.mixture import Mixture, chain_mixture, single, vote_mixture
from baselines.bench.map.signal import (
    efficiency,
    exact_gradient,
    expected_reward,
    gradient_signal,
)
from baselines.credit import ALLOCATORS
from baselines.credit.outcomes import GroupBatch
from baselines.optimizers import OPTIMIZERS

MIXTURES = {
    "chain": lambda: chain_mixture(2, need=0.4, reliability=0.9, skill=0.6, hopeless=0.3),
    "team": lambda: chain_mixture(1, need=0.5, reliability=0.8, interaction=0.5, trained="team"),
    "specialists": lambda: chain_mixture(3, need=0.6, specialists=True, skill=0.3, phrasings=1),
    "reading": lambda: single(make_chain(2, np.random.default_rng(1), num_choices=2)),
    "vote": lambda: vote_mixture(3, skill=0.45, spread=0.2),
}
NUM_GROUPS = 4000


def played(mixture: Mixture, allocator, optimizer, group_size, samples):
    """Play groups of every kind of task; return their gradients, shape (Z, N, P, C)."""
    rng = np.random.default_rng(0)
    games = mixture.games()
    choices = [turn_game.play(game, NUM_GROUPS, group_size, rng) for game in games]
    credit = [
        credit_of(mixture, game, own, allocator, samples, rng)
        for game, own in zip(games, choices, strict=True)
    ]
    found = zip(games, choices, advantages_of(credit, optimizer, mixture.weights), strict=True)
    return np.stack(
        [
            mixture.on_parameters(kind, turn_game.gradients(game, own, advantages))
            for kind, (game, own, advantages) in enumerate(found)
        ]
    )


def credit_of(mixture, game, choices, allocator, samples, rng):
    """Return the credit that the allocator of the package computes from replays."""
    trained = {mixture.agents[agent] for agent in mixture.trained}
    method, arguments = ALLOCATORS["branch" if allocator == "last_branch" else allocator], {}
    if allocator == "last_branch":
        arguments["after"] = "last"
    removals = method.removals(mixture.agents)
    if method.own_removals_only:
        removals = tuple(removed for removed in removals if removed <= trained)
    if allocator == "leave_one_out":
        arguments["agents"] = trained
    if allocator == "counterfactual":
        arguments["mode"] = "margin"
    batch = GroupBatch(
        agents=mixture.agents,
        team_rewards=game.reward(choices),
        removed_rewards={
            removed: turn_game.removed_rewards(
                game, choices, frozenset(map(mixture.agents.index, removed)), samples, rng
            )
            for removed in removals
        },
        branch_rewards={
            agent: turn_game.branch_rewards(game, choices, turn, samples, rng)
            for turn, agent in enumerate(mixture.agents[:-1])
        },
        own_rewards=np.where(choices == CORRECT, 1.0, -1.0),
    )
    return method.credit(batch, **arguments)


def advantages_of(credit, optimizer, weights):
    """Return advantages; whitening is weighted by how often each kind of task is met."""
    method = OPTIMIZERS[optimizer]
    centred = [np.stack(method.baseline(list(own))) for own in credit]
    if not method.whitens:
        return centred
    mean = sum(w * own.mean(axis=(0, 1)) for w, own in zip(weights, centred, strict=True))
    square = sum(w * (own**2).mean(axis=(0, 1)) for w, own in zip(weights, centred, strict=True))
    scale = np.sqrt(square - mean**2)
    return [(own - mean) / np.where(scale > 0.0, scale, 1.0) for own in centred]


@pytest.mark.parametrize(
    ("name", "allocator", "optimizer", "group_size", "samples"),
    [
        ("chain", "shared", "grpo", 4, 1),
        ("chain", "shared", "reinforce_pp", 1, 1),
        ("chain", "leave_one_out", "reinforce_pp", 2, 1),
        ("chain", "counterfactual", "dr_grpo", 3, 2),
        ("team", "shared", "reinforce_pp_baseline", 3, 1),
        ("team", "branch", "grpo", 4, 2),
        ("team", "leave_one_out", "reinforce_pp", 3, 2),
        ("specialists", "leave_one_out", "grpo", 3, 2),
        ("specialists", "branch", "grpo", 2, 1),
        ("reading", "shapley", "grpo", 2, 1),
        ("reading", "branch", "reinforce_pp", 3, 1),
        ("vote", "shapley", "reinforce_pp", 2, 1),
        ("chain", "last_branch", "grpo", 3, 2),
        ("team", "last_branch", "reinforce_pp", 2, 1),
        ("vote", "leave_one_out", "grpo", 4, 1),
        ("vote", "banzhaf", "grpo", 3, 1),
        ("vote", "own_answer", "reinforce_pp", 2, 1),
    ],
)
def test_moments_are_those_of_played_groups(name, allocator, optimizer, group_size, samples):
    mixture = MIXTURES[name]()
    gradients = played(mixture, allocator, optimizer, group_size, samples)
    exact = exact_gradient(mixture)
    unit = exact / np.linalg.norm(exact)
    found = gradient_signal(
        mixture, allocator, optimizer=optimizer, group_size=group_size, samples=samples
    )
    along, squares = (gradients * unit).sum(axis=(2, 3)), (gradients**2).sum(axis=(2, 3))
    expected = np.sign(found.cosine) * np.sqrt(found.signal)
    assert is_near(along, mixture.weights, expected)
    assert is_near(squares, mixture.weights, found.noise + found.signal / found.cosine**2)


def is_near(samples, weights, expected):
    """Whether a weighted mean of samples, shape (Z, N), is within five standard errors."""
    error = np.sqrt(weights**2 @ samples.var(axis=1) / samples.shape[1])
    return abs(weights @ samples.mean(axis=1) - expected) <= 5.0 * error + 1e-12


@pytest.fixture(params=MIXTURES)
def mixture(request):
    return MIXTURES[request.param]()


def test_exact_gradient_is_that_of_the_expected_reward(mixture):
    logits, step = np.log(mixture.policy), 1e-5
    numeric = np.zeros_like(logits)
    for place in np.ndindex(logits.shape):
        values = []
        for sign in (1.0, -1.0):
            moved = logits.copy()
            moved[place] += sign * step
            policy = np.exp(moved) / np.exp(moved).sum(axis=-1, keepdims=True)
            values.append(expected_reward(mixture, policy))
        numeric[place] = (values[0] - values[1]) / (2.0 * step)
    np.testing.assert_allclose(exact_gradient(mixture), numeric, atol=1e-8)


def test_values_equal_those_of_the_credit_bench(mixture):
    game = mixture.games()[0]
    table = mixture.tables()[0]
    found = Enumerated(game)
    choices, probability = enumeration.outcomes(game)
    np.testing.assert_array_equal(found.whole.choices, choices)
    np.testing.assert_allclose(found.probabilities(table), probability)
    advantages = (
        found.own_values(table) - found.prefix_values(table)[0][:, None]
        if game.reads == "none"
        else np.diff(np.stack(found.prefix_values(table), axis=-1), axis=-1)
    )
    np.testing.assert_allclose(game.advantages(choices), advantages, atol=1e-12)
    last = len(mixture.agents) - 1
    for removed in ({0}, {1}, {last}, {0, last} if last > 1 else {0}):
        values = found.coalition_values(table, frozenset(removed))
        expected = [
            enumeration.coalition_value(game, own, frozenset(removed)) for own in choices[::5]
        ]
        np.testing.assert_allclose(values[::5], expected, atol=1e-12)


def test_efficiency_of_a_replay_that_measures_nothing_is_its_share_of_the_tokens():
    # One thinker, removed once per task: a constant of the group, which its mean cancels. A group
    # of 8 rollouts of 2 messages then pays for 4 messages without the thinker: 16 / 20.
    mixture = chain_mixture(1, need=0.5)
    found = efficiency(mixture, "leave_one_out", group_size=8, samples=4)
    assert found == pytest.approx(16 / 20)
    assert efficiency(mixture, "leave_one_out", samples=4, replay_cost=0.0) == pytest.approx(1.0)


def test_efficiency_of_the_shared_reward_is_one(mixture):
    assert efficiency(mixture, "shared", group_size=3) == pytest.approx(1.0)


def test_unbiased_credit_has_cosine_one_and_the_oracle_less_noise(mixture):
    shared = gradient_signal(mixture, "shared")
    for allocator in ("leave_one_out", "branch", "oracle"):
        if allocator == "branch" and mixture.tasks[0].reads == "none":
            continue
        assert gradient_signal(mixture, allocator).cosine == pytest.approx(1.0)
    assert gradient_signal(mixture, "oracle").noise < shared.noise


def test_a_policy_with_leading_dimensions_is_that_of_each(mixture):
    other = np.roll(mixture.policy, 1, axis=-1)
    both = expected_reward(mixture, np.stack([mixture.policy, other]))
    alone = [expected_reward(mixture), expected_reward(mixture, other)]
    np.testing.assert_allclose(both, alone, rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"allocator": "sharde"}, "shared"),
        ({"optimizer": "dapo"}, "standard deviation"),
        ({"optimizer": "grpo", "group_size": 1}, "at least 2"),
        ({"allocator": "counterfactual", "optimizer": "reinforce_pp"}, "centres"),
    ],
)
def test_settings_without_a_closed_form_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        gradient_signal(chain_mixture(1), **{"allocator": "shared", **arguments})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: chain_mixture(0), "num_thinkers must be between 1 and 5, got 0"),
        (lambda: chain_mixture(1, reliability=0.4), "reliability must be between 0.5 and 1"),
        (lambda: vote_mixture(3, skill=0.9, spread=0.2), "skill . spread"),
        (lambda: Mixture((), np.zeros(0), (), np.zeros((1, 2))), "weights"),
    ],
)
def test_mixtures_out_of_range_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("name", ["team", "vote"])
def test_moments_of_enumerated_groups_are_those_of_one_rollout(name):
    mixture = MIXTURES[name]()
    found = group_signal(mixture, "shared", optimizer="grpo", group_size=3)
    expected = gradient_signal(mixture, "shared", optimizer="grpo", group_size=3)
    assert [found.signal, found.noise, found.cosine, found.tokens] == pytest.approx(
        [expected.signal, expected.noise, expected.cosine, expected.tokens]
    )


def test_moments_of_a_regression_are_those_of_played_groups():
    mixture, group_size = MIXTURES["vote"](), 3
    rng = np.random.default_rng(1)
    (game,) = mixture.games()
    choices = turn_game.play(game, NUM_GROUPS, group_size, rng)
    batch = GroupBatch(agents=game.agents, team_rewards=game.reward(choices), features=choices)
    credit = ALLOCATORS["regression"].credit(batch, reads="none")
    advantages = np.stack(OPTIMIZERS["dapo"].baseline(list(credit), std=True))
    gradients = turn_game.gradients(game, choices, advantages)[None]
    unit = exact_gradient(mixture) / np.linalg.norm(exact_gradient(mixture))
    found = group_signal(mixture, "regression", optimizer="dapo", group_size=group_size)
    assert is_near((gradients * unit).sum(axis=(2, 3)), np.ones(1), np.sqrt(found.signal))
    second = found.noise + found.signal / found.cosine**2
    assert is_near((gradients**2).sum(axis=(2, 3)), np.ones(1), second)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"allocator": "branch"}, "regression"),
        ({"optimizer": "reinforce_pp"}, "whiten"),
        ({"group_size": 40}, "smaller"),
    ],
)
def test_groups_that_cannot_be_enumerated_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        group_signal(vote_mixture(3), **{"allocator": "shared", **arguments})
