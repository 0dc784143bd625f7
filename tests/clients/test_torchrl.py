"""`check_env_specs` and rollouts of `PettingZooWrapper`, `GymEnv` and `GymWrapper`."""

from __future__ import annotations

from typing import Any

import gymnasium
import pytest

pytest.importorskip("torchrl")

from torchrl.data import NonTensor
from torchrl.envs import PettingZooWrapper, check_env_specs
from torchrl.envs.libs.gym import GymEnv, GymWrapper, register_gym_spec_conversion

import ccpo_env
from ccpo_env.spaces import TextSpace

pytestmark = [pytest.mark.client("torchrl"), pytest.mark.filterwarnings("ignore")]


@pytest.mark.environment("signal-v0")
@pytest.mark.parametrize("shared", [False, True])
def test_team_plays_with_numeric_infos(shared: bool) -> None:
    team = ccpo_env.signal_v0(numeric_infos=True, shared_action_space=shared)
    env = PettingZooWrapper(team, use_mask=True)
    check_env_specs(env)
    played = env.rollout(20, break_when_any_done=False)
    rewards = played["next", "solver_0", "reward"][played["next", "done"].any(-1)]
    assert len(rewards) == 10
    assert set(rewards.abs().flatten().tolist()) == {1.0}


@pytest.mark.environment("Signal-v0")
@pytest.mark.parametrize("role", ["thinker_0", "solver_0"])
def test_one_agent_plays_by_id(role: str) -> None:
    check_env_specs(GymEnv("ccpo_env/Signal-v0", role=role))
    single = gymnasium.make("ccpo_env/Signal-v0", role=role, numeric_infos=True)
    env = GymWrapper(single).auto_register_info_dict()
    assert env.rollout(1)["next", "difficulty"].item() in (0, 1, 2)


@pytest.mark.environment("ThinkSolve-v0")
def test_one_agent_reads_and_writes_text(text: dict[str, Any]) -> None:
    # The line of docs/ecosystem.md.
    register_gym_spec_conversion(TextSpace)(lambda *_, **__: NonTensor((), example_data=""))
    env = GymWrapper(gymnasium.make("ccpo_env/ThinkSolve-v0", **text))
    check_env_specs(env)
    start = env.reset()
    start["action"] = r"\boxed{2}" if "1+1" in start["prompt"] else r"\boxed{5}"
    assert env.step(start)["next", "reward"].item() == 1.0
