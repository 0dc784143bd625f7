from __future__ import annotations

import pytest

from baselines.rollouts.plan import (
    branch_turns,
    branching_agents,
    per_rollout_removals,
    per_task_removals,
    shared_turns,
)
from ccpo_env.topologies.debate import debate
from ccpo_env.topologies.think_solve import think_solve
from ccpo_env.topologies.vote import vote

CHAIN = think_solve(2)  # thinker_0, thinker_1, solver_0


@pytest.mark.parametrize(
    ("removed", "kept"),
    [
        ({"thinker_0"}, 0),
        ({"thinker_1"}, 1),  # the first thought stands
        ({"solver_0"}, 1),  # thinker_1 answers in its place, having read the first thought
        ({"thinker_1", "solver_0"}, 0),  # thinker_0 answers: its thought was none
        ({"thinker_0", "thinker_1"}, 0),
    ],
)
def test_shared_turns_are_those_that_removal_leaves_as_they_were(removed, kept):
    assert shared_turns(CHAIN, frozenset(removed)) == kept


def test_shared_turns_of_a_debate_end_where_the_agent_first_speaks():
    topology = debate(3, 2)
    kept = [shared_turns(topology, frozenset({f"debater_{n}"})) for n in range(3)]
    assert kept == [0, 1, 2]


def test_removals_of_a_chain_are_played_once_or_on_each_rollout():
    each = [frozenset({agent}) for agent in CHAIN.agents]
    assert per_task_removals(CHAIN, each) == [frozenset({"thinker_0"})]
    assert per_rollout_removals(CHAIN, each) == [frozenset({"thinker_1"}), frozenset({"solver_0"})]


def test_removals_of_a_vote_are_not_played_at_all():
    each = [frozenset({f"voter_{n}"}) for n in range(3)]
    assert per_task_removals(vote(3), each) == per_rollout_removals(vote(3), each) == []


@pytest.mark.parametrize(
    ("topology", "agents", "turns"),
    [
        (CHAIN, ("thinker_0", "thinker_1"), [1, 2]),
        (debate(2, 2), ("debater_0",), [3]),  # after its last turn, the third of four
        (vote(3), (), []),
    ],
    ids=["chain", "debate", "vote"],
)
def test_branches_go_on_after_the_last_turn_of_all_but_the_last_speaker(topology, agents, turns):
    assert branching_agents(topology) == agents
    assert [branch_turns(topology, agent) for agent in agents] == turns
