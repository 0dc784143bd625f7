"""What holds for every topology: known agents, and reading only what was said before."""

from __future__ import annotations

import itertools
import pickle
import re

import pytest

from ccpo_env import Verdict
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.topologies.registry import TOPOLOGIES
from ccpo_env.topologies.think_solve import think_solve
from ccpo_env.types import Topology

every_topology = pytest.mark.parametrize("name", TOPOLOGIES)


@every_topology
def test_topology_is_named_as_it_is_registered(name: str) -> None:
    assert TOPOLOGIES[name]().name == name


@every_topology
def test_agents_are_named_by_role_and_number(name: str) -> None:
    topology = TOPOLOGIES[name]()
    assert len(set(topology.agents)) == len(topology.agents) >= 1
    for turn in topology.turns:
        assert re.fullmatch(rf"{turn.role}_\d+", turn.speaker)


@every_topology
def test_agents_read_each_agent_of_the_team_at_most_once(name: str) -> None:
    topology = TOPOLOGIES[name]()
    for turn in topology.turns:
        assert set(turn.reads) <= set(topology.agents)
        assert len(set(turn.reads)) == len(turn.reads)


@every_topology
def test_prompts_hold_what_is_read_of_what_was_said_before(name: str) -> None:
    topology = TOPOLOGIES[name]()
    env = TeamAnswerEnv(topology, tasks=[("q", "a")], verifier="exact")
    env.reset()
    for index, turn in enumerate(topology.turns):
        assert env.agent_selection == turn.speaker
        prompt = env.observe(turn.speaker)["prompt"]
        for other, spoken in enumerate(topology.turns):
            is_read = other < index and spoken.speaker in turn.reads
            assert (f"text of turn {other};" in prompt) == is_read
        env.step(f"text of turn {index};")


@every_topology
def test_roles_are_listed_once_in_order_of_speaking(name: str) -> None:
    topology = TOPOLOGIES[name]()
    roles = [turn.role for turn in topology.turns]
    assert list(topology.roles) == sorted(set(roles), key=roles.index)


@every_topology
def test_topology_is_a_value(name: str) -> None:
    topology = TOPOLOGIES[name]()
    assert topology == TOPOLOGIES[name]()
    assert hash(topology) == hash(TOPOLOGIES[name]())
    assert pickle.loads(pickle.dumps(topology)) == topology


@every_topology
def test_any_team_that_is_left_gives_one_answer(name: str) -> None:
    topology = TOPOLOGIES[name]()
    asked: list[str] = []

    def record(response: str, _gold: str) -> Verdict:
        asked.append(response)
        return Verdict("correct", "a")

    env = TeamAnswerEnv(topology, tasks=[("q", "a")], verifier=record)
    agents = topology.agents
    for num_removed in range(len(agents)):
        for removed in itertools.combinations(agents, num_removed):
            asked.clear()
            env.reset(options={"removed": removed})
            said = []
            while not any(env.terminations.values()):
                said.append(speak(env))
            assert len(said) == sum(turn.speaker not in removed for turn in topology.turns)
            assert asked == (said if topology.decision == "majority" else said[-1:])
            assert set(env.rewards.values()) == {1.0}


def speak(env: TeamAnswerEnv) -> str:
    text = f"from {env.agent_selection}"
    env.step(text)
    return text


@pytest.mark.parametrize("num_thinkers", [1, 2, 5])
def test_think_solve_is_a_chain_in_which_all_read_all_before_them(num_thinkers: int) -> None:
    topology: Topology = think_solve(num_thinkers)
    thinkers = [f"thinker_{k}" for k in range(num_thinkers)]
    assert topology.agents == (*thinkers, "solver_0")
    assert topology.roles == ("thinker", "solver")
    for index, turn in enumerate(topology.turns):
        assert turn.reads == topology.agents[:index]


@pytest.mark.parametrize("num_thinkers", [0, -1])
def test_think_solve_needs_a_thinker(num_thinkers: int) -> None:
    with pytest.raises(ValueError, match=f"num_thinkers must be >= 1, got {num_thinkers}; for a"):
        think_solve(num_thinkers)
