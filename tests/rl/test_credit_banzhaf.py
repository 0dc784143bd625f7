"""Banzhaf credit: the vote by hand, all teams by another route, and sampled orders."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from baselines.credit import ALLOCATORS, GroupOutcomes, shapley_credit
from baselines.credit.banzhaf import banzhaf_credit
from baselines.credit.removals import MIN_ORDERS, balanced_orders, every_subset, stages
from tests.rl.strategies import measured_group

VOTERS = ("voter_0", "voter_1", "voter_2")
RIGHT = np.array([1, 1, 0])  # of three voters, the last is wrong


def vote(present: list[int]) -> float:
    """The strict majority of the voters, -1 in a tie and without anybody."""
    return 1.0 if RIGHT[present].sum() * 2 > len(present) else -1.0


def group_of(reward, agents: tuple[str, ...]) -> GroupOutcomes:
    """One rollout, and the reward of every smaller team."""
    everybody = list(range(len(agents)))
    removed = {
        gone: [reward([i for i in everybody if agents[i] not in gone])]
        for gone in every_subset(agents)
    }
    return GroupOutcomes(agents, [reward(everybody)], removed)


def test_vote_by_hand():
    group = group_of(vote, VOTERS)
    np.testing.assert_allclose(banzhaf_credit(group), [[1, 1, -1]], rtol=0, atol=1e-12)
    shapley = [[4 / 3, 4 / 3, -2 / 3]]
    np.testing.assert_allclose(shapley_credit(group), shapley, rtol=0, atol=1e-12)
    leave_one_out = ALLOCATORS["leave_one_out"](group)
    np.testing.assert_allclose(leave_one_out, [[2, 2, 0]], rtol=0, atol=1e-12)


@pytest.mark.parametrize("num_agents", [1, 2, 3, 4])
def test_is_the_mean_over_all_teams_of_the_others(num_agents):
    rng = np.random.default_rng(num_agents)
    agents = tuple(f"voter_{n}" for n in range(num_agents))
    values = {
        frozenset(team): rng.choice([-1.0, 1.0])
        for size in range(num_agents + 1)
        for team in combinations(range(num_agents), size)
    }
    values[frozenset()] = -1.0
    credit = banzhaf_credit(group_of(lambda present: values[frozenset(present)], agents))
    for agent in range(num_agents):
        gains = [
            values[team | {agent}] - value for team, value in values.items() if agent not in team
        ]
        assert credit[0, agent] == pytest.approx(np.mean(gains), abs=1e-12)


def test_two_agents_have_equal_banzhaf_and_shapley_values():
    group = measured_group(np.random.default_rng(0), num_agents=2)
    np.testing.assert_allclose(banzhaf_credit(group), shapley_credit(group), rtol=0, atol=1e-12)


def test_sampled_orders_are_unbiased():
    agents = tuple(f"voter_{n}" for n in range(4))
    rng = np.random.default_rng(0)
    table = {gone: rng.choice([-1.0, 1.0], (1, 1)) for gone in every_subset(agents)}
    exact = banzhaf_credit(GroupOutcomes(agents, [1.0], table))[0]
    samples = []
    for _ in range(400):
        orders = balanced_orders(4, rng)
        known = {gone: table[gone] for gone in stages(agents, orders)}
        samples.append(banzhaf_credit(GroupOutcomes(agents, [1.0], known, orders=orders))[0])
    assert len(orders) >= MIN_ORDERS
    error = np.std(samples, axis=0, ddof=1) / np.sqrt(len(samples))
    assert (np.abs(np.mean(samples, axis=0) - exact) <= 4 * error + 1e-9).all()
    assert np.std(samples, axis=0).max() > 0.05


def test_orders_that_list_every_team_alike_give_the_exact_value():
    agents = tuple(f"voter_{n}" for n in range(3))
    group = group_of(vote, agents)
    orders = [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1), (2, 0, 1), (1, 0, 2)]  # all of them
    sampled = GroupOutcomes(agents, group.team_rewards, dict(group.removed_rewards), orders=orders)
    np.testing.assert_allclose(banzhaf_credit(sampled), [[1, 1, -1]], rtol=0, atol=1e-12)
