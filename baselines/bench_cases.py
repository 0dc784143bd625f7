"""What is measured: each case does a fixed amount of work and returns how many units it was."""

from __future__ import annotations

import copy
import gc
import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import AECEnv

from baselines.policies.base import Prompt, Sampling
from ccpo_env import load_tasks, think_solve_v0, verify
from ccpo_env.types import Verdict

NUM_EPISODES = 1000
NUM_LIVE_EPISODES = 100_000
NUM_PROMPTS = 64
MAX_NEW_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure.

    Args:
        name: Shown in the table.
        run: Does the work and returns the number of units.
    """

    name: str
    run: Callable[[], int]


class _BareEnv(AECEnv[str, str, str]):
    """The least that PettingZoo asks of two agents who speak once each: the reference."""

    metadata: dict[str, Any] = {"name": "bare_v0"}  # noqa: RUF012  PettingZoo's form

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.possible_agents = ["thinker_0", "solver_0"]
        self._space = spaces.Text(1 << 16)

    def observation_space(self, agent: str) -> spaces.Space[str]:
        return self._space

    def action_space(self, agent: str) -> spaces.Space[str]:
        return self._space

    def observe(self, agent: str) -> str:
        return ""

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        self.agents = list(self.possible_agents)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: {} for agent in self.agents}
        self.agent_selection = self.agents[0]

    def step(self, action: str | None) -> None:
        if self.terminations[self.agent_selection]:
            self._was_dead_step(action)  # type: ignore[arg-type]
        elif self.agent_selection == "thinker_0":
            self.agent_selection = "solver_0"
        else:
            self.rewards = dict.fromkeys(self.agents, 1.0)
            self.terminations = dict.fromkeys(self.agents, True)
            self._accumulate_rewards()
            self.agent_selection = self.agents[0]


def environment_cases() -> list[Case]:
    """Episodes with dead steps: a bare AECEnv, ours without and with the order checks."""

    def correct(_response: str, _gold: str) -> Verdict:
        return Verdict("correct")

    envs: dict[str, AECEnv[str, Any, str]] = {
        "bare AECEnv": _BareEnv(),
        "think_solve_v0.raw_env": think_solve_v0.raw_env(verifier=correct),
        "think_solve_v0": think_solve_v0(verifier=correct),
    }
    return [Case(name, lambda env=env: _play(env)) for name, env in envs.items()]  # type: ignore[misc]


def kib_per_live_episode(num_episodes: int = NUM_LIVE_EPISODES) -> float:
    """Return the memory, in KiB, of one of many copies of an environment in mid-episode."""
    env = think_solve_v0.raw_env(verifier="exact")
    env.reset(seed=0)
    env.step("Work from left to right, one operation at a time.")
    before = _resident_bytes()
    live = [copy.deepcopy(env) for _ in range(num_episodes)]
    return (_resident_bytes() - before) / len(live) / 1024


def _resident_bytes() -> int:
    gc.collect()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def verifier_cases() -> list[Case]:
    """Right and wrong answers of each kind: math-verify called in this process, and ours."""
    from math_verify import parse
    from math_verify import verify as math_verify

    pairs = [
        (rf"So it is \boxed{{{answer}}}.", gold)
        for gold in ("42", r"\frac{3}{4}", "0.125", r"2\sqrt{3}", "(1, 2)")
        for answer in (gold, "17")
    ]

    def reference() -> int:
        for response, gold in pairs:
            math_verify(parse(f"${gold}$"), parse(response))
        return len(pairs)

    def ours() -> int:
        for response, gold in pairs:
            verify(response, gold)
        return len(pairs)

    return [Case("math-verify", reference), Case("ccpo_env.verify", ours)]


def sampler_cases() -> list[Case]:
    """The embedded model on the prompts of thinkers: ``generate`` of transformers, and ours."""
    import torch

    from baselines.policies.registry import load_policy

    policy = load_policy("tiny")
    env = think_solve_v0.raw_env(tasks=load_tasks("arithmetic", limit=NUM_PROMPTS))
    prompts = []
    for index in range(NUM_PROMPTS):
        env.reset(options={"task": index})
        prompts.append(Prompt(env.observe("thinker_0")["prompt"]))
    rng = np.random.default_rng(0)
    sampling = Sampling(max_tokens=MAX_NEW_TOKENS)
    read = [c.prompt_ids for c in policy.sample(prompts, sampling=sampling, rng=rng)]
    longest = max(map(len, read))
    padded = torch.tensor([[0] * (longest - len(ids)) + list(ids) for ids in read])
    mask = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in read])

    def reference() -> int:
        output = policy.module.generate(  # type: ignore[operator]
            padded, attention_mask=mask, do_sample=True, max_new_tokens=MAX_NEW_TOKENS
        )
        ended = output[:, longest:] == policy.module.generation_config.eos_token_id  # type: ignore[union-attr]
        lengths = torch.where(ended.any(1), ended.int().argmax(1) + 1, ended.shape[1])
        return int(lengths.sum())

    def ours() -> int:
        completions = policy.sample(prompts, sampling=sampling, rng=rng)
        return sum(len(completion.token_ids) for completion in completions)

    return [Case("transformers generate", reference), Case("ccpo sampler", ours)]


def _play(env: AECEnv[str, Any, str]) -> int:
    for _ in range(NUM_EPISODES):
        env.reset()
        for _agent in env.agent_iter():
            _, _, terminated, truncated, _ = env.last()
            env.step(None if terminated or truncated else r"\boxed{5}")  # type: ignore[arg-type]
    return NUM_EPISODES
