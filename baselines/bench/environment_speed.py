"""Speed of the environment against a minimal PettingZoo environment, and memory."""

from __future__ import annotations

import copy
import gc
import resource
from collections.abc import Sequence
from typing import Any

from gymnasium import spaces
from pettingzoo import AECEnv

from baselines.bench.measuring import Case, EnvironmentBenchConfig, print_rates
from baselines.common.command_line import parse
from baselines.common.terminal import Terminal
from ccpo_env import think_solve_v0
from ccpo_env.types import Verdict

NUM_EPISODES = 1000


def main(arguments: Sequence[str]) -> int:
    """Run the bench of the environment."""
    description = "Measure episodes per second, and their memory."
    run(parse(EnvironmentBenchConfig, arguments, "ccpo bench environment", description=description))
    return 0


def run(config: EnvironmentBenchConfig) -> None:
    """Print the memory of a live episode and the number of episodes per second."""
    Terminal().print(
        f"Memory: {kib_per_live_episode(config.live_episodes):.1f} KiB per live episode, "
        f"{config.live_episodes:,} of them",
        highlight=False,
    )
    print_rates("Environment, episodes", environment_cases(), config)


class _BareEnv(AECEnv[str, str, str]):
    """Reference: a minimal PettingZoo environment of two agents with one turn each."""

    metadata: dict[str, Any] = {"name": "bare_v0"}  # noqa: RUF012  PettingZoo's convention

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
    """Return the cases, whole episodes: a bare AECEnv; ours, also with `exact` and with checks."""

    def correct(_response: str, _gold: str) -> Verdict:
        return Verdict("correct")

    envs: dict[str, AECEnv[str, Any, str]] = {
        "bare AECEnv": _BareEnv(),
        "think_solve_v0.raw_env": think_solve_v0.raw_env(verifier=correct),
        "think_solve_v0.raw_env, exact": think_solve_v0.raw_env(verifier="exact"),
        "think_solve_v0": think_solve_v0(verifier=correct),
    }
    return [Case(name, lambda env=env: _play(env)) for name, env in envs.items()]  # type: ignore[misc]


def kib_per_live_episode(num_episodes: int) -> float:
    """Return the memory of a copy of an environment in mid-episode, in KiB, over many copies."""
    env = think_solve_v0.raw_env(verifier="exact")
    env.reset(seed=0)
    env.step("Work from left to right, one operation at a time.")
    before = _resident_bytes()
    live = [copy.deepcopy(env) for _ in range(num_episodes)]
    return (_resident_bytes() - before) / len(live) / 1024


def _resident_bytes() -> int:
    gc.collect()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _play(env: AECEnv[str, Any, str]) -> int:
    for _ in range(NUM_EPISODES):
        env.reset()
        for _agent in env.agent_iter():
            _, _, terminated, truncated, _ = env.last()
            env.step(None if terminated or truncated else r"\boxed{5}")  # type: ignore[arg-type]
    return NUM_EPISODES
