from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.credit.reading import Reading, Reads, readings
from baselines.rollouts.plan import reads_of
from ccpo_env.topologies.debate import debate

TRIO = ("a", "b", "c")


def test_in_a_chain_each_turn_reads_all_before_it_and_changes_all_after_it() -> None:
    assert readings("chain", TRIO) == [
        Reading(unaffected=(0,), read=()),
        Reading(unaffected=(0, 1), read=(0,)),
        Reading(unaffected=(0, 1, 2), read=(0, 1)),
    ]


def test_turns_that_read_nobody_change_nobody() -> None:
    assert readings("none", TRIO) == [Reading(unaffected=(0, 1, 2), read=())] * 3
    assert readings(((), (), ()), TRIO) == readings("none", TRIO)


def test_a_message_changes_what_follows_from_those_that_read_it() -> None:
    # b reads a and c reads b, so a changes c, which has not read it.
    assert readings(((), ("a",), ("b",)), TRIO) == [
        Reading(unaffected=(0,), read=()),
        Reading(unaffected=(0, 1), read=(0,)),
        Reading(unaffected=(0, 1, 2), read=(1,)),
    ]
    # d reads c and b in this order; only c has read a.
    assert readings(((), (), ("a",), ("c", "b")), (*TRIO, "d")) == [
        Reading(unaffected=(0, 1), read=()),
        Reading(unaffected=(0, 1, 2), read=()),
        Reading(unaffected=(0, 1, 2), read=(0,)),
        Reading(unaffected=(0, 1, 2, 3), read=(1, 2)),
    ]


def test_a_debate_is_a_chain_of_its_turns() -> None:
    turns = ("debater_0#1", "debater_1#1", "debater_0#2", "debater_1#2")
    assert readings(reads_of(debate(2, 2)), turns) == readings("chain", turns)


def test_debaters_that_read_only_the_other_one() -> None:
    turns = ("a#1", "b#1", "a#2", "b#2")
    assert readings(((), (), ("b#1",), ("a#1",)), turns) == [
        Reading(unaffected=(0, 1, 2), read=()),
        Reading(unaffected=(0, 1, 3), read=()),
        Reading(unaffected=(0, 1, 2, 3), read=(1,)),
        Reading(unaffected=(0, 1, 2, 3), read=(0,)),
    ]


def test_one_turn_that_is_read_may_stand_without_a_tuple() -> None:
    pair = ("thinker_0", "solver_0")
    assert readings(((), "thinker_0"), pair) == readings(((), ("thinker_0",)), pair)


@given(st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=7))
def test_influence_is_every_path_of_reading(rows: list[list[bool]]) -> None:
    size = len(rows)
    turns = tuple(f"agent#{n + 1}" for n in range(size))
    reads = [
        [t for t, is_read in zip(turns[:n], row, strict=False) if is_read]
        for n, row in enumerate(rows)
    ]
    direct = np.array([[turns[t] in read for read in reads] for t in range(size)], dtype=int)
    paths = sum(np.linalg.matrix_power(direct, length) for length in range(1, size + 1))
    assert readings(reads, turns) == [
        Reading(
            unaffected=tuple(np.flatnonzero(paths[t] == 0).tolist()),
            read=tuple(np.flatnonzero(direct[:, t]).tolist()),
        )
        for t in range(size)
    ]


@pytest.mark.parametrize(
    ("reads", "message"),
    [
        ("chian", r"^unknown reads 'chian'; .*did you mean 'chain'\?$"),
        (((), ("a",)), r"^reads must have an entry for each of 3 turns, got 2; give each turn the"),
        (((), ("a",), (), ()), r"^reads must have an entry for each of 3 turns, got 4;"),
        ((("a",), (), ()), r"^reads of 'a' must name turns before it, \[\], got 'a'; leave it out"),
        (((), ("c",), ()), r"^reads of 'b' must name turns before it, \['a'\], got 'c';"),
        (((), (), ("a", "d")), r"^reads of 'c' must name .*, \['a', 'b'\], got 'd'; leave it out"),
    ],
)
def test_readings_refuses_what_nobody_can_have_read(reads: Reads, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        readings(reads, TRIO)
