from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from baselines.credit import (
    ALLOCATORS,
    CreditAudit,
    GroupOutcomes,
    HistoryState,
    audit,
    audit_advantages,
)
from baselines.optimizers import OPTIMIZERS
from tests.rl.strategies import measured_group, random_group

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
    assert math.isnan(found["thinker_0"].variance_ratio)
    assert math.isnan(found["thinker_0"].sign_agreement)
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
            variance_ratio=pytest.approx(1.0),
            sign_agreement=1.0,
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


GROUP_CENTRED = (
    *("grpo", "dr_grpo", "dapo", "gspo", "rloo", "reinforce_pp_baseline"),
    *("magrpo", "dr_mas", "at_grpo"),
)


def measured_pairs(seed: int, num_groups: int = 60) -> list[GroupOutcomes]:
    """Groups of two agents in which everything was measured, removals on each rollout."""
    step = []
    for index in range(num_groups):
        rng = np.random.default_rng([seed, index])
        group = measured_group(rng, num_agents=2)
        entries = {agent: rng.choice([-1.0, 1.0], (len(group.team_rewards), 1)) for agent in TEAM}
        step.append(replace(group, removed_rewards=entries))
    return step


def test_group_centred_optimizers_are_all_but_two() -> None:
    assert set(OPTIMIZERS) == {*GROUP_CENTRED, "reinforce_pp", "rae"}


@pytest.mark.parametrize("mode", ["event", "margin"])
@pytest.mark.parametrize("optimizer", GROUP_CENTRED)
def test_audit_flags_counterfactual_credit_under_every_group_centred_optimizer(
    optimizer: str, mode: str
) -> None:
    found = audit("counterfactual", optimizer=optimizer, batches=random_step(2), mode=mode)
    assert found["thinker_0"].degenerate
    assert found["thinker_0"].correlation > 0.99
    assert found["thinker_0"].sign_agreement == 1.0


@pytest.mark.parametrize("mode", ["event", "margin"])
def test_audit_clears_counterfactual_credit_whitened_over_the_step(mode: str) -> None:
    step = random_step(2)
    found = audit("counterfactual", optimizer="reinforce_pp", batches=step, mode=mode)
    assert not found["thinker_0"].degenerate
    assert found["solver_0"].degenerate  # was never removed


def test_audit_clears_whitened_credit_because_tasks_differ_in_their_offset() -> None:
    # Without the thinker two tasks fail and one succeeds: an event bonus of +0.1 on average in
    # the first two, -0.1 in the third. Alone, either kind is one affine map of R: nothing is new.
    fails = [GroupOutcomes(TEAM, team, {"thinker_0": [-1]}) for team in ([1, -1], [1, 1, -1])]
    succeeds = GroupOutcomes(TEAM, [1, -1], {"thinker_0": [1]})
    for step in (fails, [succeeds, succeeds]):
        assert audit("counterfactual", optimizer="reinforce_pp", batches=step)[
            "thinker_0"
        ].degenerate
    step = [*fails, succeeds]
    assert not audit("counterfactual", optimizer="reinforce_pp", batches=step)[
        "thinker_0"
    ].degenerate
    # Within each task it is still affine in R, with a slope that all tasks share.
    advantage = OPTIMIZERS["reinforce_pp"].advantage(ALLOCATORS["counterfactual"].many(step))
    slopes, offsets = zip(
        *(np.polyfit(g.team_rewards, a[:, 0], 1) for g, a in zip(step, advantage, strict=True)),
        strict=True,
    )
    np.testing.assert_allclose(slopes, slopes[0], rtol=1e-12)
    assert offsets[0] == pytest.approx(offsets[1])
    assert offsets[0] - offsets[2] == pytest.approx(slopes[0] * 0.2 / 1.1)


@pytest.mark.parametrize("optimizer", [*GROUP_CENTRED, "reinforce_pp"])
@pytest.mark.parametrize("allocator", ["branch", "history", "self_evaluation", "regression"])
def test_audit_clears_credit_that_tells_rollouts_of_a_task_apart(
    allocator: str, optimizer: str
) -> None:
    found = audit(allocator, optimizer=optimizer, batches=measured_pairs(3))
    for seen in found.values():
        assert not seen.degenerate
        assert seen.signal_rate > 0.2  # regression pays nothing for what it cannot predict


@pytest.mark.parametrize("allocator", ["history", "leave_one_out", "shapley"])
@pytest.mark.parametrize("optimizer", GROUP_CENTRED)
def test_audit_flags_any_credit_of_removals_that_the_whole_group_shares(
    allocator: str, optimizer: str
) -> None:
    # Whatever the formula, credit is a function of R alone within a group, and R has two values.
    of_task = {agent: [1.0, -1.0, -1.0] for agent in TEAM}
    step = [replace(group, removed_rewards=of_task) for group in measured_pairs(4)]
    hyperparameters = {"state": HistoryState(pairing="task")} if allocator == "history" else {}
    found = audit(allocator, optimizer=optimizer, batches=step, **hyperparameters)
    assert all(seen.degenerate for seen in found.values())
    found = audit(allocator, optimizer=optimizer, batches=measured_pairs(4))
    assert not found["thinker_0"].degenerate


def test_audit_passes_hyperparameters_and_state_on() -> None:
    step = measured_pairs(5)
    state = HistoryState().updated(step)
    assert audit("history", batches=step, state=state) != audit("history", batches=step)


def test_audit_takes_an_optimizer_with_other_hyperparameters() -> None:
    # Divided by the deviation of the group, even the factor 1.1 is gone.
    found = audit(
        "counterfactual",
        optimizer=OPTIMIZERS["grpo"].with_hyperparameters(std=True),
        batches=random_step(0),
    )
    assert found["thinker_0"].degenerate
    assert found["thinker_0"].slope == pytest.approx(1.0, abs=1e-5)


def test_audit_of_advantages_weighs_both_by_the_same_tokens() -> None:
    step = random_step(6)[:5]
    tokens = [np.full((len(g.team_rewards), 2), 3 + index) for index, g in enumerate(step)]
    shared = ALLOCATORS["shared"].many(step)
    advantages = OPTIMIZERS["reinforce_pp"].advantage(shared, tokens)
    found = audit_advantages(advantages, "reinforce_pp", step, num_tokens=tokens)
    assert found["thinker_0"].slope == pytest.approx(1.0, rel=1e-12)
    assert found["thinker_0"].degenerate
    assert not audit_advantages(advantages, "reinforce_pp", step)["thinker_0"].degenerate


def test_audit_compares_variances_and_signs_by_hand() -> None:
    # Shared advantages (1, -1) and (2/3, 2/3, -4/3); branches turn two signs and leave one at 0.
    step = [
        GroupOutcomes(TEAM, [1, -1], branch_rewards={"thinker_0": [[-0.5], [0.5]]}),
        GroupOutcomes(TEAM, [1, 1, -1], branch_rewards={"thinker_0": [[0.5], [0], [-0.5]]}),
    ]
    seen = audit("branch", batches=step)["thinker_0"]
    assert seen.sign_agreement == pytest.approx(2 / 5)
    # Sums of squares: 2 + 8/3 and 4 * 0.25, all means 0.
    assert seen.variance_ratio == pytest.approx(1.0 / (2 + 8 / 3))


@pytest.mark.parametrize(("factor", "sign"), [(0.1, 1.0), (-0.1, -1.0)])
def test_audit_keeps_correlations_within_one(factor: float, sign: float) -> None:
    step = [GroupOutcomes(TEAM, [1, *[-1] * 9])]
    shared = OPTIMIZERS["grpo"].advantage(ALLOCATORS["shared"].many(step))
    found = audit_advantages([factor * own for own in shared], "grpo", step)
    assert found["thinker_0"].correlation == sign  # 1.0000000000000007 as computed


def test_audit_takes_rounding_errors_for_nothing() -> None:
    step = random_step(7)
    noise = [
        1e-14 * advantage
        for advantage in OPTIMIZERS["grpo"].advantage(ALLOCATORS["shared"].many(step))
    ]
    seen = audit_advantages(noise, "grpo", step)["thinker_0"]
    assert seen.sign_agreement == 0.0
    assert seen.signal_rate == 0.0
    assert seen.degenerate


def test_audit_refuses_what_it_cannot_compare() -> None:
    group = GroupOutcomes(TEAM, [1, -1])
    with pytest.raises(ValueError, match="did you mean 'counterfactual'"):
        audit("counterfactal", batches=[group])
    with pytest.raises(ValueError, match="did you mean 'dr_grpo'"):
        audit("shared", optimizer="drgrpo", batches=[group])
    with pytest.raises(ValueError, match=r"batches must hold groups of one team, got 0 teams"):
        audit("shared", batches=[])
    with pytest.raises(ValueError, match=r"groups of one team, got 2 teams in 2 groups"):
        audit("shared", batches=[group, GroupOutcomes(("solver_0",), [1, -1])])
    with pytest.raises(ValueError, match="group_size must be >= 2"):
        audit("shared", batches=[GroupOutcomes(TEAM, [1])])
    with pytest.raises(TypeError, match="wieght"):
        audit("counterfactual", batches=[group], wieght=0.3)


def test_audit_tells_groups_of_several_sizes_apart() -> None:
    # Shared advantages are x; y is 3 x in the first group and 0 in the second: a multiple in each.
    sizes = (3, 2, 4)
    groups = [
        GroupOutcomes(TEAM, [1.0, *[-1.0] * (size - 1)], removed_rewards={"thinker_0": [-1.0]})
        for size in sizes
    ]
    x = OPTIMIZERS["dr_grpo"].advantage([np.tile(g.team_rewards[:, None], 2) for g in groups])
    factors = (3.0, 0.0, 1.0)
    found = audit_advantages(
        [f * own for f, own in zip(factors, x, strict=True)], "dr_grpo", groups
    )
    assert found["thinker_0"].degenerate
    assert found["thinker_0"].signal_rate == pytest.approx(2 / 3)
    x[1] = np.array([[1.0, 0.0], [1.0, 0.0]])  # of which no factor of the shared one is made
    found = audit_advantages(x, "dr_grpo", groups)
    assert not found["thinker_0"].degenerate
    assert found["solver_0"].degenerate


def test_audit_centres_advantages_whose_mean_over_the_rollouts_is_not_zero() -> None:
    """Whitening weighs each rollout by its tokens, so its plain mean is not zero."""
    step, method = random_step(3, per_rollout=True), OPTIMIZERS["reinforce_pp"]
    credit = ALLOCATORS["counterfactual"].many(step, baseline="rollout")
    tokens = [np.where(own > 0.0, 30, 3) for own in credit]
    allocated = method.advantage(credit, tokens)
    shared = method.advantage([ALLOCATORS["shared"](group) for group in step], tokens)
    found = audit_advantages(allocated, method, step, num_tokens=tokens)
    for column, agent in enumerate(TEAM):
        x, y = (np.concatenate(each)[:, column] for each in (shared, allocated))
        assert min(abs(x.mean()), abs(y.mean())) > 0.1
        assert found[agent].correlation == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-12)
        assert found[agent].variance_ratio == pytest.approx(y.var() / x.var(), rel=1e-12)


DEBATERS = ("debater_0", "debater_1")
DEBATE = ("debater_0#1", "debater_1#1", "debater_0#2")


def test_audit_compares_an_agent_over_all_its_turns_by_hand() -> None:
    # Shared advantages are (1, -1) in each turn, so x of the first debater is (1, -1, 1, -1).
    step = [GroupOutcomes(DEBATERS, [1, -1], turns=DEBATE)]
    found = audit_advantages([np.array([[1.0, 0.0, 3.0], [-1.0, 0.0, -3.0]])], "dr_grpo", step)
    first, second = found["debater_0"], found["debater_1"]
    assert list(found) == list(DEBATERS)
    assert first.slope == pytest.approx((1 + 1 + 3 + 3) / 4)
    assert first.correlation == pytest.approx(8 / math.sqrt(4 * 20))
    assert first.variance_ratio == pytest.approx(20 / 4)
    assert (first.degenerate, first.signal_rate, first.sign_agreement) == (True, 1.0, 1.0)
    assert (second.slope, second.signal_rate, second.sign_agreement) == (0.0, 0.0, 0.0)
    late = audit_advantages([np.array([[0.0, 1.0, 2.0], [0.0, 1.0, -2.0]])], "dr_grpo", step)
    assert late["debater_0"].signal_rate == 1.0
    assert late["debater_0"].sign_agreement == 0.5
    assert not late["debater_1"].degenerate


def test_audit_finds_turns_that_only_together_are_a_multiple() -> None:
    step = [GroupOutcomes(DEBATERS, [1, 1, -1], turns=DEBATE)] * 2
    shared = OPTIMIZERS["dr_grpo"].advantage([ALLOCATORS["shared"](group) for group in step])
    other = shared[1].copy()
    other[:, 0] += [1.0, -1.0, 0.0]
    other[:, 2] -= [1.0, -1.0, 0.0]
    found = audit_advantages([shared[0], other], "dr_grpo", step)
    assert found["debater_1"].degenerate
    assert not found["debater_0"].degenerate


def test_audit_counts_groups_of_several_sizes_and_turns() -> None:
    step = [
        GroupOutcomes(DEBATERS, [1, *[-1] * size], turns=DEBATE, branch_rewards=branches)
        for size in (1, 3, 2)
        for branches in [{turn: np.zeros((size + 1, 1)) for turn in DEBATE[:-1]}]
    ]
    found = audit("branch", batches=step)  # pays the last turn alone
    assert found["debater_0"].degenerate
    assert found["debater_0"].signal_rate == 1.0
    assert found["debater_0"].sign_agreement == pytest.approx(0.5)
    assert found["debater_1"].signal_rate == 0.0
    shared = OPTIMIZERS["dr_grpo"].advantage([ALLOCATORS["shared"](group) for group in step])
    shared[1][:] = 0.0
    found = audit_advantages(shared, "dr_grpo", step)
    for seen in found.values():
        assert seen.signal_rate == pytest.approx(2 / 3)
        assert seen.degenerate


@pytest.mark.parametrize(
    ("allocator", "is_degenerate"), [("shared", True), ("leave_one_out", False)]
)
def test_audit_compares_groups_of_one_with_each_other(allocator: str, is_degenerate: bool) -> None:
    rng = np.random.default_rng(0)
    step = [
        GroupOutcomes(
            ("thinker_0", "solver_0"),
            rng.choice([-1.0, 1.0], 1),
            removed_rewards={
                "thinker_0": rng.choice([-1.0, 1.0], 2),
                "solver_0": rng.choice([-1.0, 1.0], 2),
            },
        )
        for _ in range(12)
    ]
    found = audit(allocator, optimizer="reinforce_pp", batches=step)
    assert [own.degenerate for own in found.values()] == [is_degenerate] * 2


def test_audit_of_groups_of_one_compares_each_turn_on_its_own() -> None:
    step = [GroupOutcomes(DEBATERS, [sign], turns=DEBATE) for sign in (1, -1, -1)]
    shared = OPTIMIZERS["reinforce_pp"].advantage([ALLOCATORS["shared"](group) for group in step])
    factors = np.array([1.0, 1.0, 3.0])  # of the turns of two debaters
    other = [own * factors for own in shared]
    assert audit_advantages(other, "reinforce_pp", step)["debater_0"].degenerate
    other[0] = other[0] + [[0.0, 0.0, 1.0]]
    found = audit_advantages(other, "reinforce_pp", step)
    assert not found["debater_0"].degenerate
    assert found["debater_1"].degenerate


def test_audit_refuses_groups_with_other_turns() -> None:
    groups = [GroupOutcomes(DEBATERS, [1, -1], turns=turns) for turns in (DEBATE, None)]
    with pytest.raises(ValueError, match="groups of one team, got 2 teams in 2 groups"):
        audit("shared", batches=groups)
