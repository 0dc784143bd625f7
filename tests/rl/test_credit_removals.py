from __future__ import annotations

from math import factorial

import numpy as np
import pytest

from baselines.credit import ALLOCATORS
from baselines.credit.removals import (
    balanced_orders,
    each_agent,
    each_but_the_last,
    every_subset,
    no_removals,
    stages,
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


@pytest.mark.parametrize("count", [*range(1, 8), 12])
def test_every_subset_is_complete_up_to_twelve_agents(count: int) -> None:
    assert len(set(every_subset(names(count)))) == 2**count - 2


def test_every_subset_of_more_agents_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^agents must be at most 12 .* got 13; sample orders"):
        every_subset(names(13))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 9, 12, 16])
def test_balanced_orders_are_pairs_with_each_agent_as_often_in_each_position(count: int) -> None:
    orders = balanced_orders(count, np.random.default_rng(count))
    assert len(orders) >= 14
    assert all(sorted(order) == list(range(count)) for order in orders)
    assert all(orders[i + 1] == orders[i][::-1] for i in range(0, len(orders), 2))
    for position in range(count):
        occupants = np.bincount([order[position] for order in orders], minlength=count)
        assert set(occupants) == {len(orders) // count}


@pytest.mark.parametrize("count", [4, 5])
def test_balanced_orders_are_uniform_and_new_in_each_call(count: int) -> None:
    rng = np.random.default_rng(0)
    drawn = [order for _ in range(600) for order in balanced_orders(count, rng)]
    seen = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(seen) == factorial(count)
    expected = len(drawn) / factorial(count)
    # Chi-squared with factorial(count) - 1 degrees of freedom; pairs and squares double it at most.
    assert (np.square(seen - expected) / expected).sum() < 2.5 * factorial(count)


def test_stages_are_those_still_missing_as_the_team_grows() -> None:
    agents = names(8)
    orders = balanced_orders(8, np.random.default_rng(1))
    grown = {frozenset(agents[i] for i in order[:n]) for order in orders for n in range(1, 8)}
    missing = stages(agents, orders)
    assert {frozenset(agents) - removed for removed in missing} == grown
    assert len(missing) == len(grown)


@pytest.mark.parametrize(
    ("count", "are_recounts", "is_exact"),
    [(6, False, True), (7, False, False), (12, True, True), (13, True, False)],
)
def test_shapley_removes_every_subset_while_these_are_few(count, are_recounts, is_exact) -> None:
    rng = np.random.default_rng(0)
    plan = ALLOCATORS["shapley"].plan_removals(names(count), rng, are_recounts=are_recounts)
    if is_exact:
        assert plan == (every_subset(names(count)), None)
        return
    assert plan.removals == stages(names(count), plan.orders)
    again = ALLOCATORS["shapley"].plan_removals(names(count), rng, are_recounts=are_recounts)
    assert again.orders != plan.orders
