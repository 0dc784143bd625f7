from __future__ import annotations

from baselines.schedule import active_roles

ROLES = ("thinker", "solver")


def test_active_roles_alternates_as_in_the_paper():
    active = [active_roles(step, ROLES, 10) for step in range(1, 31)]
    assert active == [("thinker",)] * 10 + [("solver",)] * 10 + [("thinker",)] * 10


def test_active_roles_is_everyone_when_the_period_is_zero():
    assert {active_roles(step, ROLES, 0) for step in range(1, 30)} == {ROLES}


def test_active_roles_takes_turns_every_step_when_the_period_is_one():
    active = [active_roles(step, ROLES, 1) for step in (1, 2, 3)]
    assert active == [("thinker",), ("solver",), ("thinker",)]
