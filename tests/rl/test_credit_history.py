from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.credit import ALLOCATORS, GroupOutcomes, HistoryState, history_credit
from baselines.credit.history import Moments
from tests.rl.strategies import groups, measured_groups

PAIR = ("thinker_0", "solver_0")
FIRST = (
    [1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1],
    [0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0],
)
NEXT = ([1, 0, 1, 0], [0, 0, 1, 1])


def paired(joint: list[int], solo: list[int]) -> GroupOutcomes:
    """Scores of 0 and 1, each rollout replayed once without the thinker."""
    rows = 2.0 * np.array(solo)[:, None] - 1.0
    return GroupOutcomes(PAIR, 2.0 * np.array(joint) - 1.0, {"thinker_0": rows})


def test_history_credit_of_the_published_example() -> None:
    state = HistoryState().updated([paired(*FIRST)])
    moments = [
        value
        for name in (state.gain, state.joint, state.solo)
        for value in (name.mean, math.sqrt(name.variance))
    ]
    published = [0.25, 0.595119, 0.583333, 0.493007, 0.333333, 0.471405]
    np.testing.assert_allclose(moments, published, rtol=0, atol=5e-7)
    credit = history_credit(paired(*NEXT), state=state)
    thinker = [0.851133, -0.397001, -0.397001, -0.970476]
    solver = [0.229687, -0.994438, 1.070782, -0.153343]
    np.testing.assert_allclose(credit[:, 0], thinker, rtol=0, atol=5e-7)
    np.testing.assert_allclose(credit[:, 1], solver, rtol=0, atol=5e-7)


@pytest.mark.parametrize("drift", [True, False])
def test_history_state_mixes_the_second_step_by_hand(drift: bool) -> None:
    state = HistoryState(decay=0.9, drift=drift).updated([paired(*FIRST)])
    state = state.updated([paired(*NEXT)])
    # J: mean 7/12, variance 7/12 * 5/12; then mean and standard deviation 1/2.
    mean = 0.9 * 7 / 12 + 0.1 / 2
    variance = 0.9 * 35 / 144 + 0.1 / 4 + (0.09 * (1 / 12) ** 2 if drift else 0.0)
    assert state.joint.mean == pytest.approx(mean, rel=1e-12)
    assert state.joint.variance == pytest.approx(variance, rel=1e-12)
    assert state.num_seen == 16


@given(
    decay=st.floats(0.0, 0.999),
    steps=st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=1, max_size=4),
)
def test_history_state_is_the_weighted_mean_and_variance_of_all_that_was_seen(
    decay: float, steps: list[list[bool]]
) -> None:
    state = HistoryState(decay=decay)
    values, weights = np.empty(0), np.empty(0)
    for step in steps:
        state = state.updated([paired([int(right) for right in step], [0] * len(step))])
        values = np.concatenate([values, step])
        share = 1.0 - decay if weights.size else 1.0
        weights = np.concatenate([weights * (1.0 - share), [share / len(step)] * len(step)])
    mean = np.average(values, weights=weights)
    assert state.joint.mean == pytest.approx(mean, abs=1e-12)
    variance = np.average(np.square(values - mean), weights=weights)
    assert state.joint.variance == pytest.approx(variance, abs=1e-12)


def test_history_state_without_drift_takes_what_moves_for_certain() -> None:
    # Every step is all right or all wrong: no spread within, all of it between.
    with_drift, without = HistoryState(decay=0.5), HistoryState(decay=0.5, drift=False)
    for joint in ([1, 1], [0, 0], [1, 1], [0, 0]):
        group = paired(joint, [0, 0])
        with_drift, without = with_drift.updated([group]), without.updated([group])
    assert without.joint.variance == 0.0
    assert without.joint.deviation == 1.0  # and is then taken for a new quantity
    assert with_drift.joint.deviation == pytest.approx(0.48, abs=0.02)


def test_moments_of_what_hardly_varies_have_the_deviation_of_a_new_quantity() -> None:
    assert Moments(0.5, 1e-6).deviation == 1.0
    assert Moments(0.5, 4e-6).deviation == pytest.approx(2e-3, rel=1e-12)


def test_history_state_pools_groups_of_different_sizes() -> None:
    step = [paired([1, 0, 1], [0, 0, 1]), paired([0], [1]), paired([1, 1], [1, 0])]
    together = paired([1, 0, 1, 0, 1, 1], [0, 0, 1, 1, 1, 0])
    assert HistoryState().updated(step).num_seen == 6
    for name in ("gain", "joint", "solo"):
        pooled = getattr(HistoryState().updated(step), name)
        expected = getattr(HistoryState().updated([together]), name)
        assert pooled.mean == pytest.approx(expected.mean, rel=1e-12)
        assert pooled.variance == pytest.approx(expected.variance, rel=1e-12)


def test_history_state_does_not_change_in_a_step_without_groups() -> None:
    state = HistoryState().updated([paired(*FIRST)])
    assert state.updated([]) == state


def test_history_state_comes_back_from_json_to_the_last_bit() -> None:
    state = HistoryState(decay=0.97, drift=False)
    for index in range(3):
        state = state.updated(measured_groups(index + 5)[index:])
    again = HistoryState.from_json(json.loads(json.dumps(state.to_json())))
    assert again == state
    group = measured_groups(10)[9]
    np.testing.assert_array_equal(
        history_credit(group, state=again), history_credit(group, state=state)
    )


def test_history_credit_of_a_new_state_changes_no_scale_by_hand() -> None:
    # Mean 0 and deviation 1: tanh(J - S), and half J, half S.
    credit = history_credit(paired(*NEXT))
    np.testing.assert_allclose(credit[:, 0], np.tanh([1, 0, 0, -1]), rtol=0, atol=2e-6)
    np.testing.assert_allclose(credit[:, 1], [0.5, 0, 1, 0.5], rtol=0, atol=2e-6)


def test_history_credit_waits_for_enough_samples() -> None:
    state = HistoryState().updated([paired(*FIRST)])  # 12 rollouts
    group = paired(*NEXT)
    waiting = history_credit(group, state=state, min_samples=13)
    np.testing.assert_array_equal(waiting, history_credit(group))
    used = history_credit(group, state=state, min_samples=12)
    np.testing.assert_array_equal(used, history_credit(group, state=state))
    assert (used != waiting).any()
    nothing_seen = history_credit(group, state=HistoryState(), min_samples=0)
    np.testing.assert_array_equal(nothing_seen, history_credit(group))


def test_history_credit_warms_up_with_raw_values_like_the_reference() -> None:
    credit = history_credit(paired(*NEXT), warm_up="raw")
    np.testing.assert_array_equal(credit, [[1, 1], [0, 0], [0, 1], [-1, 0]])


def test_history_credit_of_a_removal_measured_for_the_task_uses_its_mean() -> None:
    state = HistoryState(pairing="task").updated([paired(*FIRST)])
    for_task = GroupOutcomes(PAIR, [1, -1], {"thinker_0": [1, -1, -1, -1]})
    on_rollouts = GroupOutcomes(PAIR, [1, -1], {"thinker_0": [[-0.5], [-0.5]]})
    np.testing.assert_array_equal(
        history_credit(for_task, state=state), history_credit(on_rollouts, state=state)
    )


def test_history_credit_pairs_rollouts_with_replays_in_order_like_the_reference() -> None:
    state = HistoryState().updated([paired(*FIRST)])
    for_task = GroupOutcomes(PAIR, [1, -1, 1, -1], {"thinker_0": [1, -1]})
    # The third and the fourth have no replay of their own: the mean of the two.
    on_rollouts = GroupOutcomes(PAIR, [1, -1, 1, -1], {"thinker_0": [[1], [-1], [0], [0]]})
    np.testing.assert_array_equal(
        history_credit(for_task, state=state), history_credit(on_rollouts, state=state)
    )
    assert state.updated([for_task]) == state.updated([on_rollouts])


def test_history_credit_leaves_replays_beyond_the_rollouts_out() -> None:
    few = GroupOutcomes(PAIR, [1, -1], {"thinker_0": [1, -1, 1, 1]})
    paired_rows = GroupOutcomes(PAIR, [1, -1], {"thinker_0": [[1], [-1]]})
    np.testing.assert_array_equal(history_credit(few), history_credit(paired_rows))


def test_history_credit_gates_the_last_speaker_between_its_answer_and_its_skill() -> None:
    state = HistoryState(num_seen=10, gain=Moments(2.0, 1.0))
    group = paired([1, 0], [0, 1])
    only_answer = history_credit(group, state=state, gate_steepness=1e9)
    np.testing.assert_allclose(only_answer[:, 1], [1, 0], rtol=0, atol=2e-6)
    even = history_credit(group, state=state, gate_steepness=0.0)
    np.testing.assert_allclose(even[:, 1], [0.5, 0.5], rtol=0, atol=2e-6)
    harmful = HistoryState(num_seen=10, gain=Moments(-2.0, 1.0))
    only_skill = history_credit(group, state=harmful, gate_steepness=1e9)
    np.testing.assert_allclose(only_skill[:, 1], [0, 1], rtol=0, atol=2e-6)


def slow_credit(group: GroupOutcomes, state: HistoryState) -> list[list[float]]:
    """The formula, one rollout and one agent at a time, in Python numbers."""

    def z(value: float, moments: Moments) -> float:
        return (value - moments.mean) / (math.sqrt(moments.variance) + 1e-6)

    gate = 1 / (1 + math.exp(-state.gain.mean / (math.sqrt(state.gain.variance) + 1e-6)))
    rows = []
    for g, reward in enumerate(group.team_rewards.tolist()):
        joint, solo = (reward + 1) / 2, []
        for agent in group.agents[:-1]:
            entry = group.removed_rewards[frozenset([agent])].tolist()
            if isinstance(entry[0], list):
                values = entry[g]
            else:
                values = [entry[g]] if g < len(entry) else entry
            solo.append((sum(values) / len(values) + 1) / 2)
        row = [math.tanh(z(joint - without, state.gain)) for without in solo]
        mean = sum(solo) / len(solo)
        row.append(gate * z(joint, state.joint) + (1 - gate) * z(mean, state.solo))
        rows.append(row)
    return rows


@pytest.mark.no_cover
def test_history_credit_equals_a_loop_over_500_groups() -> None:
    step = measured_groups(500)
    state = HistoryState().updated(step[:50])
    found = ALLOCATORS["history"].many(step, state=state)
    for group, credit in zip(step, found, strict=True):
        np.testing.assert_allclose(credit, slow_credit(group, state), rtol=0, atol=1e-13)


@given(group=groups(), steepness=st.floats(0.0, 5.0))
def test_history_credit_of_removed_agents_stays_within_one(
    group: GroupOutcomes, steepness: float
) -> None:
    state = HistoryState().updated([group] * 5)
    credit = history_credit(group, state=state, steepness=steepness)
    assert np.abs(credit[:, :-1]).max() <= 1.0
    if steepness == 0.0:
        assert not credit[:, :-1].any()


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        (
            {"steepness": -1.0},
            r"^steepness must be >= 0, got -1.0; leave it out for the default, 1.0$",
        ),
        ({"gate_steepness": math.nan}, r"^gate_steepness must be >= 0, got nan; leave it out"),
        (
            {"min_samples": -1},
            r"^min_samples must be >= 0, got -1; leave it out for the default, 10$",
        ),
        ({"warm_up": "raws"}, "did you mean 'raw'"),
    ],
)
def test_history_credit_refuses_bad_hyperparameters(
    hyperparameters: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        history_credit(paired(*NEXT), **hyperparameters)


@pytest.mark.parametrize("decay", [1.0, -0.1, math.nan])
def test_history_state_refuses_a_bad_decay(decay: float) -> None:
    with pytest.raises(
        ValueError,
        match=r"^decay must lie in \[0, 1\), got .*; leave it out for the default, 0.99$",
    ):
        HistoryState(decay=decay)


def test_history_credit_refuses_what_it_cannot_compare() -> None:
    with pytest.raises(ValueError, match=r"^agents must be two or more .* allocator 'shared'$"):
        history_credit(GroupOutcomes(("solver_0",), [1]))
    with pytest.raises(ValueError, match=r"^removed_rewards must hold .* without 'thinker_0'"):
        HistoryState().updated([GroupOutcomes(PAIR, [1])])
