from __future__ import annotations

import math

import numpy as np
import pytest

from baselines.credit import CreditAudit, GroupOutcomes, audit
from tests.rl.strategies import random_group

TEAM = ("thinker_0", "solver_0")


def random_step(seed: int, *, per_rollout: bool = False) -> list[GroupOutcomes]:
    return [
        random_group(np.random.default_rng([seed, index]), per_rollout=per_rollout)
        for index in range(100)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_audit_finds_the_default_counterfactual_credit_degenerate(seed: int) -> None:
    found = audit("counterfactual", optimizer="grpo", batches=random_step(seed))
    assert found["thinker_0"].degenerate
    assert 1.0 < found["thinker_0"].slope < 1.1  # a mix of groups with factor 1.1 and with 1
    assert found["thinker_0"].correlation > 0.99
    assert found["solver_0"].degenerate
    assert found["solver_0"].slope == pytest.approx(1.0, rel=1e-12)


def test_audit_finds_a_slope_of_one_plus_half_the_weight_for_margins() -> None:
    # R - b differs by 2 within a group whatever b is: 1 + 0.2 * (2 / 2) / 2 = 1.1.
    found = audit("counterfactual", batches=random_step(0), mode="margin", weight=0.2)
    assert found["thinker_0"].slope == pytest.approx(1.1, rel=1e-12)
    assert found["thinker_0"].correlation == pytest.approx(1.0, rel=1e-12)
    assert found["thinker_0"].degenerate


@pytest.mark.parametrize("mode", ["event", "margin"])
def test_audit_finds_credit_measured_on_each_rollout_not_degenerate(mode: str) -> None:
    step = random_step(1, per_rollout=True)
    found = audit("counterfactual", batches=step, baseline="rollout", mode=mode)
    assert not found["thinker_0"].degenerate
    assert found["thinker_0"].correlation < 0.999
    assert found["solver_0"].degenerate


def test_audit_finds_one_group_that_is_told_apart_among_many() -> None:
    told_apart = GroupOutcomes(TEAM, [1, 1, -1], {"thinker_0": [[-1], [1], [1]]})
    alike = GroupOutcomes(TEAM, [1, 1, -1], {"thinker_0": [[1], [1], [1]]})
    step = [alike, alike, told_apart]
    assert not audit("counterfactual", batches=step, baseline="rollout")["thinker_0"].degenerate
    assert audit("counterfactual", batches=step[:2], baseline="rollout")["thinker_0"].degenerate


def test_audit_finds_signal_where_shared_credit_has_none() -> None:
    # All right: shared advantage 0. Without the thinker one replay fails, so it earns 1.2 once.
    group = GroupOutcomes(TEAM, [1, 1, 1], {"thinker_0": [[-1], [1], [1]]})
    found = audit("counterfactual", batches=[group], baseline="rollout")
    assert not found["thinker_0"].degenerate
    assert found["thinker_0"].signal_rate == 1.0
    assert math.isnan(found["thinker_0"].slope)
    assert math.isnan(found["thinker_0"].correlation)
    assert found["solver_0"].signal_rate == 0.0
    assert found["solver_0"].degenerate  # zero is a multiple too


def test_audit_counts_the_groups_with_signal() -> None:
    # Mixed, all right, all wrong, mixed: 2 of 4 groups have an advantage.
    step = [GroupOutcomes(TEAM, team) for team in ([1, -1], [1, 1, 1], [-1, -1], [1, 1, -1])]
    assert audit("shared", batches=step) == {
        agent: CreditAudit(
            slope=pytest.approx(1.0),
            correlation=pytest.approx(1.0),
            degenerate=True,
            signal_rate=0.5,
        )
        for agent in TEAM
    }


def test_audit_pools_the_slope_over_rollouts_by_hand() -> None:
    # Group 1: removal mean -1, factor 1.1, shared advantage (1, -1), sum of squares 2.
    # Group 2: removal mean 0, factor 1, shared advantage (2/3, 2/3, -4/3), sum of squares 8/3.
    step = [
        GroupOutcomes(TEAM, [1, -1], {"thinker_0": [-1]}),
        GroupOutcomes(TEAM, [1, 1, -1], {"thinker_0": [-1, 1]}),
    ]
    slope = (2 * 1.1 + 8 / 3 * 1.0) / (2 + 8 / 3)
    found = audit("counterfactual", batches=step)
    assert found["thinker_0"].slope == pytest.approx(slope, rel=1e-12)


def test_audit_refuses_what_it_cannot_compare() -> None:
    group = GroupOutcomes(TEAM, [1, -1])
    with pytest.raises(ValueError, match="did you mean 'counterfactual'"):
        audit("counterfactal", batches=[group])
    with pytest.raises(ValueError, match="did you mean 'grpo'"):
        audit("shared", optimizer="gpro", batches=[group])
    with pytest.raises(ValueError, match=r"batches must hold groups of one team, got 0 teams"):
        audit("shared", batches=[])
    with pytest.raises(ValueError, match=r"groups of one team, got 2 teams in 2 groups"):
        audit("shared", batches=[group, GroupOutcomes(("solver_0",), [1, -1])])
    with pytest.raises(ValueError, match="group_size must be >= 2"):
        audit("shared", batches=[GroupOutcomes(TEAM, [1])])
    with pytest.raises(TypeError, match="wieght"):
        audit("counterfactual", batches=[group], wieght=0.3)
