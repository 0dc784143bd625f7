"""Checkpoints: written whole or not at all, checked before they are trusted."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from baselines.policies.base import TrainablePolicy
from ccpo_env.types import Role

STATE_FILE = "state.json"
UPDATER_FILE = "updaters.pt"
NUM_KEPT = 2
"""Checkpoints that stay: the newest, and the one before it in case the newest is damaged."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why and what to do."""


def save_checkpoint(
    root: Path,
    *,
    step: int,
    config: Mapping[str, Any],
    policies: Mapping[Role, TrainablePolicy],
    updaters: Mapping[Role, Mapping[str, Any]],
    state: Mapping[str, Any],
) -> Path:
    """Write a checkpoint next to its place, then move it there in one rename.

    Args:
        root: Folder of the run's checkpoints.
        step: Steps made.
        config: As `TrainConfig.to_json`.
        policies: Each is saved in Hugging Face form in a folder of its role's name.
        updaters: What `Updater.state_dict` returned.
        state: Anything else to go on with, as JSON values.

    Returns:
        The checkpoint's folder. Checkpoints older than the newest NUM_KEPT are deleted.
    """
    folder = root / f"step_{step:06d}"
    part = root / f"part_{step:06d}"
    for abandoned in root.glob("part_*"):
        shutil.rmtree(abandoned)
    part.mkdir(parents=True)
    for role, policy in policies.items():
        policy.save(part / role)
    torch.save(dict(updaters), part / UPDATER_FILE)
    files = sorted(path for path in part.rglob("*") if path.is_file())
    contents: dict[str, Any] = {
        "config": {**config, "steps_done": step},
        "state": dict(state),
        "files": {path.relative_to(part).as_posix(): _sha256(path) for path in files},
    }
    contents["checksum"] = _checksum(contents)
    (part / STATE_FILE).write_text(json.dumps(contents, indent=2), encoding="utf-8")
    for path in (*part.rglob("*"), part):
        _sync(path)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    _sync(root)
    for old in _checkpoints(root)[:-NUM_KEPT]:
        shutil.rmtree(old)
    return folder


def newest_checkpoint(root: Path) -> Path | None:
    """Return the newest checkpoint of a run, or None if it has none yet."""
    return next(reversed(_checkpoints(root)), None)


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """Return the contents of state.json after checking every file against its checksum.

    Raises:
        CheckpointError: If a file is missing, truncated or changed.
    """
    try:
        contents: dict[str, Any] = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        is_as_written = contents.pop("checksum") == _checksum(contents)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        is_as_written = False
    if not is_as_written:
        raise _damaged(STATE_FILE, folder)
    for name, checksum in contents["files"].items():
        path = folder / name
        if not path.is_file() or _sha256(path) != checksum:
            raise _damaged(name, folder)
    return contents


def read_updaters(folder: Path) -> dict[Role, dict[str, Any]]:
    """Return the updaters' states of a checkpoint that has been checked."""
    states: dict[Role, dict[str, Any]] = torch.load(folder / UPDATER_FILE, weights_only=True)
    return states


def _checkpoints(root: Path) -> list[Path]:
    """Return the checkpoints by step, also past 999999; a copy under another name is left alone."""
    folders = [path for path in root.glob("step_*") if path.name[len("step_") :].isdecimal()]
    return sorted(folders, key=_step_of)


def _step_of(folder: Path) -> int:
    return int(folder.name.removeprefix("step_"))


def _damaged(name: str, folder: Path) -> CheckpointError:
    return CheckpointError(
        f"a checkpoint must be as it was written, got a truncated, changed or missing {name} in "
        f"{folder}; delete that folder to go on from the checkpoint before it, or if there is none "
        f"start anew with another --out-dir"
    )


def _checksum(contents: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
