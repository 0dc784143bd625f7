"""Wrappers of AEC environments, vector environments of teams, and PPO on them."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pettingzoo.test as pz
import pytest
from pettingzoo.utils.conversions import turn_based_aec_to_parallel

supersuit = pytest.importorskip("supersuit")

from ccpo_env import debate_v0, signal_v0, think_solve_v0, vote_v0  # noqa: E402
from tests.clients.conftest import each_environment  # noqa: E402

pytestmark = [pytest.mark.client("SuperSuit"), pytest.mark.filterwarnings("ignore")]
RIGHT = r"\boxed{2}"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(think_solve_v0, marks=pytest.mark.environment("think_solve-v0")),
        pytest.param(vote_v0, marks=pytest.mark.environment("vote-v0")),
        pytest.param(debate_v0, marks=pytest.mark.environment("debate-v0")),
    ],
)
def test_wrappers_of_texts(make: Any, text: dict[str, Any]) -> None:
    pz.api_test(supersuit.reward_lambda_v0(make(**text), lambda reward: 2 * reward), num_cycles=10)
    pz.api_test(supersuit.sticky_actions_v0(make(**text), 0.2), num_cycles=10)
    shorter = supersuit.observation_lambda_v0(
        make(**text), lambda seen, _: {"prompt": seen["prompt"][-9:]}, lambda space: space
    )
    pz.api_test(shorter, num_cycles=10)


@pytest.mark.environment("signal-v0")
def test_wrappers_of_arrays() -> None:
    for wrapped in (
        supersuit.frame_stack_v1(signal_v0(), 3),
        supersuit.agent_indicator_v0(signal_v0()),
        supersuit.pad_observations_v0(signal_v0()),
        supersuit.dtype_v0(signal_v0(), "float64"),
        supersuit.nan_noop_v0(signal_v0(shared_action_space=True), 0),
    ):
        pz.api_test(wrapped, num_cycles=10)


@pytest.mark.environment("signal-v0")
def test_ppo_learns_both_agents_of_a_vector_env() -> None:
    ppo = pytest.importorskip("stable_baselines3").PPO
    env = turn_based_aec_to_parallel(signal_v0(shared_action_space=True))
    envs = supersuit.pettingzoo_env_to_vec_env_v1(env)
    envs = supersuit.concat_vec_envs_v1(envs, 2, num_cpus=0, base_class="stable_baselines3")
    assert envs.num_envs == 4
    model = ppo("MlpPolicy", envs, n_steps=8, batch_size=16, n_epochs=1, device="cpu").learn(32)
    assert model.num_timesteps == 32


@pytest.mark.environment("vote-v0 parallel")
def test_vector_env_of_a_vote(text: dict[str, Any]) -> None:
    env = vote_v0.parallel_env(**{**text, "tasks": [("1+1", "2")]})
    pz.parallel_api_test(supersuit.reward_lambda_v0(env, lambda reward: 2 * reward), 10)
    envs = supersuit.pettingzoo_env_to_vec_env_v1(env)
    envs = supersuit.concat_vec_envs_v1(envs, 2, num_cpus=0, base_class="gymnasium")
    assert len(envs.reset()[0]["prompt"]) == 6
    _, rewards, terminations, *_ = envs.step((RIGHT,) * 6)
    assert rewards.tolist() == [1.0] * 6
    assert all(terminations)


@each_environment("Signal-v0", "ThinkSolve-v0")
def test_vector_env_of_a_gymnasium_id(name: str, text: dict[str, Any]) -> None:
    arguments = text if name == "ThinkSolve-v0" else {}
    envs = supersuit.gym_vec_env_v0(gymnasium.make(f"ccpo_env/{name}", **arguments), 2)
    envs.reset()
    actions = [envs.single_action_space.sample() for _ in range(2)]
    assert set(np.abs(envs.step(np.array(actions))[1])) == {1.0}
