"""Settings of a team in a trainer that plays groups one by one: those that have an effect there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS
from baselines.optimizers.hyperparameters import taken_by
from baselines.rollouts.team_env import TeamSettings
from baselines.train.config import TrainConfig
from baselines.train.config_file import with_settings
from baselines.train.unread import expect_read
from ccpo_env.errors import unknown_name

READ = (
    *(field.name for field in fields(TeamSettings)),
    *("allocator", "allocator_args", "optimizer", "optimizer_args", "group_size"),
    *("max_tokens", "role_max_tokens", "role_stops"),
    *("removed_samples", "branch_samples", "message_categories"),
    "weights",
)
"""Settings that have an effect inside another trainer; all others are its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherTrainer:
    """How errors speak of a trainer.

    Args:
        name: Its name.
        key: What holds our settings in its configuration.
        flag: What is written before the name of a setting.
        loss: Where it sets the hyperparameters of its loss.
        instead: Its own settings for those of ours that it decides.
    """

    name: str
    key: str
    flag: str
    loss: str
    instead: Mapping[str, str] = field(default_factory=dict)


def team_settings(given: Mapping[str, Any], trainer: OtherTrainer) -> TrainConfig:
    """Return the settings of a team whose groups are credited one by one.

    Args:
        given: Names and values, as plain Python values; weights are shared.
        trainer: The trainer, for errors.

    Raises:
        ValueError: If a setting is invalid or has no effect in the trainer, or the credit needs
            groups of other sessions.
    """
    settings = {str(name): value for name, value in given.items()}
    for name in settings:
        if name not in TrainConfig.__dataclass_fields__:
            raise unknown_name("setting", name, READ, of=trainer.key)
        if name not in READ:
            instead = trainer.instead.get(name)
            raise ValueError(
                f"{trainer.key} must hold settings of the team and its credit, got {name}, which "
                f"{trainer.name} decides; {f'set {instead}' if instead else 'leave it out'}"
            )
    config = with_settings(TrainConfig(weights="shared"), settings)
    config.check()
    expect_read(config, [name for name in settings if name != "weights"])
    _check_credit(config, trainer)
    return config


def _check_credit(config: TrainConfig, trainer: OtherTrainer) -> None:
    optimizer = OPTIMIZERS[config.optimizer]
    if optimizer.whitens or optimizer.state is not None:
        alone = [name for name, own in OPTIMIZERS.items() if not (own.whitens or own.state)]
        does = "whitens over all groups of a step" if optimizer.whitens else "remembers past steps"
        raise ValueError(
            f"optimizer must need one group alone inside {trainer.name}, whose sessions do not "
            f"meet, got {config.optimizer!r}, which {does}; pass {trainer.flag}optimizer= and one "
            f"of {', '.join(alone)}, or train with 'ccpo train' or TRL"
        )
    if ALLOCATORS[config.allocator].new_state:
        raise ValueError(
            f"allocator must need one group alone inside {trainer.name}, whose sessions do not "
            f"meet, got {config.allocator!r}, which remembers past steps; choose another, or train "
            f"with 'ccpo train' or TRL"
        )
    ours = {*taken_by(optimizer.baseline), *optimizer.other_hyperparameters}
    for name in config.optimizer_args:
        if name in optimizer.tunable and name not in ours:
            raise ValueError(
                f"optimizer_args must be those of the advantage inside {trainer.name}, got {name}, "
                f"which is one of the loss; set that of {trainer.loss}"
            )
