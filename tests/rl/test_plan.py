from __future__ import annotations

import pytest

from baselines.rollouts.plan import (
    Plan,
    branching_turns,
    first_kept_turns,
    kept_turns,
    per_rollout_removals,
    per_task_removals,
    reads_of,
    removals_are_recounts,
    turn_names,
)
from baselines.train.config import TrainConfig
from ccpo_env.topologies.debate import debate
from ccpo_env.topologies.specialists import specialists
from ccpo_env.topologies.think_solve import think_solve
from ccpo_env.topologies.vote import VOTE, vote
from ccpo_env.types import Topology, Turn

CHAIN = think_solve(2)  # thinker_0, thinker_1, solver_0


@pytest.mark.parametrize(
    ("removed", "kept"),
    [
        ({"thinker_0"}, ()),
        ({"thinker_1"}, (0,)),  # the first thought stands
        ({"solver_0"}, (0,)),  # thinker_1 answers in its place, having read the first thought
        ({"thinker_1", "solver_0"}, ()),  # thinker_0 answers: its thought was none
        ({"thinker_0", "thinker_1"}, ()),
    ],
)
def test_kept_turns_of_a_chain_are_those_before_the_removed_agent(removed, kept):
    assert kept_turns(CHAIN, frozenset(removed)) == kept
    assert first_kept_turns(CHAIN, frozenset(removed)) == kept


def test_kept_turns_of_a_debate_end_where_the_agent_first_speaks():
    topology = debate(3, 2)
    kept = [kept_turns(topology, frozenset({f"debater_{n}"})) for n in range(3)]
    assert kept == [(), (0,), (0, 1)]


@pytest.mark.parametrize(
    ("removed", "kept"),
    [
        ({"adder_0"}, (1, 2)),  # nobody but the solver reads it
        ({"subtracter_0"}, (0, 2)),
        ({"multiplier_0"}, (0, 1)),
        ({"adder_0", "multiplier_0"}, (1,)),
        ({"solver_0"}, (0, 1)),  # the multiplier answers in its place
        ({"solver_0", "multiplier_0"}, (0,)),
        ({"adder_0", "subtracter_0", "multiplier_0"}, ()),
    ],
)
def test_kept_turns_of_specialists_are_those_of_all_that_are_left(removed, kept):
    assert kept_turns(specialists(), frozenset(removed)) == kept


def test_a_turn_after_one_that_is_sampled_anew_is_kept_but_not_among_the_first():
    turns = (
        Turn("first", "voter", ()),
        Turn("reader", "voter", ("first",)),
        Turn("loner", "voter", ()),
        Turn("last", "voter", ("reader", "loner")),
    )
    topology = Topology("mix", turns, VOTE)
    assert kept_turns(topology, frozenset({"first"})) == (2,)
    assert first_kept_turns(topology, frozenset({"first"})) == ()
    assert kept_turns(topology, frozenset({"reader"})) == (0, 2)
    assert first_kept_turns(topology, frozenset({"reader"})) == (0, 2)
    # Nobody reads the first speaker again: its second turn makes the last one differ.
    again = Topology("again", (*turns[:3], turns[0], Turn("last", "voter", ("first",))), VOTE)
    assert kept_turns(again, frozenset({"loner"})) == (0, 1, 3, 4)


def test_removals_of_a_chain_are_played_once_or_on_each_rollout():
    each = [frozenset({agent}) for agent in CHAIN.agents]
    assert per_task_removals(CHAIN, each) == [frozenset({"thinker_0"})]
    assert per_rollout_removals(CHAIN, each) == [frozenset({"thinker_1"}), frozenset({"solver_0"})]


def test_removals_of_a_vote_are_not_played_at_all():
    each = [frozenset({f"voter_{n}"}) for n in range(3)]
    assert per_task_removals(vote(3), each) == per_rollout_removals(vote(3), each) == []


def test_turns_have_the_names_of_the_agents_unless_somebody_speaks_twice():
    assert turn_names(CHAIN) == ("thinker_0", "thinker_1", "solver_0")
    assert turn_names(debate(2, 2)) == (
        *("debater_0#1", "debater_1#1"),
        *("debater_0#2", "debater_1#2"),
    )


def test_reads_are_the_earlier_turns_of_the_agents_that_a_turn_reads():
    assert reads_of(CHAIN) == ((), ("thinker_0",), ("thinker_0", "thinker_1"))
    assert reads_of(vote(3)) == ((), (), ())
    first = ("debater_0#1", "debater_1#1")
    assert reads_of(debate(2, 2)) == ((), first[:1], first, (*first, "debater_0#2"))


@pytest.mark.parametrize(
    ("topology", "turns"),
    [
        (CHAIN, ("thinker_0", "thinker_1")),
        (debate(2, 2), ("debater_0#1", "debater_1#1", "debater_0#2")),
        (debate(1, 3), ("debater_0#1", "debater_0#2")),
        (vote(3), ()),
    ],
    ids=["chain", "debate", "monologue", "vote"],
)
def test_branches_go_on_after_every_turn_but_the_last(topology, turns):
    assert branching_turns(topology) == turns


def jury(*, reading: bool) -> Topology:
    """Three voters, of which the last reads the first or nobody reads anybody."""
    turns = [Turn(f"voter_{n}", "voter", ()) for n in range(2)]
    turns.append(Turn("voter_2", "voter", ("voter_0",) if reading else ()))
    return Topology("jury", tuple(turns), VOTE, decision="majority")


def test_votes_are_recounted_only_if_nobody_read_a_voter():
    assert removals_are_recounts(jury(reading=False))
    assert not removals_are_recounts(jury(reading=True))
    assert branching_turns(jury(reading=True)) == ("voter_0", "voter_1")
    each = [frozenset({f"voter_{n}"}) for n in range(3)]
    assert per_task_removals(jury(reading=True), each) == []
    # Only the last voter reads another, the first; without it or the second, all votes stand.
    assert [kept_turns(jury(reading=True), removed) for removed in each] == [(1,), (0, 2), (0, 1)]


def test_a_plan_plays_by_default_as_often_as_a_run():
    plan, config = Plan(group_size=2), TrainConfig()
    assert (plan.num_removed, plan.num_branches) == (config.removed_samples, config.branch_samples)
