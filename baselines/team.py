"""Load the policies of a team: one model for every role, or the roles of an earlier run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from baselines.checkpoint import STATE_FILE, newest_checkpoint, read_checkpoint
from baselines.metrics import METRICS_FILE
from baselines.policies.base import TrainablePolicy
from baselines.policies.registry import load_policy
from ccpo_env.types import Role

CHECKPOINTS = "checkpoints"
"""Folder of a run in which its checkpoints are."""


def load_team(spec: str, roles: Sequence[Role], *, own_copies: bool) -> dict[Role, TrainablePolicy]:
    """Return a policy per role.

    Args:
        spec: A run's folder (its newest checkpoint is taken), a checkpoint's folder, or anything
            that `load_policy` takes, from which every role starts.
        roles: The roles of the team.
        own_copies: Whether each role gets weights of its own even if they start out equal.

    Raises:
        CheckpointError: If the checkpoint is damaged.
        ValueError: If the run has no checkpoint yet, or the checkpoint lacks a role.
    """
    run = Path(spec)
    folder = newest_checkpoint(run / CHECKPOINTS) or run
    if folder == run and (run / METRICS_FILE).exists():
        raise ValueError(
            f"policy must hold a checkpoint if it is a run, got none in {run}; let the run go on "
            f"with --resume until it has saved one"
        )
    if not (folder / STATE_FILE).exists():
        if own_copies:
            return {role: load_policy(spec) for role in roles}
        return dict.fromkeys(roles, load_policy(spec))
    read_checkpoint(folder)
    for role in roles:
        if not (folder / role).is_dir():
            raise ValueError(
                f"policy must hold a folder for each role, got no {role!r} in {folder}; "
                f"pass a run of a team with that role"
            )
    return {role: load_policy(str(folder / role)) for role in roles}
