from __future__ import annotations

import pytest

from baselines.train.schedule import Schedule, evaluates_before, trained_roles

ROLES = ("thinker", "solver")


@pytest.mark.parametrize(
    ("step", "active"),
    [(1, "thinker"), (10, "thinker"), (11, "solver"), (20, "solver"), (21, "thinker")],
)
def test_roles_take_turns_of_a_period_as_in_the_paper(step, active):
    assert Schedule(roles=ROLES, period=10).active(step) == (active,)


def test_all_roles_are_trained_in_every_step_without_a_period():
    schedule = Schedule(roles=ROLES)
    assert {schedule.active(step) for step in range(1, 30)} == {ROLES}


def test_random_order_draws_one_role_per_block_and_the_same_for_a_seed():
    schedule = Schedule(roles=ROLES, period=3, order="random", seed=4)
    drawn = [schedule.active(step) for step in range(1, 601)]
    blocks = [set(drawn[start : start + 3]) for start in range(0, 600, 3)]
    assert all(len(block) == 1 for block in blocks)
    assert 60 < sum(block == {("thinker",)} for block in blocks) < 140  # of 200
    assert [schedule.active(step) for step in range(1, 601)] == drawn
    other = Schedule(roles=ROLES, period=3, order="random", seed=5)
    assert [other.active(step) for step in range(1, 601)] != drawn


def test_trained_roles_start_with_the_one_that_was_named():
    assert trained_roles(ROLES, start=None, frozen=()) == ROLES
    assert trained_roles(ROLES, start="solver", frozen=()) == ("solver", "thinker")
    assert trained_roles(ROLES, start=None, frozen=("thinker",)) == ("solver",)


@pytest.mark.parametrize(
    ("start", "frozen", "message"),
    [
        ("slover", (), "did you mean 'solver'"),
        (None, ("thinkr",), "did you mean 'thinker'"),
        (None, ROLES, "leave a role to train"),
        ("solver", ("solver",), "take it out of --frozen-roles"),
    ],
)
def test_trained_roles_refuses_what_cannot_be_trained(start, frozen, message):
    with pytest.raises(ValueError, match=message):
        trained_roles(ROLES, start=start, frozen=frozen)


def evaluated_steps(tokens, **settings):
    steps = range(1, len(tokens) + 2)
    return [step for step in steps if evaluates_before(step, tokens[: step - 1], **settings)]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        # After 30, 60, 90, 120, 150 tokens: those at or after 50, 100 and 150
        ([30, 30, 30, 30, 30], [1, 3, 5, 6]),
        # After 50 and 100: exactly at the multiples
        ([50, 50], [1, 2, 3]),
        # The first step passes 50 and 100: one evaluation after it
        ([120, 20, 20], [1, 2, 4]),
        ([0, 0, 60], [1, 4]),
    ],
)
def test_evaluations_follow_the_first_step_at_or_after_each_multiple_of_tokens(tokens, expected):
    found = evaluated_steps(tokens, every_steps=1, every_tokens=50)
    assert found == expected


@pytest.mark.parametrize(("every", "expected"), [(0, [1]), (1, [1, 2, 3, 4]), (3, [1, 4])])
def test_evaluations_count_steps_without_a_grid_of_tokens(every, expected):
    assert evaluated_steps([10, 10, 10], every_steps=every, every_tokens=0) == expected
