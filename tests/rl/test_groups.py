from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group, play_groups, rewards
from baselines.rollouts.plan import Plan
from baselines.rollouts.removed_cache import RemovedCache
from baselines.rollouts.runner import RolloutRunner
from ccpo_env import vote_v0
from ccpo_env.types import Task
from tests.rl.teams import NO_THINKER, PAIR, RecordingPolicy, judge, runner_of

TASKS = [Task("t/0", "1+1", "2"), Task("t/1", "1+2", "3")]
TRIO = ("thinker_0", "thinker_1", "solver_0")


def groups_of(
    answers: list[str], plan: Plan, *, num_thinkers=1, tasks=TASKS, cache=None, costs=None
) -> list[Group]:
    """Play tasks; the solver gives these answers, in the order in which it is asked."""
    thinker = RecordingPolicy([f"thought {n}" for n in range(40)])
    return play_groups(
        runner_of(thinker, RecordingPolicy(answers), num_thinkers=num_thinkers),
        tasks,
        plan,
        rng=np.random.default_rng(0),
        costs=costs or CostTracker(),
        cache=cache,
    )


def test_play_groups_sorts_rollouts_by_task_and_removal():
    plan = Plan(group_size=3, removals=(NO_THINKER,), num_removed=2)
    # Whole teams of both tasks, then the solver alone of both.
    first, second = groups_of(["2", "9", "2", "3", "9", "9", "9", "9", "3", "3"], plan)
    assert (first.task, second.task) == tuple(TASKS)
    assert rewards(first.rollouts) == [1.0, -1.0, 1.0]
    assert first.removed[NO_THINKER].tolist() == [-1.0, -1.0]
    assert second.rewards.tolist() == [1.0, -1.0, -1.0]
    assert second.removed[NO_THINKER].tolist() == [1.0, 1.0]
    assert (first.num_played, second.num_played) == (5, 5)


def test_play_groups_drops_and_counts_what_was_not_measured():
    plan = Plan(group_size=3, removals=(NO_THINKER,), num_removed=2)
    first, second = groups_of(["?", "9", "2", "3", "9", "9", "?", "9", "3", "3"], plan)
    assert first.rewards.tolist() == [-1.0, 1.0]
    assert first.removed[NO_THINKER].tolist() == [-1.0]
    assert (first.num_unmeasured, second.num_unmeasured) == (2, 0)
    assert first.is_complete


def test_group_is_incomplete_when_nothing_of_a_removal_or_of_the_team_was_measured():
    plan = Plan(group_size=2, removals=(NO_THINKER,), num_removed=1)
    first, second = groups_of(["2", "9", "?", "?", "?", "3"], plan)
    assert not first.is_complete
    assert first.removed == {}
    assert not second.is_complete
    assert second.rollouts == ()


def test_play_groups_removes_nobody_when_credit_does_not_need_it():
    first, _ = groups_of(["2", "9", "2"], Plan(group_size=3))
    assert first.removed == {}
    assert first.is_complete
    assert first.outcomes(PAIR).removed_rewards is None


def test_removals_are_left_out_where_the_team_was_always_paid_the_same():
    plan = Plan(group_size=2, removals=(NO_THINKER,), num_removed=2, skip_uniform_groups=True)
    costs = CostTracker()
    same, mixed = groups_of(["2", "2", "3", "9", "3", "9"], plan, costs=costs)
    assert same.removed == {}
    assert same.is_complete
    assert mixed.removed[NO_THINKER].tolist() == [1.0, -1.0]
    assert costs.verified == {"joint": 4, "removed": 2}


def test_branches_are_fresh_answers_to_the_same_thought():
    plan = Plan(group_size=2, branches=("thinker_0",), num_branches=2)
    # Two whole teams, then two answers for each of their thoughts.
    (group,) = groups_of(["2", "9", "2", "2", "9", "2"], plan, tasks=TASKS[:1])
    assert group.rewards.tolist() == [1.0, -1.0]
    assert group.branches["thinker_0"].tolist() == [[1.0, 1.0], [-1.0, 1.0]]
    assert group.outcomes(PAIR).branch_rewards["thinker_0"].shape == (2, 2)


def test_a_branch_that_was_not_measured_counts_as_the_mean_of_the_others():
    plan = Plan(group_size=2, branches=("thinker_0",), num_branches=3)
    answers = ["2", "9", "2", "?", "9", "?", "2", "?"]
    (group,) = groups_of(answers, plan, tasks=TASKS[:1])
    assert group.rewards.tolist() == [1.0, -1.0]
    assert group.branches["thinker_0"].tolist() == [[1.0, -1.0, 0.0], [1.0, 1.0, 1.0]]
    assert group.num_unmeasured == 3


def test_a_rollout_is_dropped_if_none_of_its_branches_was_measured():
    plan = Plan(group_size=2, branches=("thinker_0",), num_branches=2)
    (group,) = groups_of(["2", "9", "?", "?", "9", "2"], plan, tasks=TASKS[:1])
    assert group.rewards.tolist() == [-1.0]
    assert group.branches["thinker_0"].tolist() == [[-1.0, 1.0]]
    assert group.num_unmeasured == 2


def test_a_later_agent_is_removed_on_each_rollout():
    removals = (frozenset({"thinker_0"}), frozenset({"thinker_1"}))
    plan = Plan(group_size=2, removals=removals, num_removed=3, num_branches=2)
    answers = ["2", "9", "2", "9", "9", "9", "2", "9", "2"]
    (group,) = groups_of(answers, plan, tasks=TASKS[:1], num_thinkers=2)
    # Whole teams 2, without thinker_1 two each of both rollouts, without thinker_0 three.
    assert group.rewards.tolist() == [1.0, -1.0]
    assert group.removed[frozenset({"thinker_1"})].tolist() == [[1.0, -1.0], [-1.0, -1.0]]
    assert group.removed[frozenset({"thinker_0"})].tolist() == [1.0, -1.0, 1.0]
    assert group.outcomes(TRIO).without("thinker_1").shape == (2, 2)


def test_voters_are_left_out_of_the_count_for_free():
    voters = ("voter_0", "voter_1", "voter_2")
    policy = RecordingPolicy(["2", "2", "5", "7", "2", "5"])
    runner = RolloutRunner(vote_v0(tasks=TASKS, verifier=judge), {"voter": policy}, {"voter": None})
    costs = CostTracker()
    removals = (frozenset({"voter_0"}), frozenset({"voter_0", "voter_1"}))
    plan = Plan(group_size=2, removals=removals)
    rng = np.random.default_rng(0)
    (group,) = play_groups(runner, TASKS[:1], plan, rng=rng, costs=costs)
    # Each voter speaks in both rollouts before the next one: 2, 5, 2 and 2, 7, 5.
    assert group.rewards.tolist() == [1.0, 1.0]  # of three different ones, the first wins
    # Left are 5, 2 and 7, 5; then 2 and 5.
    assert group.removed[removals[0]].tolist() == [[-1.0], [-1.0]]
    assert group.removed[removals[1]].tolist() == [[1.0], [-1.0]]
    assert costs.verified == {"joint": 2}
    assert group.outcomes(voters).without("voter_0").shape == (2, 1)


def test_what_a_cache_knows_is_not_played_again():
    cache = RemovedCache(0.5, {NO_THINKER: ["solver"]}.__getitem__)
    plan = Plan(group_size=2, removals=(NO_THINKER,), num_removed=4)
    task = TASKS[:1]
    costs = CostTracker()
    (group,) = groups_of(["2"] * 6, plan, tasks=task, cache=cache, costs=costs)
    assert costs.verified["removed"] == 4
    assert group.removed[NO_THINKER].tolist() == [pytest.approx((4 - 0) / (4 + 1))]
    again = CostTracker()
    groups_of(["2"] * 2, plan, tasks=task, cache=cache, costs=again)
    assert again.verified["removed"] == 0
    cache.policy_updated("solver")  # 4 rollouts are now worth 2
    groups_of(["2"] * 4, plan, tasks=task, cache=cache, costs=again)
    assert again.verified["removed"] == 2


def test_outcomes_hold_the_ratings_and_which_of_them_are_valid():
    (group,) = groups_of(["2", "9"], Plan(group_size=2), tasks=TASKS[:1])
    ratings, valid = np.full((2, 2, 2), 0.25), np.array([[True, False], [False, True]])
    outcomes = replace(group, ratings=ratings, rating_valid=valid).outcomes(PAIR)
    np.testing.assert_array_equal(outcomes.ratings, ratings)
    np.testing.assert_array_equal(outcomes.rating_valid, valid)


def test_outcomes_hold_the_categories_of_messages():
    (group,) = groups_of(["2", "9", "2"], Plan(group_size=3), tasks=TASKS[:1])
    assert group.outcomes(PAIR).features is None
    features = np.array([[0, 1], [0, 0], [2, 1]])
    np.testing.assert_array_equal(
        replace(group, features=features).outcomes(PAIR).features, features
    )
