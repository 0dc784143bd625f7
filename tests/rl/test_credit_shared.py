from __future__ import annotations

import numpy as np

from baselines.credit import GroupOutcomes, shared_credit


def test_shared_credit_pays_every_agent_the_team_reward() -> None:
    group = GroupOutcomes(("thinker_0", "solver_0"), [1, -1, 1])
    np.testing.assert_array_equal(shared_credit(group), [[1, 1], [-1, -1], [1, 1]])


def test_shared_credit_may_be_changed_without_changing_the_group() -> None:
    group = GroupOutcomes(("solver_0",), [1, -1])
    shared_credit(group)[:] = 0.0
    np.testing.assert_array_equal(group.team_rewards, [1, -1])
