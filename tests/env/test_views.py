"""One agent's view as a Gymnasium environment."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import ccpo_env  # noqa: F401  registers the ids
from ccpo_env import SignalTask, think_solve_v0
from ccpo_env.views import AgentView

THINK, SIGNAL = "ccpo_env/ThinkSolve-v0", "ccpo_env/Signal-v0"
TEXT = {"tasks": [("1+1", "2")], "verifier": "exact"}
every_view = pytest.mark.parametrize(
    ("env_id", "settings"), [(THINK, TEXT), (SIGNAL, {})], ids=["text", "signal"]
)
every_role = pytest.mark.parametrize("role", ["thinker_0", "solver_0"])


@every_view
@every_role
def test_view_passes_the_env_checker(env_id: str, settings: dict[str, Any], role: str) -> None:
    env = gymnasium.make(env_id, role=role, **settings)
    check_env(env.unwrapped)  # in every render mode as well


@every_role
def test_signal_view_passes_the_checker_of_stable_baselines3(role: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing it and its packages says of themselves
        checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(gymnasium.make(SIGNAL, role=role).unwrapped)


def test_partner_acts_before_the_solver() -> None:
    partners = {"thinker_0": lambda seen: f"read {len(seen['prompt'])}"}
    env = gymnasium.make(THINK, role="solver_0", partners=partners, **TEXT)
    observation, info = env.reset(seed=0)
    assert "Message of thinker_0:\nread " in observation["prompt"]
    assert info["role"] == "solver"
    _, reward, terminated, truncated, _ = env.step(r"\boxed{2}")
    assert (reward, terminated, truncated) == (1.0, True, False)


def test_partner_acts_after_the_thinker() -> None:
    partners = {"solver_0": lambda _seen: r"\boxed{2}"}
    env = gymnasium.make(THINK, role="thinker_0", partners=partners, **TEXT)
    env.reset(seed=0)
    assert env.step("a thought")[1:3] == (1.0, True)


def test_expert_solver_reads_the_symbols_of_a_hard_episode() -> None:
    env = gymnasium.make(SIGNAL)
    env.reset(options={"task": SignalTask(1, 3, "hard")})
    assert env.step(np.array([2, 2]))[1] == 1.0


def test_removed_teammate_does_not_act() -> None:
    env = gymnasium.make(THINK, role="solver_0", removed=["thinker_0"], **TEXT)
    assert "Message of" not in env.reset()[0]["prompt"]


def test_wrong_use_is_explained() -> None:
    team = think_solve_v0.raw_env(**TEXT)
    with pytest.raises(ValueError, match=r"partners must hold .*thinker_0"):
        AgentView(team, role="solver_0", partners={}).reset()
    with pytest.raises(ValueError, match="unknown role"):
        AgentView(team, role="solver_1", partners={})
    view = AgentView(team, role="solver_0", partners={"thinker_0": lambda _seen: ""})
    with pytest.raises(ValueError, match="removed must not hold the view's own agent"):
        view.reset(options={"removed": ["solver_0"]})
