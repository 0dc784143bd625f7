"""Games with exact truth: dynamic programming, enumeration, differences and sampling agree."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from baselines.bench.credit.games import enumeration, turn_game
from baselines.bench.credit.games.bandit import make_bandit
from baselines.bench.credit.games.chain import make_chain
from baselines.bench.credit.games.hints import make_hints
from baselines.bench.credit.games.recorded_answers import RecordedProblem
from baselines.bench.credit.games.turn_game import FREE, IDLE
from baselines.bench.credit.games.vote_game import Vote, make_vote
from baselines.credit import ALLOCATORS, GroupOutcomes
from ccpo_env.voting import Ballot

EXACT = {"rtol": 0, "atol": 1e-12}
MAKERS = {
    "bandit": lambda rng: make_bandit(4, rng, interaction=0.5),
    "independent bandit": lambda rng: make_bandit(4, rng, dependence=0.0),
    "think_solve": lambda rng: make_chain(1, rng),
    "think_think_solve": lambda rng: make_chain(2, rng),
    "hints": lambda rng: make_hints(recorded(rng)),
    "vote": lambda rng: make_vote(5, rng),
}
READ_ALL = ("bandit", "independent bandit", "think_solve", "think_think_solve", "hints")


def recorded(rng):
    correct, answered = rng.integers(0, 4, size=6), np.full(6, 4)
    return RecordedProblem("P", "?", "1", ("a hint",), correct, answered)


@pytest.fixture(params=MAKERS)
def game(request):
    return MAKERS[request.param](np.random.default_rng(3))


def sampled(game, num_groups=200, group_size=8, seed=0):
    return turn_game.play(game, num_groups, group_size, np.random.default_rng(seed))


def is_near(samples, expected, *, errors=5.0):
    """Whether a mean of samples along the first axis is within some standard errors."""
    samples = np.asarray(samples, dtype=np.float64)
    error = samples.std(axis=0) / np.sqrt(len(samples))
    return np.all(np.abs(samples.mean(axis=0) - expected) <= errors * error + 1e-12)


def subsets(num_agents):
    sizes = range(1, num_agents)
    return [frozenset(c) for size in sizes for c in itertools.combinations(range(num_agents), size)]


@pytest.mark.parametrize("interaction", [0.0, 0.5])
@pytest.mark.parametrize("dependence", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_bandit_dynamic_programming_equals_enumeration(interaction, dependence, seed):
    rng = np.random.default_rng(seed)
    game = make_bandit(4, rng, interaction=interaction, dependence=dependence)
    choices, probability = enumeration.outcomes(game)
    values = enumeration.prefix_values(game)
    along = [values[k][tuple(choices[:, :k].T)] * np.ones(len(choices)) for k in range(5)]
    np.testing.assert_allclose(game.value, probability @ game.reward(choices), **EXACT)
    np.testing.assert_allclose(
        game.advantages(choices), np.diff(np.stack(along, axis=-1), axis=-1), **EXACT
    )
    np.testing.assert_allclose(game.gradient(), enumeration.enumerated_gradient(game), **EXACT)


def test_bandit_score_is_the_sum_of_its_gains():
    game = make_bandit(4, np.random.default_rng(0), interaction=0.5)
    choices = sampled(game, 20)
    for one in choices.reshape(-1, 4):
        before = (-1, *one[:-1])
        score = sum(game.gains[k, before[k], one[k]] for k in range(4))
        assert game.reward(one) == (1.0 if score > game.bar else -1.0)


@pytest.mark.parametrize("num_agents", [2, 16])
def test_bandit_is_right_about_half_of_the_time(num_agents):
    values = [make_bandit(num_agents, np.random.default_rng(seed)).value for seed in range(10)]
    # One sum of two agents' quarters may hold an eighth of the probability, seldom more.
    assert np.abs(values).max() < (0.3 if num_agents == 2 else 0.1)


def test_gradient_equals_finite_differences(game):
    def expected(logits):
        weights = np.exp(logits)
        changed = replace(game, policy=weights / weights.sum(axis=1, keepdims=True))
        choices, probability = enumeration.outcomes(changed)
        return probability @ game.reward(choices)

    logits, exact, width = np.log(game.policy), game.gradient(), 1e-5
    for row, choice in np.random.default_rng(0).permutation(list(np.ndindex(exact.shape)))[:40]:
        step = np.zeros_like(logits)
        step[row, choice] = width
        slope = (expected(logits + step) - expected(logits - step)) / (2.0 * width)
        np.testing.assert_allclose(exact[row, choice], slope, rtol=0, atol=1e-8)


def test_outcomes_sum_to_one_and_advantages_to_nothing(game):
    choices, probability = enumeration.outcomes(game)
    np.testing.assert_allclose(probability.sum(), 1.0, **EXACT)
    np.testing.assert_allclose(probability @ game.advantages(choices), 0.0, **EXACT)


@pytest.mark.parametrize("name", READ_ALL)
def test_advantages_of_agents_who_read_all_sum_to_the_surprise(name):
    game = MAKERS[name](np.random.default_rng(1))
    choices, probability = enumeration.outcomes(game)
    reward = game.reward(choices)
    surprise = reward - probability @ reward
    np.testing.assert_allclose(game.advantages(choices).sum(axis=-1), surprise, **EXACT)


def test_play_draws_from_the_policy(game):
    choices, probability = enumeration.outcomes(game)
    played = sampled(game, 2000, 4).reshape(-1, len(game.agents))
    base = game.policy.shape[1] ** np.arange(len(game.agents))[::-1]
    counts = np.bincount(played @ base, minlength=len(choices))
    error = np.sqrt(probability * (1.0 - probability) / len(played))
    assert (np.abs(counts / len(played) - probability) <= 5.5 * error + 1e-4).all()


def test_complete_changes_only_what_is_free(game):
    choices = sampled(game, 50)
    open_end = choices.copy()
    open_end[:, ::2, -1] = FREE
    completed = turn_game.complete(game, open_end, np.random.default_rng(1))
    np.testing.assert_array_equal(completed[open_end != FREE], choices[open_end != FREE])
    assert (completed >= 0).all()


def test_gradients_of_true_advantages_are_unbiased(game):
    choices = sampled(game, 4000, 4)
    estimates = turn_game.gradients(game, choices, game.advantages(choices))
    assert estimates.shape == (4000, *game.policy.shape)
    # Some rows are visited too seldom to know their own error, so look along directions.
    directions = np.random.default_rng(1).normal(size=(8, game.policy.size))
    flat = estimates.reshape(4000, -1)
    assert is_near(flat @ directions.T, directions @ game.gradient().reshape(-1))


def test_twin_keeps_what_one_agent_knew_and_draws_the_rest(game):
    choices = sampled(game, 400)
    again = turn_game.twin(game, choices, np.random.default_rng(1))
    for group in range(len(choices)):
        known = game.known(choices[group, 0], group % choices.shape[-1])
        assert (again[group, 0] == known)[known != FREE].all()
    free = np.stack([game.known(c[0], g % c.shape[-1]) == FREE for g, c in enumerate(choices)])
    assert 0.05 < (again[:, 0] == choices[:, 0])[free].mean() < 0.95
    assert 0.05 < (again[:, 1:] == choices[:, 1:]).mean() < 0.95


def test_branch_rewards_estimate_the_value_after_a_turn(game):
    one = sampled(game, 1, 1)[0, 0]
    for turn in range(len(game.agents) - 1):
        many = np.broadcast_to(one, (1, 2000, len(one)))
        rewards = turn_game.branch_rewards(game, many, turn, 3, np.random.default_rng(turn))
        assert rewards.shape == (1, 2000, 3)
        exact = enumeration.expected_reward(game, turn_game.keep_before(one, turn + 1))
        assert is_near(rewards.reshape(-1), exact)


def test_removed_rewards_estimate_the_value_of_the_others(game):
    one = sampled(game, 1, 1, seed=5)[0, 0]
    many = np.broadcast_to(one, (1, 2000, len(one)))
    for removed in subsets(len(game.agents)):
        rewards = turn_game.removed_rewards(game, many, removed, 3, np.random.default_rng(0))
        exact = enumeration.coalition_value(game, one, removed)
        if rewards.ndim == 2:  # one task's samples, whatever was said
            assert 0 in removed or "thinker_0" in game.agents
            rewards = np.stack(
                [
                    turn_game.removed_rewards(
                        game, many[:, :1], removed, 3, np.random.default_rng(s)
                    )
                    for s in range(400)
                ]
            )
        assert is_near(rewards.reshape(-1), exact)


def test_removal_of_the_solver_makes_the_last_thinker_answer():
    game = make_chain(2, np.random.default_rng(0))
    choices = sampled(game, 5)
    left = game.without(choices, frozenset({2}))
    np.testing.assert_array_equal(left[..., 0], choices[..., 0])
    assert (left[..., 1] == FREE).all()
    assert (left[..., 2] == IDLE).all()
    row = game.rows(1, left[..., :1], turn_game.is_last(left, 1))
    np.testing.assert_array_equal(row, 2 + 5 + choices[..., 0])  # after 2 rows of thinker_0


def test_the_last_agent_that_is_left_answers_for_a_chain():
    game = make_chain(2, np.random.default_rng(0))
    choices = np.array(
        [[1, 2, 0], [0, 0, 3], [1, 0, IDLE], [0, 1, IDLE], [0, IDLE, IDLE], [1, IDLE, IDLE]]
    )
    np.testing.assert_array_equal(game.reward(choices), [1, -1, 1, -1, 1, -1])


def test_owners_are_the_agents_who_choose_from_the_rows(game):
    choices = sampled(game, 50)
    assert game.owners.shape == (len(game.policy),)
    for turn in range(len(game.agents)):
        rows = game.rows(turn, choices[..., :turn], turn_game.is_last(choices, turn))
        assert (game.owners[rows] == turn).all()
    assert (np.diff(game.owners) >= 0).all()


def test_rows_of_a_chain_are_different_for_whatever_is_read():
    game = make_chain(2, np.random.default_rng(0))
    seen = []
    for turn in range(3):
        read = np.array(list(itertools.product(range(-1, 4), repeat=turn))).reshape(5**turn, turn)
        for last in (False, True):
            seen += game.rows(turn, read, np.full(len(read), last)).tolist()
    assert sorted(seen) == list(range(len(game.policy)))


@pytest.mark.parametrize("seed", range(5))
def test_vote_agrees_with_the_vote_of_the_environment(seed):
    rng = np.random.default_rng(seed)
    game = Vote(np.full((5, 4), 0.25))
    for votes in rng.integers(-1, 4, size=(200, 5)):
        named = tuple(f"answer {vote}" for vote in range(4))
        ballot = Ballot(tuple(int(vote) for vote in votes), named, correct=0)
        assert game.reward(votes) == ballot.verdict().reward


def test_removal_of_a_voter_costs_no_sample():
    game = make_vote(3, np.random.default_rng(0))
    choices = sampled(game, 5)
    rewards = turn_game.removed_rewards(game, choices, frozenset({1}), 4, np.random.default_rng(0))
    others = np.where(np.arange(3) == 1, IDLE, choices)
    np.testing.assert_array_equal(rewards, game.reward(others)[..., None])


def exact_group(game, choices):
    """Outcomes whose removals hold the exact value of each coalition."""
    removed = {
        frozenset(game.agents[turn] for turn in left_out): [
            [enumeration.coalition_value(game, one, left_out)] for one in choices
        ]
        for left_out in subsets(len(game.agents))
    }
    return GroupOutcomes(game.agents, game.reward(choices), removed)


def test_leave_one_out_equals_enumerated_marginal_contributions(game):
    choices = sampled(game, 1, 6)[0]
    exact = [enumeration.marginal_contributions(game, one) for one in choices]
    credit = ALLOCATORS["leave_one_out"](exact_group(game, choices))
    np.testing.assert_allclose(credit, exact, **EXACT)


def test_shapley_equals_the_mean_over_all_orders(game):
    choices = sampled(game, 1, 6)[0]
    exact = np.array([enumeration.shapley_values(game, one) for one in choices])
    credit = ALLOCATORS["shapley"](exact_group(game, choices))
    np.testing.assert_allclose(credit, exact, **EXACT)
    np.testing.assert_allclose(exact.sum(axis=1), game.reward(choices) + 1.0, **EXACT)


def test_shapley_by_hand():
    # Votes 0, 0, 1: right. Alone or with another correct vote: right. A wrong vote alone: wrong;
    # before a correct one the tie goes to the first vote, the correct one. So v = 1 for teams
    # with a correct voter, else -1. Gains of 2: the first correct voter to join takes it.
    game = Vote(np.full((3, 4), 0.25))
    values = enumeration.shapley_values(game, np.array([0, 0, 1]))
    np.testing.assert_allclose(values, [1.0, 1.0, 0.0], **EXACT)


def test_oracle_ratings_without_noise_share_out_merit_and_blame():
    rng = np.random.default_rng(0)
    advantages = rng.normal(size=(6, 5, 3))
    rewards = rng.choice([-1.0, 1.0], size=(6, 5))
    ratings, valid = turn_game.oracle_ratings(
        advantages, rewards, noise=0.0, invalid_rate=0.0, rng=rng
    )
    assert ratings.shape == (6, 3, 3, 5)
    assert valid.all()
    np.testing.assert_allclose(ratings.sum(axis=2), 1.0, **EXACT)
    merit = np.moveaxis(advantages * rewards[..., None], 1, 2)  # (N, A, G)
    np.testing.assert_array_equal(ratings[:, 0].argsort(axis=1), merit.argsort(axis=1))


def test_oracle_ratings_err_as_much_as_told():
    rng = np.random.default_rng(0)
    ratings, valid = turn_game.oracle_ratings(
        np.zeros((200, 10, 2)), np.ones((200, 10)), noise=0.1, invalid_rate=0.2, rng=rng
    )
    assert ratings.min() >= 0.0
    assert abs(ratings.std() - 0.1) < 0.005
    assert abs(valid.mean() - 0.8) < 0.03


@pytest.mark.parametrize("name", MAKERS)
def test_same_seed_makes_the_same_game(name):
    one, two, other = (MAKERS[name](np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.policy, two.policy)
    assert not np.array_equal(one.policy, other.policy)
