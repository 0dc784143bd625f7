"""PPO from Stable-Baselines3 for one role of the signal game, with logged credit."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from baselines.common.metrics import METRICS_FILE
from baselines.common.types import FloatArray
from baselines.train_sb3.exact_values import Role, Worth
from baselines.train_sb3.game import MIXES, SignalGame
from baselines.train_sb3.measured_credit import CreditPlan
from baselines.train_sb3.policy_tables import policy_table, team_worth

HIDDEN = (32, 32)
PARTNER_STEPS = 30_000
"""Training episodes of a learned partner, before it is frozen."""
PARTNER_SILENCE = 0.5
"""Silence rate of the expert thinker of a learned solver, so that it learns to answer alone."""


@dataclass(frozen=True, kw_only=True)
class PpoConfig:
    """Config of a PPO run. Episodes have one turn.

    Args:
        role: Role of the trained agent.
        mix: Name from MIXES.
        plan: The credit.
        steps: Number of episodes; rounded up to whole updates.
        learning_rate: Learning rate of Adam.
        seed: Random seed.
        partner: "expert", or "learned": a solver trained by PPO with shared credit and an expert
            thinker that is silent half of the time.
        group_size: Episodes per task.
        group_baseline: Whether to subtract the group mean from the credit.
        effort: Cost per non-silent symbol.
        num_envs: Parallel episodes.
        update_size: Episodes per update, rounded up to a multiple of num_envs.
        num_epochs: Passes over them, each in two batches if their number is even.
        entropy_weight: Weight of the entropy bonus.
    """

    role: Role = "thinker"
    mix: str = "default"
    plan: CreditPlan = field(default_factory=CreditPlan)
    steps: int = 40_000
    learning_rate: float = 1e-2
    seed: int = 0
    partner: str = "expert"
    group_size: int = 1
    group_baseline: bool = False
    effort: float = 0.0
    num_envs: int = 200
    update_size: int = 1000
    num_epochs: int = 8
    entropy_weight: float = 0.01

    @property
    def steps_per_env(self) -> int:
        """Episodes of each environment per update."""
        return -(-self.update_size // self.num_envs)

    @property
    def batch_size(self) -> int:
        """Episodes per gradient step."""
        size = self.steps_per_env * self.num_envs
        return size if size % 2 else size // 2


@dataclass(frozen=True, slots=True)
class Trained:
    """Result of a run.

    Args:
        table: Action probabilities of the trained agent in each row.
        worth: Exact values of the final team.
        mean_share: Mean of contribution / ceiling, measured before each update.
        num_answers_drawn: Number of sampled answers, including replays and continuations.
    """

    table: FloatArray
    worth: Worth
    mean_share: float
    num_answers_drawn: int


def expect_sb3() -> None:
    """Raise ImportError, with what to install, unless stable_baselines3 is installed."""
    try:
        import stable_baselines3  # noqa: F401
    except ImportError:
        raise ImportError(
            "stable_baselines3 must be installed to train with PPO, got no such package; run: "
            "pip install 'ccpo-env[sb3]'"
        ) from None


def train(config: PpoConfig, *, run_dir: Path | None = None, tensorboard: bool = False) -> Trained:
    """Train one role of the signal game with PPO.

    Args:
        config: Config of the run.
        run_dir: Folder for metrics.jsonl and tensorboard/. None: nothing is written.
        tensorboard: Whether Stable-Baselines3 also logs to TensorBoard.

    Raises:
        ValueError: If a number is out of range.
        ImportError: If stable_baselines3 is missing.
    """
    expect_sb3()
    import torch
    from stable_baselines3 import PPO

    from baselines.train_sb3.callback import CreditCallback
    from baselines.train_sb3.vec_env import SignalVecEnv

    torch.set_num_threads(1)
    game = SignalGame(MIXES[config.mix])
    partner = _partner(game, config)
    env = SignalVecEnv(
        game,
        role=config.role,
        partner=partner,
        plan=config.plan,
        num_envs=config.num_envs,
        group_size=config.group_size,
        group_baseline=config.group_baseline,
        effort=config.effort,
        seed=config.seed,
    )
    model = PPO(
        "MlpPolicy",
        env,
        learning_rate=config.learning_rate,
        n_steps=config.steps_per_env,
        batch_size=config.batch_size,
        n_epochs=config.num_epochs,
        ent_coef=config.entropy_weight,
        policy_kwargs={"net_arch": list(HIDDEN)},
        tensorboard_log=str(run_dir / "tensorboard") if run_dir and tensorboard else None,
        seed=config.seed,
        device="cpu",
    )
    log = None if run_dir is None else run_dir / METRICS_FILE
    callback = CreditCallback(env, partner, log)
    model.learn(config.steps, callback=callback, log_interval=1, tb_log_name="ppo")
    table = policy_table(model.policy, game, config.role)
    return Trained(
        table,
        team_worth(game, config.role, table, partner),
        mean_share=float(np.mean(callback.shares)),
        num_answers_drawn=env.num_answers_drawn,
    )


def _partner(game: SignalGame, config: PpoConfig) -> FloatArray:
    if config.role == "solver":
        return game.expert_thinker(silence=PARTNER_SILENCE)
    if config.partner == "expert":
        return game.expert_solver()
    solver = PpoConfig(role="solver", mix=config.mix, steps=PARTNER_STEPS, seed=config.seed)
    return train(solver).table
