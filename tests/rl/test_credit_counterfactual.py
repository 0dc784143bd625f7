from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.credit import GroupOutcomes, counterfactual_credit
from tests.rl.strategies import groups, random_group

TEAM = [1.0, 1.0, -1.0, -1.0]


def pair(removed: list[float] | list[list[float]]) -> GroupOutcomes:
    return GroupOutcomes(("thinker_0", "solver_0"), TEAM, {"thinker_0": removed})


@pytest.mark.parametrize(
    ("removed", "thinker"),
    [
        ([-1, -1, -1, 1], [1.2, 1.2, -1, -1]),  # mean -0.5: where the team is right, it helped
        ([1, -1, -1, 1], [1, 1, -1, -1]),  # mean 0: no event
        ([1, 1, 1, -1], [1, 1, -1.2, -1.2]),  # mean 0.5: where the team is wrong, it hurt
        ([-1], [1.2, 1.2, -1, -1]),  # measured once for the task
    ],
)
def test_counterfactual_credit_pays_events_against_the_group(
    removed: list[float], thinker: list[float]
) -> None:
    credit = counterfactual_credit(pair(removed), weight=0.2)
    np.testing.assert_allclose(credit[:, 0], thinker, rtol=1e-12)
    np.testing.assert_array_equal(credit[:, 1], TEAM)  # never removed


def test_counterfactual_credit_pays_events_against_each_rollout() -> None:
    # Helped, wrong with and without, not even needed, hurt.
    group = pair([[-1], [1], [-1], [1]])
    credit = counterfactual_credit(group, weight=0.2, baseline="rollout")
    np.testing.assert_allclose(credit[:, 0], [1.2, 1, -1, -1.2], rtol=1e-12)


def test_counterfactual_credit_pays_margins_against_the_group() -> None:
    # Mean -0.5: (1 + 0.5) / 2 = 0.75 and (-1 + 0.5) / 2 = -0.25, times 0.2.
    credit = counterfactual_credit(pair([-1, -1, -1, 1]), weight=0.2, mode="margin")
    np.testing.assert_allclose(credit[:, 0], [1.15, 1.15, -1.05, -1.05], rtol=1e-12)


def test_counterfactual_credit_averages_a_removal_on_rollouts_over_the_group() -> None:
    rows = [[-1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, 1.0]]  # 3 of 8 right: mean -0.25
    credit = counterfactual_credit(pair(rows), weight=1.0, mode="margin", baseline="group")
    np.testing.assert_allclose(credit[:, 0], [1.625, 1.625, -1.375, -1.375], rtol=1e-12)


def slow_credit(group: GroupOutcomes, weight: float, mode: str, baseline: str) -> list[list[float]]:
    """The formula, one rollout and one agent at a time, in Python numbers."""
    rows = []
    for g, reward in enumerate(group.team_rewards.tolist()):
        row = []
        for agent in group.agents:
            bonus = 0.0
            entry = (group.removed_rewards or {}).get(frozenset([agent]))
            if entry is not None:
                values = entry[g].tolist() if baseline == "rollout" else entry.ravel().tolist()
                without = sum(values) / len(values)
                if mode == "margin":
                    bonus = 0.5 * reward - 0.5 * without
                elif reward == 1.0:
                    bonus = 1.0 if without < 0.0 else 0.0
                else:
                    bonus = -1.0 if without > 0.0 else 0.0
            row.append(reward + weight * bonus)
        rows.append(row)
    return rows


@pytest.mark.parametrize(
    ("seed", "mode", "baseline"),
    [
        (seed, *hyperparameters)
        for seed, hyperparameters in enumerate(product(("event", "margin"), ("group", "rollout")))
    ],
)
def test_counterfactual_credit_equals_a_loop_over_2500_groups(
    seed: int, mode: str, baseline: str
) -> None:
    for index in range(2500):
        rng = np.random.default_rng([seed, index])
        group = random_group(
            rng,
            num_agents=int(rng.integers(2, 5)),
            per_rollout=baseline == "rollout" or bool(rng.integers(2)),
        )
        weight = float(rng.choice([0.0, 0.2, 1.5]))
        np.testing.assert_allclose(
            counterfactual_credit(group, weight=weight, mode=mode, baseline=baseline),
            slow_credit(group, weight, mode, baseline),
            rtol=0,
            atol=1e-14,
        )


@pytest.mark.parametrize("mode", ["event", "margin"])
@given(group=groups(), weight=st.floats(0.0, 2.0))
def test_counterfactual_credit_stays_within_the_weight_of_the_reward(
    mode: str, group: GroupOutcomes, weight: float
) -> None:
    credit = counterfactual_credit(group, weight=weight, mode=mode)
    team = group.team_rewards[:, None]
    assert (np.abs(credit - team) <= weight + 1e-12).all()
    assert (credit * team >= 1.0 - 1e-12).all() or mode == "margin"  # an event never shrinks it


@pytest.mark.parametrize("mode", ["event", "margin"])
@given(group=groups())
def test_counterfactual_credit_is_shared_for_an_agent_nobody_needs(
    mode: str, group: GroupOutcomes
) -> None:
    # Every replay without the thinker ends as the rollout did.
    needless = np.repeat(group.team_rewards[:, None], 2, axis=1)
    alone = GroupOutcomes(group.agents, group.team_rewards, {group.agents[0]: needless})
    credit = counterfactual_credit(alone, mode=mode, baseline="rollout")
    np.testing.assert_array_equal(credit[:, 0], group.team_rewards)


@given(group=groups(per_rollout=True), weight=st.floats(0.0, 2.0))
def test_counterfactual_credit_pays_a_margin_for_what_the_team_loses(
    group: GroupOutcomes, weight: float
) -> None:
    agent = group.agents[0]
    gap = np.subtract(
        *(
            counterfactual_credit(
                GroupOutcomes(group.agents, group.team_rewards, {agent: [without]}),
                weight=weight,
                mode="margin",
            )
            for without in (-1.0, 1.0)
        )
    )
    # Losing the agent costs the whole range of 2, so the bonus differs by weight, whatever R is.
    np.testing.assert_allclose(gap[:, 0], weight, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(gap[:, 1:], 0.0)


def test_counterfactual_credit_says_what_is_missing() -> None:
    team = ("thinker_0", "thinker_1", "solver_0")
    both = {frozenset({"thinker_0", "thinker_1"}): [1.0]}
    for removed in (None, {}, both):
        group = GroupOutcomes(team, TEAM, removed)
        with pytest.raises(ValueError, match=r"^removed_rewards must hold .*, got none; replay"):
            counterfactual_credit(group)


def test_counterfactual_credit_refuses_one_number_per_task_for_each_rollout() -> None:
    expected = r"must have shape \(G, M\) for baseline 'rollout', got \(4,\); .*baseline='group'"
    with pytest.raises(ValueError, match=expected):
        counterfactual_credit(pair([1, 1, 1, 1]), baseline="rollout")


@pytest.mark.parametrize(
    ("hyperparameters", "nearest"),
    [({"mode": "events"}, "event"), ({"baseline": "groups"}, "group")],
)
def test_counterfactual_credit_offers_the_nearest_choice(
    hyperparameters: dict[str, str], nearest: str
) -> None:
    with pytest.raises(ValueError, match=f"did you mean '{nearest}'"):
        counterfactual_credit(pair([1]), **hyperparameters)
