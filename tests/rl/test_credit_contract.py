"""What every allocator promises. A new line in ALLOCATORS is tested here before its own file."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.credit import ALLOCATORS, GroupOutcomes
from tests.rl.strategies import groups, rename_agents, reorder_agents, reorder_rollouts

# Put an allocator here, with its reason, if its formula reads the speaking order.
READS_SPEAKING_ORDER: dict[str, str] = {}

WITHOUT = {  # how to leave a measurement out
    "removed_rewards": {"removed_rewards": None},
    "branch_rewards": {"branch_rewards": None},
    "ratings": {"ratings": None, "rating_valid": None},
}

every_allocator = pytest.mark.parametrize("name", ALLOCATORS)
weighted_allocator = pytest.mark.parametrize(
    "name",
    [
        name
        for name, allocator in ALLOCATORS.items()
        if "weight" in inspect.signature(allocator.credit).parameters
    ],
)


@every_allocator
@given(group=groups())
def test_credit_is_finite_float64_per_rollout_and_agent(name: str, group: GroupOutcomes) -> None:
    credit = ALLOCATORS[name](group)
    assert credit.shape == (len(group.team_rewards), len(group.agents))
    assert credit.dtype == np.float64
    assert np.isfinite(credit).all()


@every_allocator
@given(group=groups())
def test_credit_never_exceeds_the_range_of_the_reward(name: str, group: GroupOutcomes) -> None:
    # From -1 to +1 is 2: no agent can have moved the team by more.
    assert np.abs(ALLOCATORS[name](group)).max() <= 2.0 + 1e-12


@every_allocator
@given(group=groups(), data=st.data())
def test_credit_follows_the_rollouts_when_they_are_reordered(
    name: str, group: GroupOutcomes, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(group.team_rewards))))
    reordered = ALLOCATORS[name](reorder_rollouts(group, order))
    np.testing.assert_allclose(reordered, ALLOCATORS[name](group)[order], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in ALLOCATORS if name not in READS_SPEAKING_ORDER])
@given(group=groups(), data=st.data())
def test_credit_follows_the_agents_when_they_are_reordered(
    name: str, group: GroupOutcomes, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(group.agents))))
    reordered = ALLOCATORS[name](reorder_agents(group, order))
    np.testing.assert_allclose(reordered, ALLOCATORS[name](group)[:, order], rtol=0, atol=1e-12)


@every_allocator
@given(group=groups())
def test_credit_ignores_what_the_agents_are_called(name: str, group: GroupOutcomes) -> None:
    renamed = rename_agents(group, {agent: f"z{len(agent)}_{agent}" for agent in group.agents})
    np.testing.assert_array_equal(ALLOCATORS[name](renamed), ALLOCATORS[name](group))


@every_allocator
@given(group=groups())
def test_credit_reads_what_the_allocator_declares_and_nothing_else(
    name: str, group: GroupOutcomes
) -> None:
    allocator = ALLOCATORS[name]
    for measurement, nothing in WITHOUT.items():
        poorer = replace(group, **nothing)
        if measurement in allocator.needs:
            with pytest.raises(ValueError, match=measurement):
                allocator(poorer)
        else:
            np.testing.assert_array_equal(allocator(poorer), allocator(group))


@weighted_allocator
@given(group=groups())
def test_credit_is_shared_when_the_weight_is_zero(name: str, group: GroupOutcomes) -> None:
    credit = ALLOCATORS[name](group, weight=0.0)
    np.testing.assert_array_equal(credit, ALLOCATORS["shared"](group))


@weighted_allocator
@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_credit_refuses_a_weight_that_is_no_size(name: str, weight: float) -> None:
    group = GroupOutcomes(("thinker_0", "solver_0"), [1.0, -1.0], {"thinker_0": [1.0]})
    with pytest.raises(ValueError, match=r"weight must be >= 0, got .*; use 0 for shared credit"):
        ALLOCATORS[name](group, weight=weight)
