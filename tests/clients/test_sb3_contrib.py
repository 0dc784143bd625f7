"""`TRPO`, `RecurrentPPO`, and `QRDQN` on the solver, learn from the string id."""

from __future__ import annotations

import gymnasium
import pytest

sb3_contrib = pytest.importorskip("sb3_contrib")

import ccpo_env  # noqa: E402, F401  registers the ids

pytestmark = [
    pytest.mark.client("sb3-contrib"),
    pytest.mark.environment("Signal-v0"),
    pytest.mark.filterwarnings("ignore"),
]
ENV_ID = "ccpo_env/Signal-v0"


@pytest.mark.parametrize(
    ("name", "policy"), [("TRPO", "MlpPolicy"), ("RecurrentPPO", "MlpLstmPolicy")]
)
def test_algorithm_learns_from_the_id(name: str, policy: str) -> None:
    make = getattr(sb3_contrib, name)
    model = make(policy, ENV_ID, n_steps=32, batch_size=32, device="cpu").learn(32)
    assert model.num_timesteps == 32


def test_algorithm_of_discrete_actions_learns_the_solver() -> None:
    env = gymnasium.make(ENV_ID, role="solver_0")
    settings = {"learning_starts": 8, "buffer_size": 50, "device": "cpu"}
    assert sb3_contrib.QRDQN("MlpPolicy", env, **settings).learn(16).num_timesteps == 16
