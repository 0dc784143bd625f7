from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest

from baselines.credit import GroupOutcomes
from baselines.credit.removals import balanced_orders

AGENTS = ("thinker_0", "thinker_1", "solver_0")
NAN, INF = float("nan"), float("inf")


RATED_WITH_NAN = np.full((3, 3, 2), 0.25)
RATED_WITH_NAN[0, :, 0] = NAN
"""The first agent's rating of the first rollout is unreadable."""


def outcomes(**fields: Any) -> GroupOutcomes:
    return GroupOutcomes(**{"agents": AGENTS, "team_rewards": [1, -1], **fields})


def test_outcomes_takes_lists_and_holds_read_only_float64() -> None:
    group = outcomes(
        removed_rewards={"thinker_0": [1, -1, 1]},
        branch_rewards={"solver_0": [[1], [-1]]},
        ratings=np.full((3, 3, 2), 0.5),
        rating_valid=np.ones((3, 2), dtype=bool),
    )
    arrays = [
        group.team_rewards,
        group.without("thinker_0"),
        group.branch_rewards["solver_0"],
        group.ratings,
    ]
    assert [array.dtype for array in arrays] == [np.float64] * 4
    assert not any(array.flags.writeable for array in [*arrays, group.rating_valid])


def test_outcomes_takes_nan_for_ratings_that_are_not_valid() -> None:
    valid = [[False, True], [True, True], [True, True]]
    group = outcomes(ratings=RATED_WITH_NAN, rating_valid=valid)
    np.testing.assert_array_equal(group.ratings[0, :, 0], [0.5] * 3)
    np.testing.assert_array_equal(group.ratings[1:], np.full((2, 3, 2), 0.25))
    np.testing.assert_array_equal(group.ratings[0, :, 1], [0.25] * 3)
    assert not group.ratings.flags.writeable
    assert np.isnan(RATED_WITH_NAN[0, :, 0]).all()


def test_outcomes_keeps_its_own_copy() -> None:
    team = np.array([1.0, -1.0])
    group = outcomes(team_rewards=team)
    team[0] = -1.0
    np.testing.assert_array_equal(group.team_rewards, [1.0, -1.0])


def test_outcomes_holds_its_own_read_only_features() -> None:
    features = np.array([[0, 1, 2], [2, 1, 0]], np.int32)
    group = outcomes(features=features)
    features[:] = 9
    np.testing.assert_array_equal(group.features, [[0, 1, 2], [2, 1, 0]])
    assert group.features.dtype == np.int64
    assert not group.features.flags.writeable


def test_outcomes_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        outcomes().team_rewards = np.ones(2)


def test_outcomes_survives_replace_deepcopy_and_pickle() -> None:
    group = outcomes(removed_rewards={"thinker_0": [1.0], frozenset(AGENTS[:2]): [[0.5], [1.0]]})
    for twin in (replace(group), copy.deepcopy(group), pickle.loads(pickle.dumps(group))):
        assert twin.agents == group.agents
        assert twin.removed_rewards.keys() == group.removed_rewards.keys()
        np.testing.assert_array_equal(twin.without("thinker_0"), [1.0])


DEBATE = ("debater_0#1", "debater_1#1", "debater_0#2")


def debate(**fields: Any) -> GroupOutcomes:
    return outcomes(**{"agents": ("debater_0", "debater_1"), "turns": DEBATE, **fields})


def test_outcomes_of_turns_hold_a_category_and_branches_of_each() -> None:
    branches = {"debater_0#1": [[0.5], [1]], "debater_0#2": [[-1], [1]]}
    group = debate(features=[[0, 1, 2], [2, 1, 0]], branch_rewards=branches, turns=list(DEBATE))
    assert group.turns == DEBATE
    assert group.features.shape == (2, 3)
    assert set(group.branch_rewards) == set(branches)
    with pytest.raises(ValueError, match=r"features must have shape \(2, 3\), got \(2, 2\);"):
        debate(features=[[0, 1], [1, 0]])
    assert outcomes().turns is None


def test_outcomes_hold_orders_of_joining_as_tuples() -> None:
    group = outcomes(orders=np.array([[0, 1, 2], [2, 1, 0]]))
    assert group.orders == ((0, 1, 2), (2, 1, 0))
    assert {type(place) for order in group.orders for place in order} == {int}
    orders = balanced_orders(3, np.random.default_rng(0))
    assert outcomes(orders=orders).orders == orders
    assert outcomes().orders is None


def test_outcomes_of_turns_survive_replace_deepcopy_and_pickle() -> None:
    group = debate(orders=[[1, 0]])
    for twin in (replace(group), copy.deepcopy(group), pickle.loads(pickle.dumps(group))):
        assert (twin.turns, twin.orders) == (DEBATE, ((1, 0),))


@pytest.mark.parametrize(
    "turns",
    [
        (),
        "debater_0#1",
        ("debater_0", "debater_1", "debater_0"),
        ("debater_0#1", "debater_0#2"),  # where is the other one
        ("debater_1#1", "debater_0#1"),  # not the order of the agents
        ("debater_0#1", "debater_1#1", "debater_0#3"),
        ("debater_0#2", "debater_1#1", "debater_0#1"),
        ("debater_0#0", "debater_1#0"),
        ("debater_0#1", "debater_1#1", "debater_2#1"),
    ],
)
def test_outcomes_refuses_turns_that_do_not_number_those_of_its_agents(turns: Any) -> None:
    with pytest.raises(
        ValueError,
        match=r"^turns must number the turns of \['debater_0', 'debater_1'\] in speaking order,",
    ):
        debate(turns=turns)


@pytest.mark.parametrize(
    ("orders", "got"),
    [
        ((), "none"),
        (((0, 1),), r"\(0, 1\)"),
        (((0, 1, 2), (0, 1, 1)), r"\(0, 1, 1\)"),
        (((0, 1, 3),), r"\(0, 1, 3\)"),
        (((1, 2, 3),), r"\(1, 2, 3\)"),
        (((0, 1, 2, 3),), r"\(0, 1, 2, 3\)"),
    ],
)
def test_outcomes_refuses_orders_without_everybody_once(orders: Any, got: str) -> None:
    with pytest.raises(
        ValueError,
        match=rf"^orders must each hold the numbers 0 to 2 once, got {got}; draw them with",
    ):
        outcomes(orders=orders)


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        ("debater_0#3", r"^unknown turn 'debater_0#3' of branch_rewards; .*mean 'debater_0#"),
        ("debater_0", r"^unknown turn 'debater_0' of branch_rewards; available: debater_0#1"),
    ],
)
def test_outcomes_refuses_branches_after_a_turn_that_is_not_there(turn: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        debate(branch_rewards={turn: [[1], [1]]})


def test_outcomes_may_hold_one_rollout_of_one_agent() -> None:
    group = GroupOutcomes(["solver_0"], [1])
    assert group.agents == ("solver_0",)
    assert group.without("solver_0") is None


def test_outcomes_stores_removed_agents_as_sets() -> None:
    group = outcomes(removed_rewards={"thinker_1": [0.5], frozenset(AGENTS[:2]): [[1], [-1]]})
    assert set(group.removed_rewards) == {frozenset({"thinker_1"}), frozenset(AGENTS[:2])}
    np.testing.assert_array_equal(group.without("thinker_1"), [0.5])
    assert group.without("thinker_0") is None


def test_outcomes_counts_an_empty_mapping_as_not_measured() -> None:
    group = outcomes(removed_rewards={}, branch_rewards={})
    assert group.removed_rewards is None
    assert group.branch_rewards is None


def test_outcomes_without_offers_the_nearest_agent() -> None:
    with pytest.raises(ValueError, match="did you mean 'thinker_1'"):
        outcomes().without("thinker1")


def test_outcomes_takes_rewards_below_zero_for_a_part_of_a_right_answer() -> None:
    group = outcomes(team_rewards=[1.0, -0.25])
    np.testing.assert_array_equal(group.team_rewards, [1.0, -0.25])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"team_rewards": [1, 0.25]},
            r"^team_rewards must be -1 or \+1, got 0.25; count a correct",
        ),
        (
            {"team_rewards": [1, -1.5]},
            r"^team_rewards must be -1 or \+1, got -1.5; count a correct",
        ),
        ({"agents": ()}, r"^agents must be one or more different names, got \(\); write"),
        ({"agents": "solver_0"}, r"^agents must be one or more different names, got 'solver_0'"),
        ({"agents": ("a", "a")}, r"^agents must be one or more different names, got \('a', 'a'\)"),
        ({"team_rewards": []}, r"^team_rewards must have shape \(G,\), got \(0,\); give one"),
        ({"team_rewards": [[1]]}, r"^team_rewards must have shape \(G,\), got \(1, 1\);"),
        ({"team_rewards": [1, 0]}, r"^team_rewards must be -1 or \+1, got 0; count a correct"),
        ({"team_rewards": ["a"]}, r"^team_rewards must be an array of numbers, got \['a'\];"),
        ({"team_rewards": [1, NAN]}, r"^team_rewards must be finite, got 1 NaN .*; drop the roll"),
        ({"team_rewards": [1, None]}, r"^team_rewards must be finite, got 1 NaN .*; drop the roll"),
        ({"team_rewards": [1, INF]}, r"^team_rewards must be finite, got 1 NaN or infinite of 2"),
    ],
)
def test_outcomes_refuses_a_bad_team(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        outcomes(**fields)


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        (
            {"thinker0": [1]},
            r"^unknown agent 'thinker0' of removed_rewards; .*; did you mean 'thinker_0'\?$",
        ),
        ({frozenset({"critic"}): [1]}, r"^unknown agent 'critic' of removed_rewards; available: "),
        ({frozenset(AGENTS): [1]}, r"^removed_rewards must remove .* leave one to answer, got"),
        ({frozenset(): [1]}, r"^removed_rewards must remove at least one agent .*; leave this"),
        (
            {"thinker_0": [1], frozenset({"thinker_0"}): [1]},
            r"^removed_rewards must have one entry per set of agents, got two for \['thinker_0'\]",
        ),
        ({"thinker_0": 1}, r"^removed_rewards\['thinker_0'\] must have shape \(2, M\), got \(\);"),
        ({"thinker_0": []}, r"must have shape \(M,\), got \(0,\); give M rewards"),
        ({"thinker_0": [[1], [1], [1]]}, r"must have shape \(2, M\), got \(3, 1\);"),
        ({"thinker_0": [[1], [1, 1]]}, r"must be an array of numbers, .*every row the same length"),
        ({"thinker_0": [1.5]}, r"must lie in \[-1, 1\], got 1.5; count a correct"),
        ({"thinker_0": [NAN]}, r"must be finite, got 1 NaN or infinite of 1 numbers; drop the"),
    ],
)
def test_outcomes_refuses_bad_removed_rewards(removed: dict[Any, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        outcomes(removed_rewards=removed)


def test_outcomes_refuses_a_key_that_is_no_set_of_agents() -> None:
    with pytest.raises(TypeError, match=r"an agent or a frozenset of agents, got \('thinker_0',\)"):
        outcomes(removed_rewards={("thinker_0",): [1]})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"branch_rewards": {"solver": [[1], [1]]}},
            "^unknown agent 'solver' of branch_rewards; .*did you mean 'solver_0'",
        ),
        ({"branch_rewards": {"solver_0": [1, 1]}}, r"must have shape \(2, M\), got \(2,\)"),
        ({"branch_rewards": {"solver_0": [[2], [1]]}}, r"must lie in \[-1, 1\], got 2"),
        ({"branch_rewards": {"solver_0": [[NAN], [1]]}}, "drop the rollouts that were not"),
        ({"features": [[0, 1, 2]]}, r"features must have shape \(2, 3\), got \(1, 3\); give each"),
        ({"features": np.zeros((2, 3))}, "features must be integers, got float64; number them"),
        ({"features": [[0, 1, 2], [0, -1, 2]]}, "features must be >= 0, got -1; number them"),
        ({"ratings": np.zeros((3, 2, 2))}, r"must have shape \(3, 3, 2\), got .*; order them as"),
        ({"ratings": np.full((3, 3, 2), 70.0)}, r"must lie in \[0, 1\], got 70; rate in shares"),
        (
            {"ratings": np.full((3, 3, 2), NAN)},
            "must be finite, got 18 NaN or infinite of 18 numbers; pass rating_valid, with False",
        ),
        (
            {"ratings": RATED_WITH_NAN, "rating_valid": np.ones((3, 2), bool)},
            "must be finite, got 3 NaN .*; mark an unreadable rating False in rating_valid",
        ),
        (
            {"ratings": RATED_WITH_NAN, "rating_valid": [[True, False], [False] * 2, [False] * 2]},
            "must be finite, got 3 NaN",
        ),
        (
            {"ratings": np.full((3, 3, 2), -INF), "rating_valid": np.zeros((3, 2), bool)},
            "must be finite, got 18 NaN or infinite",
        ),
        ({"rating_valid": np.ones((3, 2), bool)}, "rating_valid must come with ratings"),
        (
            {"ratings": np.zeros((3, 3, 2)), "rating_valid": np.ones((2, 3), bool)},
            r"rating_valid must have shape \(3, 2\), got \(2, 3\); order it as",
        ),
        (
            {"ratings": np.zeros((3, 3, 2)), "rating_valid": np.ones((3, 2))},
            "rating_valid must be bool, got float64",
        ),
    ],
)
def test_outcomes_refuses_bad_branches_ratings_and_features(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        outcomes(**fields)
