from __future__ import annotations

import pytest

from ccpo_env.env import TeamAnswerEnv
from ccpo_env.topologies.mixed_vote import mixed_vote
from ccpo_env.topologies.specialists import specialists

SAID = {"adder_0": "47+5=2", "subtracter_0": "nothing to do", "multiplier_0": "three"}


def test_the_solver_reads_every_specialist_and_they_read_nobody() -> None:
    env = TeamAnswerEnv(specialists(), tasks=[("Compute 47+5+1", "3")])
    env.reset()
    assert env.possible_agents == [*SAID, "solver_0"]
    for agent, text in SAID.items():
        prompt = env.observe(agent)["prompt"]
        assert not any(other in prompt for other in SAID.values())
        env.step(text)
    assert all(text in env.observe("solver_0")["prompt"] for text in SAID.values())
    env.step(r"\boxed{3}")
    assert env.verdict is not None
    assert env.verdict.status == "correct"


def test_a_specialist_that_states_the_answer_is_not_believed() -> None:
    env = TeamAnswerEnv(specialists(), tasks=[("Compute 47+5+1", "3")])
    env.reset()
    env.step(r"47+5=2 \boxed{3}")
    env.step("")
    env.step("")
    prompt = env.observe("solver_0")["prompt"]
    assert "47+5=2" in prompt
    assert r"\boxed{3}" not in prompt


@pytest.mark.parametrize(
    ("right", "status"), [(range(5), "correct"), (range(5, 10), "wrong"), (range(4, 10), "correct")]
)
def test_ten_voters_of_three_levels_have_one_vote_each(right: range, status: str) -> None:
    env = TeamAnswerEnv(mixed_vote(), tasks=[("q", "3")], verifier="exact")
    env.reset()
    levels = [agent.split("_")[0] for agent in env.possible_agents]
    assert {level: levels.count(level) for level in levels} == {
        "expert": 2,
        "apprentice": 3,
        "novice": 5,
    }
    for voter in range(10):
        env.step(r"\boxed{3}" if voter in right else r"\boxed{4}")  # a tie is won by the first
    assert env.verdict is not None
    assert env.verdict.status == status
