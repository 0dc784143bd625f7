"""A debate: rounds in which all read all, the last speaker answers."""

from __future__ import annotations

import itertools

import pytest

from ccpo_env import debate_v0
from ccpo_env.topologies.debate import debate

TEAM = ("debater_0", "debater_1", "debater_2")


@pytest.mark.parametrize("removed", [r for n in range(3) for r in itertools.combinations(TEAM, n)])
def test_debaters_speak_in_rounds_and_read_all_before(removed: tuple[str, ...]) -> None:
    env = debate_v0([("q", "1")], 3, 2, "exact", removed=removed)
    env.reset()
    order = [agent for agent in TEAM if agent not in removed] * 2
    for index, agent in enumerate(order):
        assert env.agent_selection == agent
        prompt = env.observe(agent)["prompt"]
        assert [f"turn {n};" in prompt for n in range(len(order))] == [
            n < index for n in range(len(order))
        ]
        assert ("You speak last" in prompt) == (index == len(order) - 1)
        env.restore(env.snapshot())
        env.step(rf"turn {index}; \boxed{{{int(index == len(order) - 1)}}}")
    assert set(env.rewards.values()) == {1.0}


@pytest.mark.parametrize("name", ["num_debaters", "num_rounds"])
def test_debate_needs_a_debater_and_a_round(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be >= 1, got 0; try {name}=2"):
        debate(**{name: 0})
    assert len(debate(**{name: 1}).turns) == 2  # two rounds of one, or one round of two
