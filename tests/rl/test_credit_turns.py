from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from baselines.credit import ALLOCATORS, GroupBatch, GroupOutcomes, shared_credit
from baselines.credit.turns import (
    columns_of,
    on_turns,
    repeated_turns,
    speaker_of,
    speakers_of,
    turn_labels,
)
from tests.rl.strategies import subsets

AGENTS = ("a", "b")
TURNS = ("a#1", "b#1", "b#2", "a#2", "b#3")
PLACES = [0, 1, 1, 0, 1]
"""Agent of each turn."""

PER_TURN = ("features", "own_rewards", "influence", "values")
"""Fields with a column per turn."""
OF_TURNS = {name for name, own in ALLOCATORS.items() if own.needs & {*PER_TURN, "branch_rewards"}}
"""Allocators that tell the turns of an agent apart."""
every_allocator = pytest.mark.parametrize("name", ALLOCATORS)


def measured(rng: np.random.Generator, **fields: Any) -> GroupOutcomes:
    """A group of four rollouts with all measurements, of agents that speak several times."""
    num_agents, num_rollouts, num_replays = len(AGENTS), 4, 3
    rewards = np.array([1.0, -1.0, 1.0, -1.0])
    whole = {
        "agents": AGENTS,
        "team_rewards": rng.permutation(rewards),
        "removed_rewards": {
            removed: rng.choice(rewards, (num_rollouts, num_replays)) for removed in subsets(AGENTS)
        },
        "branch_rewards": {
            turn: rng.choice(rewards, (num_rollouts, num_replays)) for turn in TURNS[:-1]
        },
        "ratings": rng.integers(1, 10, (num_agents, num_agents, num_rollouts)) / 10,
        "rating_valid": rng.random((num_agents, num_rollouts)) < 0.8,
        "features": rng.integers(2, size=(num_rollouts, len(TURNS))),
        "own_rewards": rng.choice(rewards, (num_rollouts, len(TURNS))),
        "influence": rng.normal(size=(num_rollouts, len(TURNS))),
        "values": rng.uniform(-1.0, 1.0, (num_rollouts, len(TURNS))),
        "turns": TURNS,
    }
    return GroupOutcomes(**{**whole, **fields})


def test_labels_number_the_turns_of_each_agent() -> None:
    assert turn_labels(["a", "b", "b", "a", "b"]) == TURNS
    assert turn_labels(["a", "b"]) == ("a#1", "b#1")
    assert turn_labels([]) == ()
    assert [speaker_of(turn) for turn in TURNS] == ["a", "b", "b", "a", "b"]
    assert speaker_of("agent#7#2") == "agent#7"


def test_turns_are_repeated_if_somebody_speaks_twice() -> None:
    assert repeated_turns(["a", "b", "a"]) == ("a#1", "b#1", "a#2")
    assert repeated_turns(["a", "a"]) == ("a#1", "a#2")
    assert repeated_turns(["a", "b"]) is None
    assert repeated_turns(["a"]) is None


def test_columns_are_turns_or_agents_that_speak_once() -> None:
    group = GroupOutcomes(AGENTS, [1, -1], turns=TURNS)
    assert columns_of(group) == TURNS
    assert speakers_of(group) == ("a", "b", "b", "a", "b")
    once = GroupOutcomes(AGENTS, [1, -1])
    assert columns_of(once) == speakers_of(once) == AGENTS


def test_on_turns_repeats_the_credit_of_an_agent() -> None:
    credit = np.array([[1.0, 2.0], [3.0, 4.0]])
    group = GroupOutcomes(AGENTS, [1, -1], turns=TURNS)
    np.testing.assert_array_equal(on_turns(credit, group), [[1, 2, 2, 1, 2], [3, 4, 4, 3, 4]])
    assert on_turns(credit, GroupOutcomes(AGENTS, [1, -1])) is credit
    batch = GroupBatch(agents=AGENTS, team_rewards=np.ones((3, 2)), turns=TURNS)
    np.testing.assert_array_equal(
        on_turns(np.stack([credit] * 3), batch), np.stack([on_turns(credit, group)] * 3)
    )


@every_allocator
@pytest.mark.parametrize("seed", range(5))
def test_credit_has_a_column_for_each_turn(name: str, seed: int) -> None:
    group = measured(np.random.default_rng(seed))
    credit = ALLOCATORS[name](group)
    assert credit.shape == (4, len(TURNS))
    if name not in OF_TURNS:
        once = replace(group, turns=None, branch_rewards=None, **dict.fromkeys(PER_TURN))
        np.testing.assert_array_equal(credit, ALLOCATORS[name](once)[:, PLACES])
    else:  # as if somebody else spoke in each turn
        many = GroupOutcomes(
            TURNS,
            group.team_rewards,
            branch_rewards=group.branch_rewards,
            **{name: getattr(group, name) for name in PER_TURN},
        )
        np.testing.assert_array_equal(credit, ALLOCATORS[name](many))


@pytest.mark.parametrize("name", sorted(OF_TURNS))
def test_turns_of_an_agent_may_differ_in_credit(name: str) -> None:
    groups = [measured(np.random.default_rng(seed)) for seed in range(3)]
    credit = np.concatenate(ALLOCATORS[name].many(groups))
    assert not np.allclose(credit[:, 1], credit[:, 2])


@every_allocator
def test_credit_of_many_groups_keeps_teams_with_other_turns_apart(name: str) -> None:
    step = []
    for seed in range(3):
        group = measured(np.random.default_rng(seed))
        step += [
            group,
            measured(
                np.random.default_rng(seed),
                turns=None,
                **{each: getattr(group, each)[:, :2] for each in PER_TURN},
                branch_rewards={"a": group.branch_rewards["a#1"]},
            ),
            replace(
                group,
                turns=("a#1", "b#1", "a#2", "b#2", "b#3"),
                branch_rewards={
                    turn: group.branch_rewards[turn] for turn in ("a#1", "b#1", "a#2", "b#2")
                },
            ),
        ]
    for group, credit in zip(step, ALLOCATORS[name].many(step), strict=True):
        np.testing.assert_array_equal(credit, ALLOCATORS[name](group))


def test_shapley_credit_of_many_groups_keeps_orders_apart() -> None:
    agents = ("a", "b", "c")
    rng = np.random.default_rng(0)
    removed = {each: rng.choice([-1.0, 1.0], (2, 3)) for each in subsets(agents)}
    step = [
        GroupOutcomes(agents, [1, -1], removed, orders=orders)
        for orders in (None, ((0, 1, 2),), ((2, 1, 0),), ((0, 1, 2), (2, 1, 0)))
    ]
    together = ALLOCATORS["shapley"].many(step)
    for group, credit in zip(step, together, strict=True):
        np.testing.assert_array_equal(credit, ALLOCATORS["shapley"](group))
    assert len({credit.tobytes() for credit in together}) == len(step)


def test_shared_credit_pays_the_reward_in_each_turn() -> None:
    group = GroupOutcomes(AGENTS, [1, -1], turns=TURNS)
    np.testing.assert_array_equal(shared_credit(group), [[1.0] * 5, [-1.0] * 5])


def test_branch_credit_of_turns_by_hand() -> None:
    # V after a#1: 0.5 and -0.5, mean 0; after b#1: 1 and 0; R: 1 and 1.
    branches = {"a#1": [[0.5], [-0.5]], "b#1": [[1], [0]]}
    group = GroupOutcomes(AGENTS, [1, 1], branch_rewards=branches, turns=("a#1", "b#1", "a#2"))
    np.testing.assert_array_equal(ALLOCATORS["branch"](group), [[0.5, 0.5, 0.0], [-0.5, 0.5, 1.0]])
    with pytest.raises(
        ValueError, match=r"after each turn but the last, got none after 'b#1'; sample"
    ):
        ALLOCATORS["branch"](replace(group, branch_rewards={"a#1": [[0.5], [-0.5]]}))
