from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from baselines.credit import ALLOCATORS, GroupOutcomes, self_evaluation_credit
from tests.rl.strategies import TEAM_REWARDS, groups, measured_groups

PAIR = ("thinker_0", "solver_0")
TEAM = [1.0, 1.0, -1.0, -1.0]
BY_THINKER = [0.7, 0.5, 0.9, 0.3]  # share of the thinker, as the thinker sees it
BY_SOLVER = [0.6, 0.5, 0.8, 0.2]  # and as the solver does


def pair(
    by_thinker: list[float], by_solver: list[float], team: list[float], valid: object = None
) -> GroupOutcomes:
    t, v = np.array(by_thinker), np.array(by_solver)
    return GroupOutcomes(PAIR, team, ratings=[[t, 1.0 - t], [v, 1.0 - v]], rating_valid=valid)


def test_self_evaluation_credit_of_the_published_example() -> None:
    credit = self_evaluation_credit(pair(BY_THINKER, BY_SOLVER, TEAM))
    # The thinker's shares are 0.65625, 0.5, 0.864583, 0.239583; their mean is 0.565104.
    thinker = [1.018229, 0.986979, -1.059896, -0.934896]
    solver = [0.981771, 1.013021, -0.940104, -1.065104]
    np.testing.assert_allclose(credit[:, 0], thinker, rtol=0, atol=5e-7)
    np.testing.assert_allclose(credit[:, 1], solver, rtol=0, atol=5e-7)


def test_self_evaluation_credit_compares_shares_within_an_outcome_by_hand() -> None:
    # Both raters agree, so the shares are theirs. Right: 0.7, 0.5; wrong: 0.9, 0.3.
    group = pair(BY_THINKER, BY_THINKER, TEAM)
    credit = self_evaluation_credit(group, credit_weight=1.0, blame_weight=0.5, center="outcome")
    np.testing.assert_allclose(credit[:, 0], [1.1, 0.9, -1.15, -0.85], rtol=0, atol=1e-12)


def test_self_evaluation_credit_compares_shares_with_equal_ones_by_hand() -> None:
    group = pair(BY_THINKER, BY_THINKER, TEAM)
    credit = self_evaluation_credit(group, credit_weight=1.0, blame_weight=0.5, center="none")
    np.testing.assert_allclose(credit[:, 0], [1.2, 1.0, -1.2, -0.9], rtol=0, atol=1e-12)


def test_self_evaluation_credit_of_three_agents_by_hand() -> None:
    # Own word 0.4, the two others' 0.3 each. Agent 0: 0.4 * 0.5 + 0.3 * 0.1 + 0.3 * 0.2 = 0.29;
    # agent 1: 0.3 * 0.3 + 0.4 * 0.6 + 0.3 * 0.3 = 0.42; agent 2: 0.3 * (0.2 + 0.3) + 0.4 * 0.5.
    ratings = np.array([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5]])[..., None]
    group = GroupOutcomes(("a", "b", "c"), [1], ratings=ratings)
    credit = self_evaluation_credit(group, self_weight=0.4, credit_weight=1.0, center="none")
    shares = np.array([0.29, 0.42, 0.35]) / 1.06
    np.testing.assert_allclose(credit, [1.0 + shares - 1 / 3], rtol=0, atol=1e-12)


@pytest.mark.parametrize("unreadable", [[[0], [1]], [[1], [0]], [[0], [0]]])
@pytest.mark.parametrize("center", ["group", "outcome", "none"])
def test_self_evaluation_credit_pays_nothing_for_an_invalid_rating(
    unreadable: list[list[int]], center: str
) -> None:
    # The invalid rollout is paid R, and the others as if it had not been there.
    valid = np.ones((2, 5), bool)
    valid[:, 2] = np.array(unreadable, bool)[:, 0]
    by_thinker, by_solver = [*BY_THINKER], [*BY_SOLVER]
    by_thinker.insert(2, 0.9), by_solver.insert(2, 0.1)
    group = pair(by_thinker, by_solver, [1, 1, 1, -1, -1], valid)
    credit = self_evaluation_credit(group, center=center)
    np.testing.assert_array_equal(credit[2], [1.0, 1.0])
    without = self_evaluation_credit(pair(BY_THINKER, BY_SOLVER, TEAM), center=center)
    np.testing.assert_allclose(np.delete(credit, 2, axis=0), without, rtol=0, atol=1e-15)


def test_self_evaluation_credit_pays_nothing_for_shares_that_are_all_zero() -> None:
    ratings = np.zeros((2, 2, 3))
    ratings[..., 1:] = 0.5
    credit = self_evaluation_credit(GroupOutcomes(PAIR, [1, -1, 1], ratings=ratings))
    np.testing.assert_array_equal(credit, [[1, 1], [-1, -1], [1, 1]])


def slow_credit(group: GroupOutcomes, center: str) -> list[list[float]]:
    """The formula, one rollout and one agent at a time, in Python numbers."""
    ratings, team = group.ratings.tolist(), group.team_rewards.tolist()
    agents, rollouts = range(len(group.agents)), range(len(team))
    valid = [all(row[g] for row in group.rating_valid.tolist()) for g in rollouts]
    shares = []
    for g in rollouts:
        mixed = []
        for j in agents:
            peers = [ratings[i][j][g] for i in agents if i != j]
            mixed.append(0.3 * ratings[j][j][g] + 0.7 * sum(peers) / len(peers))
        shares.append([value / sum(mixed) for value in mixed])
    rows = []
    for g in rollouts:
        row = []
        for j in agents:
            reference = [
                shares[h][j]
                for h in rollouts
                if valid[h] and (center == "group" or team[h] == team[g])
            ]
            bonus = shares[g][j] - (
                1 / len(agents) if center == "none" else sum(reference) / max(len(reference), 1)
            )
            row.append(team[g] + (0.2 if team[g] > 0 else -0.4) * bonus * valid[g])
        rows.append(row)
    return rows


@pytest.mark.no_cover
@pytest.mark.parametrize("center", ["group", "outcome", "none"])
def test_self_evaluation_credit_equals_a_loop_over_500_groups(center: str) -> None:
    step = measured_groups(500)
    found = ALLOCATORS["self_evaluation"].many(step, center=center, blame_weight=0.4)
    for group, credit in zip(step, found, strict=True):
        np.testing.assert_allclose(credit, slow_credit(group, center), rtol=0, atol=1e-14)


@st.composite
def rated_pairs(draw: st.DrawFn) -> GroupOutcomes:
    """Two agents whose raters choose one of the nine pairs from 0.1/0.9 to 0.9/0.1."""
    num_rollouts = draw(st.integers(2, 16))
    shares = arrays(np.int64, num_rollouts, elements=st.integers(1, 9))
    t, v = draw(shares) / 10, draw(shares) / 10
    valid = draw(arrays(bool, (2, num_rollouts)))
    return pair(
        t, v, draw(arrays(float, num_rollouts, elements=st.sampled_from(TEAM_REWARDS))), valid
    )


@given(group=rated_pairs(), weight=st.floats(0.0, 1.0), self_weight=st.floats(0.0, 1.0))
def test_self_evaluation_credit_leaves_the_verifier_in_charge(
    group: GroupOutcomes, weight: float, self_weight: float
) -> None:
    hyperparameters = {"credit_weight": weight, "blame_weight": weight, "self_weight": self_weight}
    for center in ("group", "outcome"):
        credit = self_evaluation_credit(group, center=center, **hyperparameters)
        bound = weight * 0.8 * (1.0 - 1.0 / len(group.team_rewards))
        assert np.abs(credit - group.team_rewards[:, None]).max() <= bound + 1e-12
        assert (credit * group.team_rewards[:, None] > 0.0).all()
    credit = self_evaluation_credit(group, center="none", **hyperparameters)
    assert np.abs(credit - group.team_rewards[:, None]).max() <= weight * 0.4 + 1e-12


def test_self_evaluation_credit_reaches_its_bound() -> None:
    # One rollout of four is all the thinker's, the others all the solver's.
    shares = [0.9, 0.1, 0.1, 0.1]
    credit = self_evaluation_credit(pair(shares, shares, [1, 1, 1, 1]), credit_weight=1.0)
    np.testing.assert_allclose(credit[0], [1.6, 0.4], rtol=0, atol=1e-12)


@given(group=groups())
def test_self_evaluation_credit_gives_one_what_it_takes_from_the_others(
    group: GroupOutcomes,
) -> None:
    for center in ("group", "outcome", "none"):
        total = self_evaluation_credit(group, center=center).sum(axis=1)
        expected = len(group.agents) * group.team_rewards
        np.testing.assert_allclose(total, expected, rtol=0, atol=1e-12)


@given(group=groups(), center=st.sampled_from(["group", "outcome", "none"]))
def test_self_evaluation_credit_is_the_same_whatever_stands_for_an_unreadable_rating(
    group: GroupOutcomes, center: str
) -> None:
    unread = np.broadcast_to(~group.rating_valid[:, None], group.ratings.shape)
    credit = self_evaluation_credit(group, center=center)
    for other in (np.nan, 0.0, 1.0):
        changed = replace(group, ratings=np.where(unread, other, group.ratings))
        np.testing.assert_array_equal(self_evaluation_credit(changed, center=center), credit)


@given(group=groups())
def test_self_evaluation_credit_is_shared_when_both_weights_are_zero(group: GroupOutcomes) -> None:
    credit = self_evaluation_credit(group, credit_weight=0.0, blame_weight=0.0)
    np.testing.assert_array_equal(credit, ALLOCATORS["shared"](group))


@given(group=groups())
def test_self_evaluation_credit_counts_every_rating_when_none_is_marked(
    group: GroupOutcomes,
) -> None:
    marked = replace(group, rating_valid=np.ones_like(group.rating_valid))
    unmarked = replace(group, rating_valid=None)
    np.testing.assert_array_equal(self_evaluation_credit(unmarked), self_evaluation_credit(marked))


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        (
            {"self_weight": 1.1},
            r"^self_weight must lie in \[0, 1\], got 1.1; leave it out for the default, 0.3$",
        ),
        ({"self_weight": float("nan")}, r"^self_weight must lie in"),
        ({"credit_weight": -0.1}, r"^credit_weight must be >= 0, got -0.1; leave it out"),
        (
            {"blame_weight": float("inf")},
            r"^blame_weight must be >= 0 and finite, got inf; leave it out",
        ),
        ({"center": "groups"}, "did you mean 'group'"),
    ],
)
def test_self_evaluation_credit_refuses_bad_hyperparameters(
    hyperparameters: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        self_evaluation_credit(pair(BY_THINKER, BY_SOLVER, TEAM), **hyperparameters)
