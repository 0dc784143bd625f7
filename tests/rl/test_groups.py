from __future__ import annotations

import numpy as np
import pytest

from baselines.groups import Group, play_groups, rewards
from baselines.rollout import Ledger
from ccpo_env.types import Task
from tests.rl.teams import NO_THINKER, PAIR, TASK, RecordingPolicy, player_of, rollout

TASKS = [Task("t/0", "1+1", "2"), Task("t/1", "1+2", "3")]


def groups_of(answers: list[str], *, removals=(NO_THINKER,), group_size=3, num_removed=2):
    """Play both tasks; the solver gives these answers, first all those of the first task."""
    player = player_of(RecordingPolicy(["a thought"]), RecordingPolicy(answers))
    return play_groups(
        player,
        TASKS,
        group_size=group_size,
        removals=removals,
        num_removed=num_removed,
        rng=np.random.default_rng(0),
        ledger=Ledger(),
    )


def test_play_groups_sorts_rollouts_by_task_and_removal():
    first, second = groups_of(["2", "9", "2", "9", "9", "3", "9", "9", "3", "3"])
    assert (first.task, second.task) == tuple(TASKS)
    assert rewards(first.rollouts) == [1.0, -1.0, 1.0]
    assert rewards(first.removed[NO_THINKER]) == [-1.0, -1.0]
    assert rewards(second.rollouts) == [1.0, -1.0, -1.0]
    assert rewards(second.removed[NO_THINKER]) == [1.0, 1.0]


def test_play_groups_drops_and_counts_what_was_not_measured():
    first, second = groups_of(["?", "9", "2", "?", "9", "3", "9", "9", "3", "3"])
    assert rewards(first.rollouts) == [-1.0, 1.0]
    assert rewards(first.removed[NO_THINKER]) == [-1.0]
    assert (first.num_unmeasured, second.num_unmeasured) == (2, 0)
    assert first.is_usable


def test_play_groups_removes_nobody_when_credit_does_not_need_it():
    first, _ = groups_of(["2", "9", "2"], removals=())
    assert first.removed == {}
    assert first.is_usable
    assert first.outcomes(PAIR).removed_rewards is None


@pytest.mark.parametrize(
    ("statuses", "without", "is_usable"),
    [
        (("correct", "wrong"), ("wrong",), True),
        (("correct",), ("wrong",), False),  # nothing to compare the one rollout with
        (("correct", "wrong"), (), False),  # every rollout without the thinker was dropped
    ],
)
def test_group_is_usable_only_with_two_rollouts_and_every_removal(statuses, without, is_usable):
    joint = tuple(rollout(status) for status in statuses)
    removed = tuple(rollout(status, removed=NO_THINKER) for status in without)
    assert Group(TASK, joint, {NO_THINKER: removed}, 0).is_usable is is_usable


def test_group_outcomes_hold_the_rewards_an_allocator_reads():
    joint = (rollout("correct"), rollout("no_answer"))
    group = Group(TASK, joint, {NO_THINKER: (rollout("wrong", removed=NO_THINKER),)}, 1)
    outcomes = group.outcomes(PAIR)
    assert outcomes.agents == PAIR
    assert outcomes.team_rewards.tolist() == [1.0, -1.0]
    assert outcomes.without("thinker_0").tolist() == [-1.0]
