"""Settings of a team from the configuration of verl, and those that another trainer cannot honour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS
from baselines.optimizers.hyperparameters import taken_by
from baselines.rollouts.team_env import TeamSettings
from baselines.train.config import TrainConfig
from baselines.train.config_file import with_settings
from baselines.train.unread import expect_read
from ccpo_env.errors import unknown_name

KEY = "ccpo"
"""Key of the team's settings in the configuration of verl: ``+ccpo.allocator=branch``."""
READ = (
    *(field.name for field in fields(TeamSettings)),
    *("allocator", "allocator_args", "optimizer", "optimizer_args", "group_size"),
    *("max_tokens", "role_max_tokens", "role_stops"),
    *("removed_samples", "branch_samples", "message_categories"),
    "weights",
)
"""Settings that have an effect inside verl; all others are those of its own trainer."""
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


def settings_in(config: Any) -> dict[str, Any]:
    """Return the team's settings in the configuration of verl as plain values."""
    from omegaconf import OmegaConf

    given = config.get(KEY) or {}
    plain: Any = OmegaConf.to_container(given, resolve=True) if OmegaConf.is_config(given) else given
    return dict(plain)


def team_settings(given: Mapping[str, Any]) -> TrainConfig:
    """Return the settings of a team.

    Args:
        given: Names and values, as plain Python values; weights are shared.

    Raises:
        ValueError: If a setting is invalid or has no effect inside verl, or the credit needs groups
            of other sessions.
    """
    settings = {str(name): value for name, value in given.items()}
    for name in settings:
        if name not in TrainConfig.__dataclass_fields__:
            raise unknown_name("setting", name, READ, of=KEY)
        if name not in READ:
            remedy = f"set {INSTEAD[name]}" if name in INSTEAD else "leave it out"
            raise ValueError(
                f"{KEY} must hold settings of the team and its credit, got {name}, which verl "
                f"decides; {remedy}"
            )
    config = with_settings(TrainConfig(weights="shared"), settings)
    config.check()
    expect_read(config, [name for name in settings if name != "weights"])
    _check_credit(config)
    return config


def _check_credit(config: TrainConfig) -> None:
    optimizer = OPTIMIZERS[config.optimizer]
    if optimizer.whitens or optimizer.state is not None:
        alone = [name for name, own in OPTIMIZERS.items() if not (own.whitens or own.state)]
        does = "whitens over all groups of a step" if optimizer.whitens else "remembers past steps"
        raise ValueError(
            f"optimizer must need one group alone inside verl, whose sessions do not meet, got "
            f"{config.optimizer!r}, which {does}; pass +{KEY}.optimizer= and one of "
            f"{', '.join(alone)}, or train with 'ccpo train' or TRL"
        )
    if ALLOCATORS[config.allocator].new_state:
        raise ValueError(
            f"allocator must need one group alone inside verl, whose sessions do not meet, got "
            f"{config.allocator!r}, which remembers past steps; choose another, or train with "
            f"'ccpo train' or TRL"
        )
    ours = {*taken_by(optimizer.baseline), *optimizer.other_hyperparameters}
    for name in config.optimizer_args:
        if name in optimizer.tunable and name not in ours:
            raise ValueError(
                f"optimizer_args must be those of the advantage inside verl, got {name}, which is "
                f"one of the loss; set that of actor_rollout_ref.actor"
            )
