"""Thousands of short episodes with any text: no exception, legal observations, a reward."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ccpo_env import debate_v0, think_solve_v0, vote_v0

TASKS = [("1+1", "2"), ("2+3", "5")]
PIECES = (
    "\\boxed{", "\\fbox", "}", "{", "$", "\\frac{1}{2}", "2", "5", "\ud800", "\x00", "\x1b",
    "\u202e",    "😀", "é", "\n\n", "the answer is ", "#### ", "</think>", "<think>", "答案是",
    "\r", "\\", "Problem:\n",
)  # fmt: skip
MAKERS = {"think_solve": think_solve_v0, "vote": vote_v0, "debate": debate_v0}


@pytest.mark.parametrize("name", MAKERS)
def test_any_text_is_legal(name: str) -> None:
    rng = random.Random(name)
    env = MAKERS[name](TASKS, verifier="exact", max_chars=2000).unwrapped
    for episode in range(1000):
        removed = rng.sample(env.possible_agents, rng.randrange(len(env.possible_agents)))
        env.reset(seed=episode, options={"removed": removed})
        while not any(env.terminations.values()):
            agent = env.agent_selection
            assert env.observation_space(agent).contains(env.observe(agent))
            text = "".join(rng.choices(PIECES, k=rng.randrange(12)))
            env.step(text * (10**6 // max(1, len(text))) if episode % 500 == 0 else text)
        assert set(env.rewards.values()) <= {-1.0, 1.0}
        assert not any(env.truncations.values())


@pytest.mark.parametrize("name", MAKERS)
def test_words_reach_only_those_who_read_them(name: str) -> None:
    env: Any = MAKERS[name](TASKS, verifier="exact").unwrapped
    for removed in [(), *((agent,) for agent in env.possible_agents)]:
        env.reset(seed=0)  # an earlier episode, whose words must be gone
        while not any(env.terminations.values()):
            env.step(f"earlier words of {env.agent_selection}")
        env.reset(seed=1, options={"removed": removed})
        turns = [turn for turn in env.topology.turns if turn.speaker not in removed]
        for turn in turns:
            prompt = env.observe(turn.speaker)["prompt"]
            assert "earlier words" not in prompt
            unread = set(env.possible_agents) - set(turn.reads) | set(removed)
            assert not any(f"token of {agent};" in prompt for agent in unread)
            env.step(f"token of {turn.speaker};")
