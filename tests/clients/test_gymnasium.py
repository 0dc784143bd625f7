"""The environment checker, `make_vec` (sync, async), stacking, flattening, videos and windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import (
    DelayObservation,
    FlattenObservation,
    FrameStackObservation,
    HumanRendering,
    RecordVideo,
)

import ccpo_env  # noqa: F401  registers the ids

pytestmark = [pytest.mark.client("Gymnasium"), pytest.mark.filterwarnings("ignore")]
SIGNAL, TEXT = "ccpo_env/Signal-v0", "ccpo_env/ThinkSolve-v0"
signal = pytest.mark.environment("Signal-v0")
think_solve = pytest.mark.environment("ThinkSolve-v0")
every_id = pytest.mark.parametrize(
    ("env_id", "small"),
    [
        pytest.param(SIGNAL, {}, marks=signal),
        pytest.param(TEXT, {"max_chars": 50}, marks=think_solve),
    ],
)


def arguments_of(env_id: str, text: dict[str, Any]) -> dict[str, Any]:
    return text if env_id == TEXT else {}


@every_id
def test_wrappers_stack_flatten_and_delay(
    env_id: str, small: dict[str, Any], text: dict[str, Any]
) -> None:
    env = gymnasium.make(env_id, **small, **arguments_of(env_id, text))
    check_env(env.unwrapped, skip_render_check=True)
    wrapped = (FrameStackObservation(env, 3, padding_type="zero"), FlattenObservation(env))
    for each in (*wrapped, DelayObservation(env, 1)):
        observation, _ = each.reset(seed=0)
        assert observation in each.observation_space
        assert each.step(env.action_space.sample())[0] in each.observation_space


@every_id
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_vector_envs_play_the_same_episodes(
    env_id: str, mode: str, small: dict[str, Any], text: dict[str, Any]
) -> None:
    arguments = {**small, **arguments_of(env_id, text)}
    envs = gymnasium.make_vec(env_id, num_envs=2, vectorization_mode=mode, **arguments)
    single = [gymnasium.make(env_id, **arguments) for _ in range(2)]
    try:
        observations, _ = envs.reset(seed=[3, 4])
        actions = envs.action_space.sample()
        after, rewards, *_ = envs.step(actions)
    finally:
        envs.close()
    for place, env in enumerate(single):
        for batch, own in (
            (observations, env.reset(seed=3 + place)[0]),
            (after, (step := env.step(actions[place]))[0]),
        ):
            if env_id == TEXT:
                assert batch["prompt"][place] == own["prompt"]
            else:
                assert np.array_equal(batch[place], own)
        assert rewards[place] == step[1]


@every_id
def test_episodes_are_recorded_and_shown(
    env_id: str, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("moviepy", reason="moviepy is not installed: make clients installs it")
    pytest.importorskip("pygame", reason="pygame is not installed: make clients installs it")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = RecordVideo(gymnasium.make(env_id, render_mode="rgb_array", **small), str(tmp_path))
    shown = HumanRendering(gymnasium.make(env_id, render_mode="rgb_array"))
    for each in (env, shown):
        each.reset(seed=0)
        each.step(each.action_space.sample())
        each.close()
    assert next(tmp_path.glob("*.mp4")).stat().st_size > 1000
