"""The config that resumes a run: that of its checkpoint, but for what later steps may change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baselines.common.checks import flag_of
from baselines.train.config import TrainConfig
from baselines.train.config_file import SETTINGS

NOT_COMPARED = (
    *("push_to_hub", "out_dir", "resume", "steps", "tracker"),
    *("keep_checkpoints", "checkpoint_minutes", "completions_every", "record_every"),
    "record_rollouts",
)
"""Fields that a resumed run may change: they do not affect completed steps."""


def expect_known_settings(saved: Mapping[str, Any], where: Path) -> None:
    """Raise ValueError if a run was saved with a setting unknown to this version.

    Args:
        saved: Config of the run, from `TrainConfig.to_json`.
        where: Folder of the run, for the message.
    """
    unknown = sorted(set(saved) - SETTINGS)
    if unknown:
        raise ValueError(
            f"the config of a run must be that of this version, got the unknown setting "
            f"{unknown[0]!r} in {where}; start a new run with another --out-dir"
        )


def check_same_config(config: Mapping[str, Any], saved: Mapping[str, Any], where: Path) -> None:
    """Raise ValueError unless a config can resume from a checkpoint with the saved config.

    Args:
        config: Requested config, from `TrainConfig.to_json`.
        saved: Config of the checkpoint.
        where: The checkpoint, for the message.

    Note: A setting missing in the checkpoint was added later; its value in the checkpoint is taken
        as the current default, because defaults of new settings keep the previous behaviour.
    """
    expect_known_settings({name: saved[name] for name in saved if name != "steps_done"}, where)
    before = {**TrainConfig(verifier="math").to_json(), **saved}
    for name, value in json.loads(json.dumps(config)).items():
        if name not in NOT_COMPARED and before[name] != value:
            raise ValueError(
                f"{name} must be that of the checkpoint, {before[name]!r}, got {value!r} in "
                f"{where}; {_how_to_set(name, before[name])}, or pass another --out-dir"
            )
    if config["steps"] < saved["steps_done"]:
        raise ValueError(
            f"steps must be >= the {saved['steps_done']} steps already completed, got "
            f"{config['steps']} in {where}; raise --steps"
        )


def _how_to_set(name: str, value: object) -> str:
    """Return the instruction to set a field to a value on the command line."""
    flag = flag_of(name)
    if value in (None, {}):
        return f"leave out {flag}"
    if isinstance(value, dict):
        value = " ".join(f"{key} {entry}" for key, entry in value.items())
    return f"pass {flag} {value}"
