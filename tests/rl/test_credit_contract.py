"""What every allocator promises. A new line in ALLOCATORS is tested here before its own file."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.credit import ALLOCATORS, GroupOutcomes, HistoryState, read_allocator_args
from tests.rl.strategies import (
    groups,
    measured_group,
    measured_groups,
    rename_agents,
    reorder_agents,
    reorder_rollouts,
)

pytestmark = pytest.mark.no_cover  # thousands of groups, through what its own file tests

# Put an allocator here, with its reason, if its formula reads the speaking order.
READS_SPEAKING_ORDER = {
    "branch": "an agent is compared with the one that spoke before it",
    "c3": "a message is compared with its siblings, which follow those before it",
    "hierarchical_grpo": "a message is compared with others that follow those before it",
    "critic": "the value before a turn is that after the one before it",
    "history": "the last speaker has a formula of its own",
    "regression": "a message is compared in a model of it and those before it",
}

WITHOUT = {  # how to leave a measurement out
    "removed_rewards": {"removed_rewards": None},
    "branch_rewards": {"branch_rewards": None},
    "ratings": {"ratings": None, "rating_valid": None},
    "features": {"features": None},
    "own_rewards": {"own_rewards": None},
    "influence": {"influence": None},
    "values": {"values": None},
}

INPUTS = {"state", "features", "probabilities", "reads", "agents", "values", "weights"}
"""Keyword-only parameters that are no hyperparameters: a trainer or a caller computes them."""

every_allocator = pytest.mark.parametrize("name", ALLOCATORS)
weighted_allocator = pytest.mark.parametrize(
    "name",
    [name for name, allocator in ALLOCATORS.items() if "weight" in allocator.tunable],
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
    # By default history pairs rollouts with replays in order, as its reference does.
    hyperparameters = {"state": HistoryState(pairing="task")} if name == "history" else {}
    order = data.draw(st.permutations(range(len(group.team_rewards))))
    reordered = ALLOCATORS[name](reorder_rollouts(group, order), **hyperparameters)
    expected = ALLOCATORS[name](group, **hyperparameters)[order]
    np.testing.assert_allclose(reordered, expected, rtol=0, atol=1e-12)


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


@every_allocator
def test_credit_of_many_groups_equals_that_of_each(name: str) -> None:
    step = measured_groups(200)
    together = ALLOCATORS[name].many(step)
    assert len(together) == len(step)
    for group, credit in zip(step, together, strict=True):
        np.testing.assert_array_equal(credit, ALLOCATORS[name](group))


@every_allocator
def test_credit_of_many_groups_follows_their_order(name: str) -> None:
    step = measured_groups(100)
    credit = ALLOCATORS[name].many(step)
    order = np.random.default_rng(0).permutation(len(step))
    reordered = ALLOCATORS[name].many([step[index] for index in order])
    for index, group_credit in zip(order, reordered, strict=True):
        np.testing.assert_array_equal(group_credit, credit[index])
    assert ALLOCATORS[name].many([]) == []


@every_allocator
@pytest.mark.parametrize("num_agents", [2, 3, 6])
def test_credit_needs_no_removals_but_those_of_its_allocator(name: str, num_agents: int) -> None:
    rng = np.random.default_rng(num_agents)
    group = measured_group(rng, num_agents=num_agents)
    removals = ALLOCATORS[name].removals(group.agents)
    assert bool(removals) == ("removed_rewards" in ALLOCATORS[name].needs)
    entries = {removed: group.removed_rewards[removed] for removed in removals}
    enough = replace(group, removed_rewards=entries)
    credit = ALLOCATORS[name](enough)
    if name == "counterfactual":  # pays a bonus to whoever was removed, and R to the others
        return
    np.testing.assert_array_equal(credit, ALLOCATORS[name](group))
    for removed in removals:
        fewer = {other: entry for other, entry in entries.items() if other != removed}
        with pytest.raises(ValueError, match="removed_rewards must hold the rewards of the team"):
            ALLOCATORS[name](replace(group, removed_rewards=fewer))


@pytest.mark.parametrize("name", [name for name, a in ALLOCATORS.items() if a.own_removals_only])
@given(group=groups())
def test_credit_of_an_agent_reads_only_its_own_removals(name: str, group: GroupOutcomes) -> None:
    for column, agent in enumerate(group.agents):
        others = {
            removed: entry if agent in removed else -entry
            for removed, entry in group.removed_rewards.items()
        }
        credit = ALLOCATORS[name](replace(group, removed_rewards=others))
        np.testing.assert_array_equal(credit[:, column], ALLOCATORS[name](group)[:, column])


@pytest.mark.parametrize("name", [name for name, a in ALLOCATORS.items() if a.new_state])
def test_credit_reads_its_state_and_survives_a_checkpoint(name: str) -> None:
    allocator, group = ALLOCATORS[name], measured_groups(1)[0]
    new = allocator.new_state()
    np.testing.assert_array_equal(allocator(group, state=new), allocator(group))
    state = new.updated(measured_groups(9)).updated(measured_groups(30)[9:])
    assert (allocator(group, state=state) != allocator(group)).any()
    assert new == allocator.new_state()  # updating made another one
    assert type(state).from_json(json.loads(json.dumps(state.to_json()))) == state


@weighted_allocator
@given(group=groups())
def test_credit_is_shared_when_the_weight_is_zero(name: str, group: GroupOutcomes) -> None:
    credit = ALLOCATORS[name](group, weight=0.0)
    np.testing.assert_array_equal(credit, ALLOCATORS["shared"](group))


@weighted_allocator
@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_credit_refuses_a_weight_that_is_no_size(name: str, weight: float) -> None:
    group = GroupOutcomes(("thinker_0", "solver_0"), [1.0, -1.0], {"thinker_0": [1.0]})
    with pytest.raises(
        ValueError, match=r"^weight must be >= 0.*, got .*; leave it out for the default, 0.2$"
    ):
        ALLOCATORS[name](group, weight=weight)


@every_allocator
def test_keywords_are_declared_hyperparameters_or_inputs(name: str) -> None:
    parameters = inspect.signature(ALLOCATORS[name].credit).parameters.values()
    keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert ALLOCATORS[name].inputs == keywords - set(ALLOCATORS[name].tunable)
    assert ALLOCATORS[name].inputs <= INPUTS


@every_allocator
def test_hyperparameters_have_a_meaning_a_valid_default_and_a_check(name: str) -> None:
    group = measured_group(np.random.default_rng(0))
    for one in ALLOCATORS[name].tunable.values():
        assert one.meaning, f"{one.name} needs an entry under Args of the docstring"
        assert one.read(one.default_text) == one.default
        with pytest.raises(ValueError, match=f"{one.name} "):
            ALLOCATORS[name](group, **{one.name: object()})  # if not: decorate with @checked
        with pytest.raises(ValueError, match="unknown hyperparameter"):
            read_allocator_args(name, {f"{one.name}_": "1"})
