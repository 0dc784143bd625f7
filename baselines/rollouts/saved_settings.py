"""The settings that a run has saved, checked, for commands that read its team from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baselines.common.checks import require_known
from baselines.common.files import CONFIG_FILE, read_object
from baselines.common.run_settings import check_run_settings
from baselines.policies.checkpoints import CHECKPOINTS
from baselines.rollouts.team_env import TEAMS
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
    if "model_type" in saved:  # the folder of a model has a config.json of its own
        return {}
    _check_team(saved, path)
    return saved


def _check_team(saved: Mapping[str, Any], path: Path) -> None:
    """Raise ValueError, which names the file, unless its settings and team are known."""
    check_run_settings(saved, path)
    try:
        require_known("topology", saved.get("topology", "think_solve"), TEAMS)
        require_known("verifier", saved.get("verifier", "auto"), VERIFIER_NAMES)
    except ValueError as error:
        raise ValueError(f"{path} must be as the run wrote it: {error}") from None
