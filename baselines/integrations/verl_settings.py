"""Settings of a team in the configuration of verl."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baselines.integrations import session_settings
from baselines.integrations.session_settings import OtherTrainer
from baselines.train.config import TrainConfig

KEY = "ccpo"
"""Key of the team's settings in the configuration of verl: ``+ccpo.allocator=branch``."""
INSTEAD = {
    "policy": "actor_rollout_ref.model.path",
    "tasks": "data.train_files",
    "temperature": "actor_rollout_ref.rollout.temperature",
    "tasks_per_step": "data.train_batch_size",
    "steps": "trainer.total_training_steps",
    "learning_rate": "actor_rollout_ref.actor.optim.lr",
    "num_epochs": "actor_rollout_ref.actor.ppo_epochs",
    "micro_batch_tokens": "actor_rollout_ref.actor.ppo_max_token_len_per_gpu",
}
"""The keys of verl for settings that users know from ``ccpo train``."""
VERL = OtherTrainer(
    name="verl", key=KEY, flag=f"+{KEY}.", loss="actor_rollout_ref.actor", instead=INSTEAD
)


def settings_in(config: Any) -> dict[str, Any]:
    """Return the team's settings in the configuration of verl as plain values."""
    from omegaconf import OmegaConf

    given = config.get(KEY) or {}
    plain: Any = (
        OmegaConf.to_container(given, resolve=True) if OmegaConf.is_config(given) else given
    )
    return dict(plain)


def team_settings(given: Mapping[str, Any]) -> TrainConfig:
    """Return the settings of a team inside verl; see `session_settings.team_settings`."""
    return session_settings.team_settings(given, VERL)
