"""String ids, `make_vec_env`, `SubprocVecEnv` with spawn, `VecNormalize`, `VecFrameStack`, DQN."""

from __future__ import annotations

import os
import sys
import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what importing it and its packages says of themselves
    pytest.importorskip("stable_baselines3")
    from stable_baselines3 import DQN, PPO
    from stable_baselines3.common.env_checker import check_env
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import SubprocVecEnv, VecFrameStack, VecNormalize

import gymnasium

import ccpo_env  # noqa: F401  registers the ids
from ccpo_env.picture import SIZE
from tests.clients.conftest import RECORD

pytestmark = [
    pytest.mark.client("Stable-Baselines3"),
    pytest.mark.environment("Signal-v0"),
    pytest.mark.filterwarnings("ignore"),
]
# A new interpreter takes seconds to import torch.
NUM_ENVS = 2 if RECORD in os.environ else 1
ENV_ID = "ccpo_env/Signal-v0"
SHORT = {"n_steps": 16, "batch_size": 16, "n_epochs": 1, "seed": 0, "device": "cpu"}


def test_env_passes_the_checker_and_id_trains() -> None:
    check_env(gymnasium.make(ENV_ID).unwrapped)
    model = PPO("MlpPolicy", ENV_ID, **SHORT).learn(16)
    assert model.num_timesteps == 16


def test_id_names_the_module_that_registers_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ccpo_env")  # as if nobody had imported it
    monkeypatch.delitem(gymnasium.registry, ENV_ID)
    model = PPO("MlpPolicy", f"ccpo_env:{ENV_ID}", device="cpu")
    assert model.get_env().render_mode == "rgb_array"


def test_vector_of_processes_is_normalized_stacked_and_seen() -> None:
    envs = make_vec_env(
        f"ccpo_env:{ENV_ID}",
        NUM_ENVS,
        seed=0,
        vec_env_cls=SubprocVecEnv,
        vec_env_kwargs={"start_method": "spawn"},
    )
    try:
        stacked = VecFrameStack(VecNormalize(envs), 3)
        assert stacked.reset().shape == (NUM_ENVS, 3 * 15)
        assert PPO("MlpPolicy", stacked, **SHORT).learn(32).num_timesteps == 32
        assert stacked.render("rgb_array").shape == (NUM_ENVS * SIZE[1], SIZE[0], 3)
    finally:
        envs.close()


def test_dqn_trains_on_a_shared_action_space() -> None:
    env = gymnasium.make(ENV_ID, shared_action_space=True)
    settings = {"learning_starts": 8, "buffer_size": 50, "device": "cpu"}
    assert DQN("MlpPolicy", env, **settings).learn(16).num_timesteps == 16
