from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from baselines.credit import ALLOCATORS, GroupOutcomes, leave_one_out_credit
from tests.rl.games import enumerated_leave_one_out, group_of_games, random_games
from tests.rl.strategies import groups, measured_groups

PAIR = ("thinker_0", "solver_0")


def test_leave_one_out_credit_by_hand() -> None:
    # Without the thinker 1 of 4 is right: -0.5 for the task. The solver: one replay per rollout.
    removed = {"thinker_0": [-1, -1, -1, 1], "solver_0": [[-1], [1], [-1]]}
    credit = leave_one_out_credit(GroupOutcomes(PAIR, [1, 1, -1], removed))
    np.testing.assert_array_equal(credit, [[1.5, 2], [1.5, 0], [-0.5, 0]])


def test_leave_one_out_credit_of_one_agent_is_compared_with_nobody() -> None:
    credit = leave_one_out_credit(GroupOutcomes(("solver_0",), [1, -1]))
    np.testing.assert_array_equal(credit, [[2], [0]])


@pytest.mark.no_cover
def test_leave_one_out_credit_equals_a_loop_over_500_groups() -> None:
    step = measured_groups(500)
    for group, credit in zip(step, ALLOCATORS["leave_one_out"].many(step), strict=True):
        rows = []
        for g, reward in enumerate(group.team_rewards.tolist()):
            row = []
            for agent in group.agents:
                entry = group.removed_rewards[frozenset([agent])].tolist()
                values = entry[g] if isinstance(entry[0], list) else entry
                row.append(reward - sum(values) / len(values))
            rows.append(row)
        np.testing.assert_allclose(credit, rows, rtol=0, atol=1e-14)


@pytest.mark.parametrize("num_agents", [2, 3, 4, 5, 6])
def test_leave_one_out_credit_equals_enumeration_of_games(num_agents: int) -> None:
    games = random_games(np.random.default_rng(num_agents), num_agents, num_games=50)
    credit = leave_one_out_credit(group_of_games(games, num_agents))
    expected = enumerated_leave_one_out(games, num_agents)
    np.testing.assert_allclose(credit, expected, rtol=0, atol=1e-12)


@given(group=groups())
def test_leave_one_out_credit_is_zero_for_an_agent_nobody_needs(group: GroupOutcomes) -> None:
    needless = {frozenset({group.agents[0]}): group.team_rewards[:, None]}
    group = replace(group, removed_rewards={**group.removed_rewards, **needless})
    np.testing.assert_array_equal(leave_one_out_credit(group)[:, 0], 0.0)


def test_leave_one_out_credit_says_who_was_not_removed() -> None:
    group = GroupOutcomes(PAIR, [1, -1], {"thinker_0": [1]})
    expected = r"^removed_rewards must .* without 'solver_0', got 1 entries without it; replay"
    with pytest.raises(ValueError, match=expected):
        leave_one_out_credit(group)


def test_leave_one_out_credit_of_some_agents_needs_only_their_removals() -> None:
    group = GroupOutcomes(PAIR, [1, 1, -1], {"thinker_0": [-1, -1, -1, 1]})
    credit = leave_one_out_credit(group, agents={"thinker_0"})
    np.testing.assert_array_equal(credit, [[1.5, 1], [1.5, 1], [-0.5, -1]])
    np.testing.assert_array_equal(leave_one_out_credit(group, agents=()), [[1, 1]] * 2 + [[-1, -1]])
    np.testing.assert_array_equal(group.team_rewards, [1, 1, -1])
    with pytest.raises(ValueError, match="without 'solver_0', got 1 entries"):
        leave_one_out_credit(group, agents=PAIR)


@given(group=groups())
def test_leave_one_out_credit_of_some_agents_is_that_of_all(group: GroupOutcomes) -> None:
    everybody = leave_one_out_credit(group)
    for column, agent in enumerate(group.agents):
        credit = leave_one_out_credit(group, agents=[agent])
        expected = np.repeat(group.team_rewards[:, None], len(group.agents), axis=1)
        expected[:, column] = everybody[:, column]
        np.testing.assert_array_equal(credit, expected)


def test_leave_one_out_credit_of_some_agents_is_on_all_their_turns() -> None:
    removed = {"debater_1": [[-1], [1]]}
    turns = ("debater_0#1", "debater_1#1", "debater_0#2", "debater_1#2")
    group = GroupOutcomes(("debater_0", "debater_1"), [1, -1], removed, turns=turns)
    credit = leave_one_out_credit(group, agents=["debater_1"])
    np.testing.assert_array_equal(credit, [[1, 2, 1, 2], [-1, -2, -1, -2]])


def test_leave_one_out_credit_refuses_an_agent_that_is_not_in_the_team() -> None:
    group = GroupOutcomes(PAIR, [1, -1], {"thinker_0": [1]})
    with pytest.raises(ValueError, match=r"^unknown agent 'thinker0'; .*did you mean 'thinker_0'"):
        leave_one_out_credit(group, agents=["thinker_0", "thinker0"])
