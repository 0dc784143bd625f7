from __future__ import annotations

import pytest

from baselines.credit.removals import (
    each_agent,
    each_but_the_last,
    every_subset,
    no_removals,
    sampled_orders,
)

TRIO = ("thinker_0", "thinker_1", "solver_0")


def names(count: int) -> tuple[str, ...]:
    return tuple(f"voter_{i}" for i in range(count))


def test_removals_of_a_team_of_three() -> None:
    first, second, last = (frozenset({agent}) for agent in TRIO)
    assert no_removals(TRIO) == ()
    assert each_but_the_last(TRIO) == (first, second)
    assert each_agent(TRIO) == (first, second, last)
    assert set(every_subset(TRIO)) == {
        first,
        second,
        last,
        first | second,
        first | last,
        second | last,
    }


@pytest.mark.parametrize(
    ("agents", "removals"),
    [
        (("thinker_0", "solver_0"), [{"thinker_0"}]),
        (("thinker_0", "thinker_1", "solver_0"), [{"thinker_0"}, {"thinker_1"}]),
    ],
)
def test_each_but_the_last_keeps_the_agent_that_answers(agents, removals) -> None:
    assert list(each_but_the_last(agents)) == removals


@pytest.mark.parametrize("removals", [no_removals, each_but_the_last, each_agent, every_subset])
def test_removals_leave_somebody_to_answer(removals) -> None:
    assert removals(("solver_0",)) == ()
    for count in range(2, 10):
        sets = removals(names(count))
        assert len(set(sets)) == len(sets)
        assert all(0 < len(removed) < count for removed in sets)


@pytest.mark.parametrize("count", range(1, 7))
def test_every_subset_is_complete_up_to_six_agents(count: int) -> None:
    assert len(every_subset(names(count))) == 2**count - 2


@pytest.mark.parametrize("count", [7, 8, 12])
def test_every_subset_of_more_agents_is_the_complement_of_a_growing_team(count: int) -> None:
    agents = names(count)
    grown = {
        frozenset(agents[i] for i in order[:size])
        for order in sampled_orders(count)
        for size in range(1, count)
    }
    assert {frozenset(agents) - removed for removed in every_subset(agents)} == grown
    assert len(grown) <= 16 * (count - 1)


def test_sampled_orders_are_permutations_each_followed_by_its_reverse() -> None:
    orders = sampled_orders(8)
    assert len(orders) == 16
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert all(orders[i + 1] == orders[i][::-1] for i in range(0, 16, 2))
    assert len(set(orders)) > 8
