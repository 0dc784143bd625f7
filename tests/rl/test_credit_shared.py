from __future__ import annotations

import numpy as np

from baselines.credit import ALLOCATORS, GroupOutcomes, shared_credit


def test_shared_credit_pays_every_agent_the_team_reward() -> None:
    group = GroupOutcomes(("thinker_0", "solver_0"), [1, -1, 1])
    np.testing.assert_array_equal(shared_credit(group), [[1, 1], [-1, -1], [1, 1]])


def test_shared_credit_may_be_changed_without_changing_the_group() -> None:
    group = GroupOutcomes(("solver_0",), [1, -1])
    shared_credit(group)[:] = 0.0
    np.testing.assert_array_equal(group.team_rewards, [1, -1])


def test_shared_credit_of_many_groups_is_that_of_each() -> None:
    agents = ("thinker_0", "thinker_1", "solver_0")
    step = [GroupOutcomes(agents, team) for team in ([1, -1], [-1, -1])]
    assert [credit.tolist() for credit in ALLOCATORS["shared"].many(step)] == [
        [[1.0] * 3, [-1.0] * 3],
        [[-1.0] * 3, [-1.0] * 3],
    ]
