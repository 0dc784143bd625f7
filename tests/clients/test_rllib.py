"""`PettingZooEnv` and `ParallelPettingZooEnv`, and PPO of one agent and of both agents."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
pytest.importorskip("ray.rllib")

import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.env.wrappers.pettingzoo_env import (
    ParallelPettingZooEnv,
    PettingZooEnv,
)
from ray.tune.registry import register_env

from ccpo_env import debate_v0, signal_v0, think_solve_v0, vote_v0

pytestmark = [pytest.mark.client("RLlib"), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.parametrize(
    ("make", "wrapper"),
    [
        pytest.param(make, wrapper, marks=pytest.mark.environment(name))
        for make, wrapper, name in (
            (think_solve_v0, PettingZooEnv, "think_solve-v0"),
            (vote_v0, PettingZooEnv, "vote-v0"),
            (vote_v0.parallel_env, ParallelPettingZooEnv, "vote-v0 parallel"),
            (debate_v0, PettingZooEnv, "debate-v0"),
            (signal_v0, PettingZooEnv, "signal-v0"),
        )
    ],
)
def test_wrapper_plays_an_episode(make: Any, wrapper: Any, text: dict[str, Any]) -> None:
    env = wrapper(make(**({} if make is signal_v0 else text)))
    observations, _ = env.reset(seed=0)
    over: dict[str, bool] = {"__all__": False}
    while not over["__all__"]:
        actions = {agent: env.action_space[agent].sample() for agent in observations}
        observations, rewards, over, *_ = env.step(actions)
    assert {abs(reward) for reward in rewards.values()} == {1.0}
    assert len(rewards) == len(env.get_agent_ids())


def short(env_id: str) -> PPOConfig:
    """Return the configuration of one short step."""
    config = PPOConfig().environment(env_id).env_runners(num_env_runners=0)
    return config.training(train_batch_size=64, minibatch_size=32, num_epochs=1)


@pytest.mark.environment("Signal-v0")
@pytest.mark.usefixtures("cluster")
def test_ppo_learns_one_agent() -> None:
    algorithm = short("ccpo_env:ccpo_env/Signal-v0").build_algo()
    result = algorithm.train()
    algorithm.stop()
    assert -1.0 <= result["env_runners"]["episode_return_mean"] <= 1.0


@pytest.mark.environment("signal-v0")
@pytest.mark.usefixtures("cluster")
def test_ppo_learns_both_agents() -> None:
    register_env("signal", lambda _: PettingZooEnv(signal_v0()))
    config = short("signal").multi_agent(
        policies={"thinker_0", "solver_0"}, policy_mapping_fn=lambda agent, *_, **__: agent
    )
    algorithm = config.build_algo()
    result = algorithm.train()
    algorithm.stop()
    returns = result["env_runners"]["agent_episode_returns_mean"]
    assert returns["thinker_0"] == returns["solver_0"]
