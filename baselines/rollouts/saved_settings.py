"""The settings that a run has saved, checked, for commands that read its team from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from baselines.common.checks import require_known
from baselines.common.files import CONFIG_FILE, read_object
from baselines.policies.checkpoints import CHECKPOINTS
from baselines.rollouts.team_env import TEAMS, TeamSettings
from ccpo_env.verifiers.registry import VERIFIER_NAMES


def saved_settings(policy: str) -> dict[str, Any]:
    """Return what config.json holds if a policy is the folder of a run; else nothing.

    Args:
        policy: Any policy: a run's folder, that of a model, or a name.

    Raises:
        ValueError: If a run has no config.json, or the team in it is not one of this version.
    """
    path = Path(policy) / CONFIG_FILE
    if not path.is_file():
        if (path.parent / CHECKPOINTS).is_dir():
            raise ValueError(
                f"{CONFIG_FILE} of a run must be in its folder, got none in {path.parent}, which "
                f"has {CHECKPOINTS}; restore it from a copy, or pass a checkpoint in that folder"
            )
        return {}
    saved = read_object(path)
    if "topology" not in saved:  # the folder of a model has a config.json of its own
        return {}
    _check_team(saved, path)
    return saved


def _check_team(saved: Mapping[str, Any], path: Path) -> None:
    """Raise ValueError, which names the file, unless a team can be made of its settings."""
    for field in fields(TeamSettings):
        wanted = type(field.default)
        if field.name in saved and type(saved[field.name]) is not wanted:
            raise ValueError(
                f"{field.name} in {path} must be of type {wanted.__name__}, got "
                f"{saved[field.name]!r}; restore the file from a copy"
            )
    try:
        require_known("topology", saved["topology"], TEAMS)
        require_known("verifier", saved.get("verifier", "auto"), VERIFIER_NAMES)
    except ValueError as error:
        raise ValueError(f"{path} must be as the run wrote it: {error}") from None
