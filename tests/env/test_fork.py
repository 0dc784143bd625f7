from __future__ import annotations

import copy

import pytest

from ccpo_env import debate_v0, think_solve_v0, vote_v0

TASKS = [("1 + 1?", "2"), ("2 + 2?", "4")]
MAKERS = (think_solve_v0.raw_env, vote_v0.raw_env, debate_v0.raw_env)


def seen(env):
    """Return all that an environment shows, as it is now."""
    shown = (
        *(env.agents, env.agent_selection, env.rewards, env.terminations, env.truncations),
        *(env.infos, env.messages, [env.observe(agent) for agent in env.possible_agents]),
        env.snapshot(),
    )
    return copy.deepcopy(shown)


@pytest.mark.parametrize("make", MAKERS)
def test_fork_goes_on_as_a_deepcopy_does_and_leaves_the_rest_alone(make):
    env = make(tasks=TASKS)
    env.reset(seed=0)
    while env.agents:
        action = None if env.verdict else rf"Thought {len(env.messages)}: \boxed{{2}}"
        before = seen(env)
        fork, copied, left = env.fork(), copy.deepcopy(env), env.fork()
        assert seen(fork) == before
        fork.step(action)
        copied.step(action)
        assert seen(fork) == seen(copied) != before
        assert seen(env) == before
        env.step(action)
        assert seen(left) == before


def test_observe_shows_the_offered_prompt_after_a_restore():
    env = think_solve_v0.raw_env(tasks=TASKS)
    env.reset(options={"task": 0})
    env.step("one thought")
    state, shown = env.snapshot(), env.observe("solver_0")
    assert "one thought" in shown["prompt"]
    env.reset(options={"task": 1})
    env.step("another thought")
    assert env.observe("solver_0") != shown
    env.restore(state)
    assert env.observe("solver_0") == shown
