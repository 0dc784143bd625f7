from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from baselines.credit import ALLOCATORS, GroupOutcomes
from baselines.credit.batching import group_by_shape
from baselines.credit.outcomes import Measurement
from tests.rl.strategies import measured_group, measured_groups

ALL = frozenset(get_args(Measurement))
PAIR = ("thinker_0", "solver_0")


@pytest.mark.no_cover
def test_stacks_hold_every_group_once_in_its_place() -> None:
    step = measured_groups(200)
    seen: list[int] = []
    for where, batch in group_by_shape(step, ALL):
        seen += where
        for row, index in enumerate(where):
            group = step[index]
            assert batch.agents == group.agents
            np.testing.assert_array_equal(batch.team_rewards[row], group.team_rewards)
            assert batch.removed_rewards.keys() == group.removed_rewards.keys()
            for removed, entry in group.removed_rewards.items():
                np.testing.assert_array_equal(batch.removed_rewards[removed][row], entry)
            for agent, entry in group.branch_rewards.items():
                np.testing.assert_array_equal(batch.branch_rewards[agent][row], entry)
            np.testing.assert_array_equal(batch.ratings[row], group.ratings)
            np.testing.assert_array_equal(batch.rating_valid[row], group.rating_valid)
            np.testing.assert_array_equal(batch.features[row], group.features)
            np.testing.assert_array_equal(batch.own_rewards[row], group.own_rewards)
            np.testing.assert_array_equal(batch.influence[row], group.influence)
            np.testing.assert_array_equal(batch.values[row], group.values)
    assert sorted(seen) == list(range(200))


def test_stacks_hold_only_what_is_needed() -> None:
    group = measured_group(np.random.default_rng(0))
    ((where, batch),) = group_by_shape([group, group], frozenset({"features"}))
    assert where == [0, 1]
    assert batch.features.shape == (2, *group.features.shape)
    assert batch.removed_rewards is batch.branch_rewards is None
    assert batch.ratings is batch.rating_valid is None
    assert batch.own_rewards is batch.influence is batch.values is None


def test_stacks_do_not_mix_teams_shapes_or_measurements() -> None:
    group = measured_group(np.random.default_rng(1), num_agents=2)
    other_names = GroupOutcomes(("a", "b"), group.team_rewards)
    unlike = [
        group,
        replace(group, rating_valid=None),
        replace(group, ratings=None, rating_valid=None),
        replace(group, features=None),
        replace(group, branch_rewards=None),
        replace(group, removed_rewards={"thinker_0": [1]}),
        replace(group, removed_rewards={"thinker_0": [1, 1]}),
        replace(group, removed_rewards={"solver_0": [1]}),
        replace(group, removed_rewards={"thinker_0": np.ones((len(group.team_rewards), 1))}),
        other_names,
    ]
    assert [where for where, _ in group_by_shape(unlike, ALL)] == [[i] for i in range(len(unlike))]


def test_stacks_join_groups_whose_entries_were_listed_in_another_order() -> None:
    entries = {"thinker_0": [1.0], "solver_0": [-1.0]}
    first = GroupOutcomes(PAIR, [1, -1], entries)
    second = GroupOutcomes(PAIR, [-1, -1], dict(reversed(entries.items())))
    assert len(list(group_by_shape([first, second], ALL))) == 1
    credit = ALLOCATORS["leave_one_out"].many([first, second])
    np.testing.assert_array_equal(credit, [[[0, 2], [-2, 0]], [[-2, 0], [-2, 0]]])


def test_credit_of_many_groups_says_what_one_of_them_lacks() -> None:
    complete = GroupOutcomes(PAIR, [1, -1], branch_rewards={"thinker_0": [[1], [1]]})
    with pytest.raises(ValueError, match="branch_rewards must hold"):
        ALLOCATORS["branch"].many([complete, GroupOutcomes(PAIR, [1, -1])])
