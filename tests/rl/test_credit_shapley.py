from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given

from baselines.credit import ALLOCATORS, GroupOutcomes, shapley_credit, shapley_with_error
from baselines.credit.removals import every_subset, sampled_orders
from tests.rl.games import (
    dividend_shapley,
    enumerated_shapley,
    group_of_games,
    random_games,
)
from tests.rl.strategies import groups, measured_groups

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
def test_shapley_credit_equals_a_loop_over_10000_groups() -> None:
    step = measured_groups()
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


def sampled(games: np.ndarray, num_agents: int) -> tuple[np.ndarray, np.ndarray]:
    group = group_of_games(games, num_agents)
    needed = every_subset(group.agents)
    entries = {removed: group.removed_rewards[removed] for removed in needed}
    return shapley_with_error(replace(group, removed_rewards=entries))


def test_shapley_credit_of_many_agents_is_exact_when_gains_do_not_depend_on_the_order() -> None:
    # Voter i adds (i + 1) / 18 to -1, whoever is there; all eight add 36 / 18 = 2.
    gains = np.arange(1, 9) / 18
    games = -1.0 + sum(gain * (np.arange(2**8) >> i & 1) for i, gain in enumerate(gains))[None]
    games[0, -1] = 1.0  # without its rounding error
    credit, error = sampled(games, 8)
    np.testing.assert_allclose(credit, [gains], rtol=0, atol=1e-12)
    np.testing.assert_allclose(error, 0.0, rtol=0, atol=1e-12)


def test_shapley_credit_of_many_agents_is_near_the_exact_one() -> None:
    games = random_games(np.random.default_rng(0), 7, num_games=400)
    credit, error = sampled(games, 7)
    np.testing.assert_allclose(credit.sum(axis=1), games[:, -1] + 1.0, rtol=0, atol=1e-12)
    off = (credit - dividend_shapley(games, 7)) / error
    # The same 16 orders serve all games, so a lucky or unlucky draw of them shows in all.
    assert 0.5 < np.sqrt(np.square(off).mean()) < 2.0
    assert abs(off.mean()) < 0.2


def test_shapley_error_is_that_of_a_mean_over_pairs_of_orders() -> None:
    games = random_games(np.random.default_rng(2), 7, num_games=5)
    gains = []
    for order in sampled_orders(7):
        team, gain = 0, np.zeros((5, 7))
        for agent in order:
            gain[:, agent] = games[:, team | 1 << agent] - games[:, team]
            team |= 1 << agent
        gains.append(gain)
    credit, error = sampled(games, 7)
    pairs = [(gains[i] + gains[i + 1]) / 2 for i in range(0, 16, 2)]
    np.testing.assert_allclose(credit, np.mean(pairs, axis=0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(error, np.std(pairs, axis=0, ddof=1) / 8**0.5, rtol=0, atol=1e-12)


def test_shapley_credit_of_many_agents_is_the_same_in_every_call() -> None:
    games = random_games(np.random.default_rng(1), 7, num_games=3)
    np.testing.assert_array_equal(sampled(games, 7)[0], sampled(games, 7)[0])
    np.testing.assert_array_equal(shapley_credit(group_of_games(games, 7)), sampled(games, 7)[0])


def test_shapley_credit_says_which_team_was_not_replayed() -> None:
    agents = ("a", "b", "c")
    removed = {gone: [1.0] for gone in every_subset(agents) if gone != {"a", "c"}}
    with pytest.raises(ValueError, match=r"^removed_rewards must .* without 'a', 'c', got 5 "):
        shapley_credit(GroupOutcomes(agents, [1], removed))
