from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given

from baselines.credit import ALLOCATORS, GroupOutcomes, shapley_credit, shapley_with_error
from baselines.credit.removals import balanced_orders, every_subset, stages
from ccpo_env.voting import count_votes
from tests.rl.games import (
    dividend_shapley,
    enumerated_shapley,
    group_of_games,
    random_games,
)
from tests.rl.strategies import groups, measured_groups
from tests.rl.teams import judge

PAIR = ("thinker_0", "solver_0")


@pytest.mark.parametrize(
    ("without_thinker", "without_solver", "credit"),
    [
        (-1, -1, [1, 1]),  # both are needed: they share the gain of 2
        (1, -1, [0, 2]),  # the solver alone would do
        (1, 1, [1, 1]),  # either would do
        (0, -1, [0.5, 1.5]),  # the solver alone is right half of the time
    ],
)
def test_shapley_credit_of_a_pair_by_hand(
    without_thinker: float, without_solver: float, credit: list[float]
) -> None:
    removed = {"thinker_0": [without_thinker], "solver_0": [without_solver]}
    group = GroupOutcomes(PAIR, [1], removed)
    np.testing.assert_allclose(shapley_credit(group), [credit], rtol=0, atol=1e-15)


def test_shapley_credit_of_a_vote_by_hand() -> None:
    # Three voters, two right. The right ones are symmetric; the wrong one turns a right majority
    # into a tie when it joins one right voter, and a tie counts as wrong.
    agents = ("a", "b", "wrong")
    votes = {"a": 1, "b": 1, "wrong": -1}
    removed = {
        gone: [1.0 if sum(votes[agent] for agent in set(agents) - gone) > 0 else -1.0]
        for gone in every_subset(agents)
    }
    # Orders with "wrong" first: it adds 0. Second: from 1 right to a tie, -2. Third: 0.
    # So it gets -2 / 3, and each of the others half of what is left of the gain of 2.
    credit = shapley_credit(GroupOutcomes(agents, [1], removed))
    np.testing.assert_allclose(credit, [[4 / 3, 4 / 3, -2 / 3]], rtol=0, atol=1e-15)


def test_shapley_credit_of_one_agent_is_the_whole_gain() -> None:
    credit, error = shapley_with_error(GroupOutcomes(("solver_0",), [1, -1]))
    np.testing.assert_array_equal(credit, [[2], [0]])
    np.testing.assert_array_equal(error, 0.0)


@pytest.mark.parametrize("num_agents", [2, 3, 4, 5, 6])
def test_shapley_credit_equals_enumeration_of_games(num_agents: int) -> None:
    games = random_games(np.random.default_rng(num_agents), num_agents, num_games=20)
    credit, error = shapley_with_error(group_of_games(games, num_agents))
    np.testing.assert_allclose(credit, enumerated_shapley(games, num_agents), rtol=0, atol=1e-12)
    np.testing.assert_allclose(credit, dividend_shapley(games, num_agents), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(error, 0.0)


def slow_credit(group: GroupOutcomes) -> np.ndarray:
    """The mean over all orders, one rollout at a time."""
    everybody = frozenset(group.agents)
    means = {
        everybody - gone: np.broadcast_to(entry.mean(axis=-1), group.team_rewards.shape).tolist()
        for gone, entry in group.removed_rewards.items()
    }
    means[frozenset()] = [-1.0] * len(group.team_rewards)
    means[everybody] = group.team_rewards.tolist()
    orders = list(permutations(group.agents))
    credit = np.zeros((len(group.team_rewards), len(group.agents)))
    for column, agent in enumerate(group.agents):
        for order in orders:
            before = frozenset(order[: order.index(agent)])
            gains = zip(means[before | {agent}], means[before], strict=True)
            for g, (after, without) in enumerate(gains):
                credit[g, column] += (after - without) / len(orders)
    return credit


@pytest.mark.no_cover
def test_shapley_credit_equals_a_loop_over_500_groups() -> None:
    step = measured_groups(500)
    for group, credit in zip(step, ALLOCATORS["shapley"].many(step), strict=True):
        np.testing.assert_allclose(credit, slow_credit(group), rtol=0, atol=1e-13)


@given(group=groups())
def test_shapley_credit_of_a_rollout_sums_to_the_gain_of_the_team(group: GroupOutcomes) -> None:
    total = shapley_credit(group).sum(axis=1)
    np.testing.assert_allclose(total, group.team_rewards + 1.0, rtol=0, atol=1e-12)


@given(group=groups())
def test_shapley_credit_is_zero_for_an_agent_that_adds_nothing(group: GroupOutcomes) -> None:
    null, *others = group.agents
    entries = {}
    for size in range(len(others)):
        for gone in map(frozenset, combinations(others, size)):
            entry = group.removed_rewards[gone] if gone else group.team_rewards[:, None]
            entries[gone | {null}] = entry
            if gone:
                entries[gone] = entry
    entries[frozenset(others)] = [-1.0]  # alone it is worth no more than nobody
    null_group = replace(group, removed_rewards=entries)
    np.testing.assert_allclose(shapley_credit(null_group)[:, 0], 0.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("num_agents", [7, 9, 12])
def test_shapley_credit_of_every_subset_is_exact(num_agents: int) -> None:
    games = random_games(np.random.default_rng(num_agents), num_agents, num_games=3)
    credit, error = shapley_with_error(group_of_games(games, num_agents))
    np.testing.assert_allclose(credit, dividend_shapley(games, num_agents), rtol=0, atol=1e-11)
    np.testing.assert_array_equal(error, 0.0)


Orders = tuple[tuple[int, ...], ...]


def sampled(games: np.ndarray, num_agents: int, seed: int) -> tuple[np.ndarray, np.ndarray, Orders]:
    """Credit and error from balanced orders, of groups that hold nothing else, and the orders."""
    group = group_of_games(games, num_agents)
    orders = balanced_orders(num_agents, np.random.default_rng(seed))
    entries = {gone: group.removed_rewards[gone] for gone in stages(group.agents, orders)}
    sample = replace(group, removed_rewards=entries, orders=orders)
    return *shapley_with_error(sample), orders


def test_shapley_credit_of_many_agents_is_exact_when_gains_do_not_depend_on_the_order() -> None:
    # Voter i adds (i + 1) / 18 to -1, whoever is there; all eight add 36 / 18 = 2.
    gains = np.arange(1, 9) / 18
    games = -1.0 + sum(gain * (np.arange(2**8) >> i & 1) for i, gain in enumerate(gains))[None]
    games[0, -1] = 1.0  # without its rounding error
    credit, error, _ = sampled(games, 8, seed=0)
    np.testing.assert_allclose(credit, [gains], rtol=0, atol=1e-12)
    np.testing.assert_allclose(error, 0.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("num_agents", [7, 8])
def test_shapley_credit_from_new_orders_in_each_step_is_unbiased(num_agents: int) -> None:
    games = random_games(np.random.default_rng(0), num_agents, num_games=10)
    exact = dividend_shapley(games, num_agents)
    steps = [sampled(games, num_agents, seed) for seed in range(300)]
    credit, error = (np.stack([step[i] for step in steps]) for i in (0, 1))  # (steps, games, A)
    gains = np.broadcast_to(games[:, -1] + 1.0, credit.shape[:2])
    np.testing.assert_allclose(credit.sum(axis=-1), gains, rtol=0, atol=1e-12)
    off = (credit.mean(axis=0) - exact) / (credit.std(axis=0, ddof=1) / np.sqrt(len(steps)))
    assert np.abs(off).max() < 4.0
    # The reported error is not too small: it is a deviation of few pairs, so a t, not a z, value.
    assert (np.abs(credit - exact) > 2.0 * error).mean() < 0.1
    assert np.sqrt(np.square(error).mean()) > 0.9 * np.sqrt(np.square(credit - exact).mean())


def test_shapley_error_is_that_of_a_mean_over_pairs_of_orders() -> None:
    games = random_games(np.random.default_rng(2), 7, num_games=5)
    credit, error, orders = sampled(games, 7, seed=3)
    gains = []
    for order in orders:
        team, gain = 0, np.zeros((5, 7))
        for agent in order:
            gain[:, agent] = games[:, team | 1 << agent] - games[:, team]
            team |= 1 << agent
        gains.append(gain)
    pairs = [(gains[i] + gains[i + 1]) / 2 for i in range(0, len(orders), 2)]
    expected = np.std(pairs, axis=0, ddof=1) / len(pairs) ** 0.5
    np.testing.assert_allclose(credit, np.mean(pairs, axis=0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(error, expected, rtol=0, atol=1e-12)


def test_shapley_credit_from_an_odd_number_of_orders_is_their_mean() -> None:
    games = random_games(np.random.default_rng(4), 3, num_games=4)
    orders = ((0, 1, 2), (1, 2, 0), (2, 0, 1))
    credit, error = shapley_with_error(replace(group_of_games(games, 3), orders=orders))
    gains = np.zeros((3, 4, 3))
    for gain, order in zip(gains, orders, strict=True):
        for place, agent in enumerate(order):
            before = sum(1 << earlier for earlier in order[:place])
            gain[:, agent] = games[:, before | 1 << agent] - games[:, before]
    np.testing.assert_allclose(credit, gains.mean(axis=0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(error, gains.std(axis=0, ddof=1) / 3**0.5, rtol=0, atol=1e-12)


@pytest.mark.parametrize("num_voters", [7, 9, 12])
def test_shapley_credit_of_equal_voters_is_equal_on_average(num_voters: int) -> None:
    # Each voter is right with chance .6, among wrong answers that differ; exact recounts.
    rng = np.random.default_rng(num_voters)
    agents = tuple(f"voter_{i}" for i in range(num_voters))
    removals = every_subset(agents)
    counted = np.array([[agent not in gone for agent in agents] for gone in removals])
    rewards, recounts = [], []
    for _ in range(300):
        right = rng.random(num_voters) < 0.6
        wrong = rng.integers(1, 4, num_voters)
        answers = ["0" if r else str(w) for r, w in zip(right, wrong, strict=True)]
        ballot = count_votes(answers, "0", judge)
        rewards.append(ballot.verdict().reward)
        recounts.append(ballot.rewards(counted))
    entries = dict(zip(removals, np.array(recounts).T[..., None], strict=True))
    credit = shapley_credit(GroupOutcomes(agents, rewards, entries))
    for column in range(num_voters):
        others = np.delete(credit, column, axis=1).mean(axis=1)
        difference = credit[:, column] - others
        error = difference.std(ddof=1) / np.sqrt(len(difference))
        # A tie goes to the answer given first, which favours early voters by less than this.
        assert abs(difference.mean()) < 3.0 * error + 0.02


def test_shapley_credit_of_more_than_twelve_agents_needs_orders() -> None:
    agents = tuple(f"voter_{i}" for i in range(13))
    with pytest.raises(ValueError, match=r"^orders must be given for more than 12 agents, .* 13;"):
        shapley_credit(GroupOutcomes(agents, [1]))


def test_shapley_credit_says_which_team_was_not_replayed() -> None:
    agents = ("a", "b", "c")
    removed = {gone: [1.0] for gone in every_subset(agents) if gone != {"a", "c"}}
    with pytest.raises(ValueError, match=r"^removed_rewards must .* without 'a', 'c', got 5 "):
        shapley_credit(GroupOutcomes(agents, [1], removed))
