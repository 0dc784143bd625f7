"""Record an episode of each environment: docs/environments/episodes.json.

Messages are sampled from the embedded model, or made by the experts of the signal game. Afterwards
run `python scripts/draw_environments.py`, which draws them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import ccpo_env
from scripts.draw_environments import RECORDED, REMOVED, drawings


def record(seed: int = 0, max_tasks: int = 500) -> dict[str, Any]:
    """Return the first episode of each environment in which an agent decides the reward.

    The team is right with the agent and wrong without it. Messages are sampled from the embedded
    model on held-out tasks.
    """
    from baselines.policies.registry import POLICIES, load_policy

    policy = load_policy(str(POLICIES["tiny"]()))
    tasks = ccpo_env.load_tasks("arithmetic", split="test", limit=max_tasks)
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for name, removed in REMOVED.items():
        env = getattr(ccpo_env, f"{name}_v0")(tasks=tasks)
        for number, task in enumerate(tasks):
            messages = _sampled(env, {"task": number}, policy, rng)
            if name == "vote":
                without = messages[1:]
            else:
                without = _sampled(env, {"task": number, "removed": [removed]}, policy, rng)
            episode = {
                "task": [task.question, task.answer],
                "removed": removed,
                "messages": messages,
                "without": without,
            }
            left, right = drawings({name: episode})[name].columns
            if (left[-1].kind, right[-1].kind) == ("y", "n") and _is_clear(
                name, messages, task.answer
            ):
                found[name] = episode
                break
    return found | {"signal": _expert_episode()}


def _is_clear(name: str, messages: Sequence[str], answer: str) -> bool:
    """Return whether messages that lead to the right answer show what the environment is about."""
    right = [ccpo_env.verify(message, answer).reward == 1.0 for message in messages]
    if name == "think_solve":  # a whole calculation
        return messages[0].count("=") > 2 and messages[0].endswith(f"={answer}")
    if name == "vote":  # outvoted without the first voter
        return right.count(True) == 2
    return right == [True, False, True, True]  # convinced in the second round


def _sampled(
    env: Any, options: Mapping[str, Any], policy: Any, rng: np.random.Generator
) -> list[str]:
    from baselines.policies.base import Prompt, Sampling

    env.reset(options=options)
    messages = []
    for agent in env.agent_iter():
        observation, _, terminated, truncated, _ = env.last()
        if terminated or truncated:
            env.step(None)
            continue
        prompt = Prompt(observation["prompt"], tuple(env.infos[agent]["messages"]))
        (completion,) = policy.sample([prompt], sampling=Sampling(), rng=rng)
        messages.append(completion.text)
        env.step(completion.text)
    return messages


def _expert_episode() -> dict[str, Any]:
    env = ccpo_env.signal_v0()
    task = ccpo_env.SignalTask(1, 2, "hard")
    env.reset(options={"task": task})
    symbols = env.unwrapped.expert_symbols(env.observe("thinker_0"))
    env.step(symbols)
    answer = env.unwrapped.expert_answer(env.observe("solver_0"))
    env.reset(options={"task": task, "removed": ["thinker_0"]})
    guess = env.unwrapped.expert_answer(env.observe("solver_0"))
    return {
        "task": [task.first, task.second, task.difficulty],
        "removed": "thinker_0",
        "messages": [[int(symbol) for symbol in symbols], int(answer)],
        "without": [int(guess)],
    }


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(record(), indent=1) + "\n", encoding="utf-8")
