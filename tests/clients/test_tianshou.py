"""`PettingZooEnv` in vector environments, collectors, and DQN of both agents of the game."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

pytest.importorskip("tianshou")

from tianshou.env import DummyVectorEnv, PettingZooEnv, SubprocVectorEnv

from ccpo_env import debate_v0, signal_v0, think_solve_v0, vote_v0
from tests.clients.conftest import each_environment

pytestmark = [pytest.mark.client("tianshou"), pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize(
    ("make", "num_turns"),
    [
        pytest.param(think_solve_v0, 2, marks=pytest.mark.environment("think_solve-v0")),
        pytest.param(vote_v0, 3, marks=pytest.mark.environment("vote-v0")),
        pytest.param(debate_v0, 4, marks=pytest.mark.environment("debate-v0")),
        pytest.param(signal_v0, 2, marks=pytest.mark.environment("signal-v0")),
    ],
)
def test_vector_env_of_a_team(make: Any, num_turns: int, text: dict[str, Any]) -> None:
    arguments = {"shared_action_space": True} if make is signal_v0 else text
    envs = DummyVectorEnv([lambda: PettingZooEnv(make(**arguments)) for _ in range(2)])
    envs.reset()
    for turn in range(num_turns):
        _, rewards, over, *_ = envs.step([space.sample() for space in envs.action_space])
        assert over.tolist() == [turn == num_turns - 1] * 2
    assert set(np.abs(rewards).flatten()) == {1.0}


@pytest.mark.environment("signal-v0")
def test_dqn_learns_both_agents() -> None:
    from tianshou.algorithm import DQN
    from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
    from tianshou.algorithm.multiagent.marl import MultiAgentOffPolicyAlgorithm
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.utils.net.common import Net
    from tianshou.utils.torch_utils import policy_within_training_step

    env = PettingZooEnv(signal_v0(shared_action_space=True))
    shape, actions = env.observation_space.shape, env.action_space
    learners = [
        DQN(
            policy=DiscreteQLearningPolicy(
                model=Net(state_shape=shape, action_shape=actions.n, hidden_sizes=[16]),
                action_space=actions,
                observation_space=env.observation_space,
                eps_training=0.5,
            ),
            optim=AdamOptimizerFactory(lr=1e-3),
        )
        for _ in env.agents
    ]
    team = MultiAgentOffPolicyAlgorithm(algorithms=learners, env=env)
    envs = DummyVectorEnv(
        [lambda: PettingZooEnv(signal_v0(shared_action_space=True)) for _ in range(2)]
    )
    collector = Collector(team, envs, VectorReplayBuffer(200, 2))
    collector.reset()
    collected = collector.collect(n_step=40)
    assert collected.n_collected_episodes == 20
    with policy_within_training_step(team.policy):
        team.update(collector.buffer, 16)


@pytest.mark.parametrize("vector", [DummyVectorEnv, SubprocVectorEnv])
@each_environment("Signal-v0", "ThinkSolve-v0")
def test_vector_env_of_a_gymnasium_id(name: str, vector: Any, text: dict[str, Any]) -> None:
    arguments = text if name == "ThinkSolve-v0" else {}
    envs = vector([lambda: gymnasium.make(f"ccpo_env/{name}", **arguments) for _ in range(2)])
    envs.reset(seed=0)
    _, rewards, over, *_ = envs.step([space.sample() for space in envs.action_space])
    envs.close()
    assert set(np.abs(rewards)) == {1.0}
    assert over.all()
