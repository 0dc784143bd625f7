from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from baselines.credit import ALLOCATORS, GroupOutcomes
from baselines.credit.removals import every_subset, stages
from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Sampling
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.runner import RolloutRunner
from baselines.rollouts.team_env import team_env
from baselines.train.config import TrainConfig
from baselines.train.credit_stage import CreditStage
from ccpo_env.types import Task
from tests.rl.teams import NO_THINKER, RecordingPolicy

TASKS = [Task(f"t/{n}", f"{n}+1", str(n + 1)) for n in range(8)]
SMALL = TrainConfig(
    allocator="counterfactual",
    optimizer="grpo",
    group_size=4,
    removed_samples=2,
    branch_samples=2,
)


def runner_of(config: TrainConfig, policy=None) -> RolloutRunner:
    env = team_env(config, TASKS)
    policy = policy or RecordingPolicy(GuessingScript())
    roles = env.unwrapped.topology.roles
    return RolloutRunner(env, dict.fromkeys(roles, policy), dict.fromkeys(roles, Sampling()))


class GuessingScript:
    """Answers a little at random, the same in every test: right two times of five."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __call__(self, prompt: str) -> str:
        if "Reply with one JSON object" in prompt:
            outcome = "correct" if "team is correct" in prompt else "wrong"
            return f'{{"outcome": "{outcome}", "tenths": {self.rng.integers(1, 10)}}}'
        first = int(prompt.split("Problem:\n")[1][0])
        return rf"\boxed{{{first + 1 + int(self.rng.random() < 0.6)}}}"


def stage_of(config: TrainConfig, policy=None) -> CreditStage:
    return CreditStage(config, runner_of(config, policy), OPTIMIZERS[config.optimizer])


def play(stage: CreditStage, active=("thinker", "solver"), costs=None):
    rng = np.random.default_rng(1)
    return stage.play(TASKS, active, rng=rng, costs=costs or CostTracker())


def credit_of(stage: CreditStage, groups, active=("thinker", "solver")):
    return stage.credit(stage.outcomes(groups), active)


def plan_of(stage: CreditStage, active):
    return stage.planner.plan(active, np.random.default_rng(0))


@pytest.mark.parametrize("optimizer", ["grpo", "reinforce_pp"])
@pytest.mark.parametrize("topology", ["think_solve", "vote", "debate"])
@pytest.mark.parametrize("allocator", sorted(ALLOCATORS))
def test_every_allocator_is_given_what_it_needs_in_every_topology(allocator, topology, optimizer):
    config = replace(SMALL, allocator=allocator, topology=topology, optimizer=optimizer)
    needs_tree = allocator in {"branch", "c3", "hierarchical_grpo", "influence"}
    problem = None
    if (topology == "vote" and needs_tree) or (allocator, topology) == (
        "own_answer",
        "think_solve",
    ):
        problem = "allocator must fit the topology"
    elif allocator == "influence":  # a script cannot score what it said; see test_influence.py
        problem = "must be a model in this process to measure influence"
    if problem is not None:
        with pytest.raises(ValueError, match=problem):
            stage_of(config)
        return
    stage = stage_of(config)
    turn_roles = runner_of(config).role_of
    roles = set(turn_roles.values())
    groups = [group for group in play(stage, roles) if stage.is_usable(group)]
    assert groups
    for credit in credit_of(stage, groups, roles):
        assert credit.shape == (4, len(turn_roles))
        assert np.isfinite(credit).all()
    stage.remember(stage.outcomes(groups), roles, credit=credit_of(stage, groups, roles))
    stage.load_json(stage.to_json())


@pytest.mark.parametrize("topology", ["think_solve", "vote", "debate"])
@pytest.mark.parametrize("allocator", sorted(ALLOCATORS))
def test_every_allocator_credits_groups_of_one_or_refuses_them(allocator, topology):
    config = replace(
        SMALL, allocator=allocator, topology=topology, optimizer="reinforce_pp", group_size=1
    )
    is_tree = "branch_rewards" in ALLOCATORS[allocator].needs
    nobody_reads = topology == "vote" and (is_tree or allocator == "influence")
    if nobody_reads or (topology == "think_solve" and allocator == "own_answer"):
        with pytest.raises(ValueError, match="allocator must fit the topology"):
            stage_of(config)  # as for groups of any size
        return
    if allocator == "influence":
        return  # a script cannot score what it said; test_matrix.py trains groups of one
    if is_tree or allocator in ("regression", "self_evaluation"):
        with pytest.raises(ValueError, match="group_size must be >= 2 for "):
            stage_of(config)
        return
    stage = stage_of(config)
    groups = [group for group in play(stage) if stage.is_usable(group)]
    credit = np.concatenate(credit_of(stage, groups))
    assert len(credit) == len(groups)
    assert (np.ptp(credit, axis=0) > 0.0).all()  # critic: at first the team reward


@pytest.mark.parametrize(
    ("allocator", "argument", "finding"),
    [
        ("branch", {"baseline": "none"}, "for one gives thinker_0 no credit, got 1"),
        ("self_evaluation", {"center": "none"}, "for one is the team reward, got 1"),
    ],
)
def test_groups_of_one_are_credited_with_the_hyperparameter_that_the_refusal_names(
    allocator, argument, finding
):
    config = replace(SMALL, allocator=allocator, optimizer="reinforce_pp", group_size=1)
    words = " ".join(f"{name} {value}" for name, value in argument.items())
    with pytest.raises(ValueError, match=f"{finding}; pass --allocator-args {words}, or "):
        stage_of(config)
    stage = stage_of(replace(config, allocator_args=argument))
    credit = np.concatenate(credit_of(stage, play(stage)))
    assert (np.ptp(credit, axis=0) > 0.0).all()
    assert np.ptp(credit - credit[:, :1]) > 0.0  # the agents differ


def test_only_the_answer_is_sampled_again_after_the_last_thinker():
    config = replace(SMALL, allocator="branch", num_thinkers=3, allocator_args={"after": "last"})
    stage = stage_of(config)
    assert plan_of(stage, {"thinker", "solver"}).branches == ("thinker_2",)
    groups = play(stage)
    assert list(groups[0].branches) == ["thinker_2"]
    for credit in credit_of(stage, groups):
        np.testing.assert_array_equal(credit[:, 0], credit[:, 2])


def test_completions_of_replays_are_kept_to_train_on_them():
    for train_on in ("team", "all"):
        stage = stage_of(replace(SMALL, train_on=train_on, allocator="counterfactual"))
        plan = plan_of(stage, {"thinker", "solver"})
        # A removal that cannot change credit is still an answer to train on.
        assert plan.keep_completions == (train_on == "all") == (not plan.skip_uniform_groups)


def test_messages_are_categorised_when_credit_compares_them_and_only_then():
    groups = play(stage_of(replace(SMALL, allocator="regression")))
    mixed = [group for group in groups if len(set(group.rewards.tolist())) > 1]
    assert mixed
    for group in mixed:  # the answer of the solver decides the reward
        assert group.features.shape == (4, 2)
        answers = group.features[:, 1].tolist()
        assert len(set(zip(answers, group.rewards.tolist(), strict=True))) == 2
    assert all(group.features is None for group in play(stage_of(SMALL)))


def test_messages_are_categorised_in_the_way_of_the_setting():
    script = iter(rf"{n} \boxed{{{n % 2}}}" for n in range(1000))
    sizes = {}
    for name in ("answer", "text"):
        config = replace(SMALL, allocator="regression", message_categories=name)
        policy = RecordingPolicy(lambda _: next(script))
        groups = stage_of(config, policy).play(
            [Task("t/0", "0+1", "1")], (), rng=np.random.default_rng(0), costs=CostTracker()
        )
        sizes[name] = [len(set(column)) for column in groups[0].features.T.tolist()]
    assert sizes == {"answer": [2, 2], "text": [4, 4]}


def test_plan_asks_only_for_what_the_allocator_needs():
    asked = {}
    for allocator in set(ALLOCATORS) - {"own_answer", "influence"}:  # these play nothing more
        plan = plan_of(stage_of(replace(SMALL, allocator=allocator)), {"thinker", "solver"})
        asked[allocator] = (len(plan.removals), len(plan.branches), plan.rate)
    assert asked["shared"] == asked["regression"] == (0, 0, False)
    assert asked["counterfactual"] == asked["history"] == (1, 0, False)
    assert asked["leave_one_out"] == asked["shapley"] == asked["banzhaf"] == (2, 0, False)
    assert asked["branch"] == asked["c3"] == asked["hierarchical_grpo"] == (0, 1, False)
    assert asked["self_evaluation"] == (0, 0, True)


def test_removals_are_not_played_while_only_an_agent_is_trained_that_does_not_read_them():
    stage = stage_of(SMALL)  # counterfactual: the solver is paid the team reward
    assert plan_of(stage, {"thinker"}).removals == (NO_THINKER,)
    assert plan_of(stage, {"solver"}).removals == ()
    costs = CostTracker()
    groups = play(stage, ("solver",), costs)
    assert costs.verified["removed"] == 0
    for group, credit in zip(groups, credit_of(stage, groups), strict=True):
        assert credit.tolist() == [[reward, reward] for reward in group.rewards]


def test_history_reads_the_removal_for_both_roles_so_it_is_always_played():
    stage = stage_of(replace(SMALL, allocator="history"))
    assert plan_of(stage, {"solver"}).removals == (NO_THINKER,)


@pytest.mark.parametrize(
    ("allocator", "optimizer", "is_left_out"),
    [
        ("counterfactual", "grpo", True),
        ("counterfactual", "reinforce_pp", False),  # a number per task is not cancelled
        ("history", "grpo", False),  # its state learns from every group
        ("shared", "grpo", False),  # nothing to leave out
    ],
)
def test_removals_are_left_out_only_where_no_advantage_could_change(
    allocator, optimizer, is_left_out
):
    stage = stage_of(replace(SMALL, allocator=allocator, optimizer=optimizer))
    assert plan_of(stage, {"thinker"}).skip_uniform_groups == is_left_out


def test_leaving_removals_out_changes_no_advantage():
    stage = stage_of(SMALL)
    everything = stage_of(replace(SMALL, measure_removed=True))
    groups = play(stage)
    assert any(not group.removed for group in groups)
    assert any(group.removed for group in groups)
    advantage = OPTIMIZERS["grpo"].advantage
    for group, own in zip(groups, advantage(credit_of(stage, groups)), strict=True):
        if not group.removed:
            paid = [replace(group, removed={NO_THINKER: np.array([s])}) for s in (-1.0, 0.0, 1.0)]
            for other in advantage(credit_of(everything, paid)):
                np.testing.assert_array_equal(own, other)


def test_measure_removed_plays_without_agents_for_every_group():
    costs = CostTracker()
    stage = stage_of(replace(SMALL, allocator="self_evaluation", measure_removed=True))
    groups = play(stage, costs=costs)
    assert all(NO_THINKER in group.removed for group in groups)
    assert costs.verified["removed"] == 2 * len(TASKS)
    assert costs.generated["rating"] > 0


def test_dapo_drops_groups_that_were_always_paid_the_same():
    stage = stage_of(replace(SMALL, optimizer="dapo"))
    groups = play(stage)
    kept = [group for group in groups if stage.is_usable(group)]
    assert 0 < len(kept) < len(groups)
    assert all(len(set(group.rewards)) == 2 for group in kept)


@pytest.mark.parametrize(("allocator", "is_kept"), [("branch", True), ("counterfactual", False)])
def test_dapo_keeps_equal_groups_only_if_credit_tells_their_rollouts_apart(allocator, is_kept):
    def right(prompt: str) -> str:
        return rf"\boxed{{{int(prompt.split('Problem:')[1].split()[0][0]) + 1}}}"

    config = replace(SMALL, optimizer="dapo", allocator=allocator)
    stage = stage_of(config, RecordingPolicy(right))
    assert {stage.is_usable(group) for group in play(stage)} == {is_kept}


def test_history_pays_with_the_state_before_the_step():
    config = replace(SMALL, allocator="history")
    stage, fresh = stage_of(config), stage_of(config)
    groups = play(stage)
    before = credit_of(stage, groups)
    stage.remember(stage.outcomes(groups), ["thinker", "solver"], credit=[])
    after = credit_of(stage, groups)
    assert not all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    for a, b in zip(before, credit_of(fresh, groups), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_bad_hyperparameter_is_refused_before_anything_is_played():
    with pytest.raises(ValueError, match="weight"):
        stage_of(replace(SMALL, allocator_args={"weight": "-1"}))


def test_cache_of_removals_survives_a_checkpoint():
    config = replace(SMALL, removed_cache_decay=1.0, measure_removed=True)
    stage, resumed = stage_of(config), stage_of(config)
    play(stage)
    resumed.load_json(stage.to_json())
    costs = CostTracker()
    play(resumed, costs=costs)
    assert costs.verified["removed"] == 0


def test_why_unusable_tells_what_a_group_lacks():
    stage = stage_of(replace(SMALL, allocator="leave_one_out", optimizer="dapo"))
    (mixed, *_), equal = (
        [group for group in play(stage) if (len(set(group.rewards)) > 1) == is_mixed]
        for is_mixed in (True, False)
    )
    assert equal
    reasons = {
        None: mixed,
        "too few measured rollouts": replace(mixed, rollouts=mixed.rollouts[:1]),
        "equal rewards, which dapo drops": equal[0],
        "a measurement that failed": replace(mixed, is_complete=False),
    }
    assert [stage.why_unusable(group) for group in reasons.values()] == list(reasons)
    assert [stage.is_usable(group) for group in reasons.values()] == [True, False, False, False]
    # The first reason that holds is told.
    nothing = replace(equal[0], rollouts=(), is_complete=False)
    assert stage.why_unusable(nothing) == "too few measured rollouts"
    both = replace(equal[0], is_complete=False)
    assert stage.why_unusable(both) == "equal rewards, which dapo drops"


@pytest.mark.parametrize(
    ("allocator", "optimizer", "is_usable"),
    [
        ("leave_one_out", "grpo", True),  # keeps all groups
        ("leave_one_out", "dapo", False),
        ("branch", "dapo", True),  # tells rollouts of equal reward apart
        ("self_evaluation", "dapo", True),
        ("regression", "dapo", False),
        ("shared", "dapo", False),
    ],
)
def test_groups_of_equal_rewards_are_usable_where_credit_may_differ(
    allocator, optimizer, is_usable
):
    stage = stage_of(replace(SMALL, allocator=allocator, optimizer=optimizer))
    group = play(stage)[0]
    equal = replace(group, rollouts=group.rollouts[:1] * 4)
    assert stage.is_usable(equal) == is_usable


@pytest.mark.parametrize(
    ("optimizer", "size", "is_usable"),
    [("grpo", 1, False), ("grpo", 2, True), ("reinforce_pp", 1, True), ("reinforce_pp", 0, False)],
)
def test_a_group_needs_as_many_rollouts_as_its_optimizer(optimizer, size, is_usable):
    stage = stage_of(replace(SMALL, allocator="shared", optimizer=optimizer))
    group = play(stage)[0]
    assert stage.is_usable(replace(group, rollouts=group.rollouts[:size])) == is_usable


PAIR = ("thinker_0", "solver_0")


@pytest.mark.parametrize(
    ("allocator", "removed", "expected"),
    [
        ("shared", None, [[1, 1], [-1, -1]]),
        ("counterfactual", {"thinker_0": [-1]}, [[1.2, 1], [-1, -1]]),
        ("counterfactual", {"solver_0": [-1]}, None),  # not the one that it reads
        ("counterfactual", None, None),
        ("leave_one_out", {"thinker_0": [-1], "solver_0": [1]}, [[2, 0], [0, -2]]),
        ("leave_one_out", {"thinker_0": [-1]}, None),
        ("history", {"thinker_0": [-1]}, None),  # depends on earlier steps
        ("branch", {"thinker_0": [-1]}, None),
        ("regression", None, None),
        ("self_evaluation", None, None),
    ],
)
def test_credit_of_a_group_is_known_if_all_that_it_takes_is_there(allocator, removed, expected):
    stage = stage_of(replace(SMALL, allocator=allocator))
    credit = stage.credit_of(GroupOutcomes(PAIR, [1, -1], removed))
    if expected is None:
        assert credit is None
    else:
        np.testing.assert_allclose(credit, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("sizes", "is_known"),
    [({"num_thinkers": 5}, True), ({"num_thinkers": 6}, False), ({"topology": "vote"}, True)],
)
def test_shapley_credit_of_a_group_is_known_unless_orders_are_sampled(sizes, is_known):
    sizes = {"num_voters": 7, **sizes}
    stage = stage_of(replace(SMALL, allocator="shapley", **sizes))
    agents = runner_of(replace(SMALL, **sizes)).agents
    removed = {gone: [-1.0] for gone in every_subset(agents)}
    credit = stage.credit_of(GroupOutcomes(agents, [1, -1], removed))
    assert (credit is not None) == is_known
    if is_known:
        np.testing.assert_allclose(credit[0], [2 / len(agents)] * len(agents))


def test_plan_of_many_agents_removes_the_stages_of_sampled_orders():
    stage = stage_of(replace(SMALL, allocator="shapley", num_thinkers=6))
    roles = {"thinker", "solver"}
    agents = runner_of(replace(SMALL, num_thinkers=6)).agents
    plan = plan_of(stage, roles)
    assert plan.removals == stages(agents, plan.orders)
    assert not plan.skip_uniform_groups  # most of them keep messages
    assert stage.planner.plan(roles, np.random.default_rng(1)).orders != plan.orders
    few = plan_of(stage_of(replace(SMALL, allocator="shapley", num_thinkers=5)), roles)
    assert (len(few.removals), few.orders) == (2**6 - 2, None)


def test_leave_one_out_removes_and_credits_only_agents_that_are_trained():
    stage = stage_of(replace(SMALL, allocator="leave_one_out"))
    assert plan_of(stage, {"solver"}).removals == (frozenset({"solver_0"}),)
    assert plan_of(stage, {"thinker"}).removals == (NO_THINKER,)
    outcomes = [GroupOutcomes(PAIR, [1, -1], {"thinker_0": [-1]})]
    np.testing.assert_array_equal(stage.credit(outcomes, {"thinker"})[0], [[2, 1], [0, -1]])


def test_measured_removals_are_played_once_beside_those_that_credit_needs():
    stage = stage_of(replace(SMALL, allocator="leave_one_out", measure_removed=True))
    plan = plan_of(stage, {"thinker", "solver"})
    assert plan.removals == (NO_THINKER, frozenset({"solver_0"}))
    assert not plan.skip_uniform_groups
    assert plan_of(stage, {"solver"}).removals == (frozenset({"solver_0"}), NO_THINKER)


@pytest.mark.parametrize(
    ("sizes", "is_left_out"),
    [
        ({}, True),  # without either of the two, a team plays from the first turn
        ({"num_thinkers": 2}, False),  # the first thought is kept
        ({"topology": "vote"}, False),  # recounted
        ({"topology": "debate"}, False),
    ],
)
def test_removals_are_left_out_only_if_all_are_measured_for_the_task(sizes, is_left_out):
    config = replace(SMALL, allocator="leave_one_out", **sizes)
    roles = set(runner_of(config).role_of.values())
    assert plan_of(stage_of(config), roles).skip_uniform_groups == is_left_out


def test_a_step_without_groups_leaves_the_state_as_it_was():
    stage = stage_of(replace(SMALL, allocator="history"))
    stage.remember(stage.outcomes(play(stage)), ["thinker"], credit=[])
    before = stage.to_json()
    stage.remember([], ["thinker"], credit=[])
    assert stage.to_json() == before
    assert before["cache"] is None
    fresh = stage_of(replace(SMALL, allocator="history"))
    assert fresh.to_json() != before
    fresh.load_json(before)
    assert fresh.to_json() == before


@pytest.mark.parametrize(
    ("updated", "num_again"), [([], 0), (["thinker"], 0), (["solver"], 1), (["solver"] * 2, 2)]
)
def test_removals_in_the_cache_age_with_the_policies_that_are_left(updated, num_again):
    # Of 2 replays without the thinker, each update of the solver leaves a half: 1, then 0.5.
    stage = stage_of(replace(SMALL, removed_cache_decay=0.5, measure_removed=True))
    play(stage)
    for role in updated:
        stage.remember([], [role], credit=[])
    costs = CostTracker()
    play(stage, costs=costs)
    assert costs.verified["removed"] == num_again * len(TASKS)


def test_state_of_the_optimizer_is_updated_with_the_credit_and_survives_a_checkpoint():
    config = replace(SMALL, allocator="shared", optimizer="rae", group_size=1)
    stage, resumed = stage_of(config), stage_of(config)
    groups = play(stage)
    credit = credit_of(stage, groups)
    before = stage.optimizer
    stage.remember(groups, ["thinker", "solver"], credit=credit)
    assert stage.optimizer == before.after(credit)
    assert set(stage.optimizer.state.means) == {"thinker", "solver"}
    resumed.load_json(json.loads(json.dumps(stage.to_json())))
    assert resumed.optimizer == stage.optimizer
