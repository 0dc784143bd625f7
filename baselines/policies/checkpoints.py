"""Checkpoints: written atomically, and verified by checksum when they are read."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.common.errors import StorageError
from baselines.common.files import storing, sync, write_json
from baselines.common.stats import Proportion, proportion
from baselines.common.types import FloatArray
from baselines.policies.base import TrainablePolicy
from baselines.policies.shard_files import SHARDS, write_shards
from ccpo_env.types import Role

CHECKPOINTS = "checkpoints"
"""Folder of a run in which its checkpoints are."""
STATE_FILE = "state.json"
UPDATER_FILE = "updaters.pt"
ARRAYS_FILE = "arrays.safetensors"
"""Arrays of further state, such as that of a critic; absent if there are none."""
BEST_FILE = "best.json"
"""File next to the checkpoints that names the one with the highest held-out accuracy."""

DAMAGE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *(OverflowError, RecursionError),
)
"""Errors of reading a file that is not as it was written."""


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message gives the reason and a remedy."""


@dataclass(frozen=True, slots=True)
class UsableCheckpoint:
    """The newest checkpoint that passes its checksums.

    Args:
        folder: Folder of the checkpoint.
        contents: The result of `read_checkpoint`.
        notices: One sentence per newer, corrupt checkpoint, with the reason.
    """

    folder: Path
    contents: dict[str, Any]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BestCheckpoint:
    """The checkpoint with the highest held-out accuracy so far."""

    folder: Path
    step: int
    accuracy: Proportion


def checkpoint_name(step: int) -> str:
    """Return the folder name of the checkpoint after a training step."""
    return f"step_{step:06d}"


def save_checkpoint(
    root: Path,
    *,
    step: int,
    config: Mapping[str, Any],
    policies: Mapping[Role, TrainablePolicy],
    updaters: Mapping[Role, Mapping[str, Any]],
    state: Mapping[str, Any],
    arrays: Mapping[str, FloatArray] | None = None,
    num_kept: int = 2,
) -> Path:
    """Write a checkpoint to a temporary folder, then rename it into place.

    With sharded weights, the other processes call `join_checkpoint` meanwhile.

    Args:
        root: Folder of the run's checkpoints.
        step: Number of completed training steps.
        config: The result of `TrainConfig.to_json`.
        policies: By role; each is saved in Hugging Face format in a folder named after the role.
        updaters: By role, the result of `Updater.state_dict`.
        state: All other state needed to resume, as JSON values.
        arrays: State needed to resume that is too large for it. None: no such state.
        num_kept: Number of newest checkpoints to keep besides the best, so that there is one
            to fall back to if the last is corrupt.

    Returns:
        The checkpoint's folder. All others are deleted, including those of later steps, which
        remain if the run was resumed from an earlier checkpoint.

    Raises:
        StorageError: If it cannot be written; earlier checkpoints are untouched.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    folder = root / checkpoint_name(step)
    part = _part(root, step)
    try:
        with storing("a checkpoint", root, also=(SafetensorError,)):
            for abandoned in root.glob("part_*"):
                shutil.rmtree(abandoned)
            part.mkdir(parents=True)
            write_states(part / UPDATER_FILE, _save_policies(part, policies, updaters))
            if arrays:
                save_file(dict(arrays), part / ARRAYS_FILE)
            _write_state(part, {"config": {**config, "steps_done": step}, "state": dict(state)})
            for path in (*part.rglob("*"), part):
                sync(path)
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
            sync(root)
            _remove_old(root, step, num_kept)
    except StorageError:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return folder


def join_checkpoint(
    root: Path,
    *,
    step: int,
    policies: Mapping[Role, TrainablePolicy],
    updaters: Mapping[Role, Mapping[str, Any]],
) -> None:
    """Take part in `save_checkpoint` of another process, with the shards of this one.

    Args:
        root: Folder of the run's checkpoints, shared by the processes.
        step: Number of completed training steps.
        policies: By role.
        updaters: By role, the result of `Updater.state_dict`.

    Raises:
        StorageError: If they cannot be written.
    """
    with storing("a checkpoint", root):
        _save_policies(_part(root, step), policies, updaters)


def newest_checkpoint(root: Path) -> Path | None:
    """Return the newest checkpoint of a run, or None if it has none yet."""
    return next(reversed(_checkpoints(root)), None)


def newest_usable_checkpoint(root: Path) -> UsableCheckpoint | None:
    """Return the newest checkpoint that is not corrupt, or None if there is no checkpoint.

    Raises:
        CheckpointError: If all are corrupt; the error is that of the newest.
    """
    damaged: list[CheckpointError] = []
    for folder in reversed(_checkpoints(root)):
        try:
            contents = read_checkpoint(folder)
        except CheckpointError as error:
            damaged.append(error)
            continue
        reasons = [str(error).partition(";")[0] for error in damaged]
        notices = tuple(f"{reason}; resuming from {folder.name}" for reason in reasons)
        return UsableCheckpoint(folder, contents, notices)
    if damaged:
        raise damaged[0]
    return None


def best_checkpoint(root: Path) -> BestCheckpoint | None:
    """Return the best checkpoint, or None if none was recorded or it no longer exists."""
    try:
        found = json.loads((root / BEST_FILE).read_text(encoding="utf-8"))
        step, accuracy = int(found["step"]), proportion(found["successes"], found["total"])
    except DAMAGE:
        return None
    folder = root / checkpoint_name(step)
    return BestCheckpoint(folder, step, accuracy) if folder.is_dir() else None


def record_best(root: Path, *, step: int, accuracy: Proportion) -> None:
    """Record the checkpoint of a step as the best, which exempts it from deletion.

    Raises:
        StorageError: If the record cannot be written; the previous record then remains.
    """
    counts = {"successes": accuracy.successes, "total": accuracy.num_units}
    write_json(root / BEST_FILE, {"step": step, **counts})


def forget_best_after(root: Path, step: int) -> None:
    """Remove the record of a best checkpoint later than the step from which a run resumes."""
    best = best_checkpoint(root)
    if best is None or best.step > step:
        (root / BEST_FILE).unlink(missing_ok=True)


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """Return the contents of state.json after checking every file against its checksum.

    Raises:
        CheckpointError: If a file is missing, truncated or modified.
    """
    try:
        contents: dict[str, Any] = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        is_as_written = contents.pop("checksum") == _checksum(contents)
        is_as_written &= int(contents["config"]["steps_done"]) >= 0
        is_as_written &= all(isinstance(contents[name], dict) for name in ("state", "files"))
    except DAMAGE:
        is_as_written = False
    if not is_as_written:
        raise _damaged(STATE_FILE, folder)
    for name, checksum in contents["files"].items():
        path = folder / name
        if not path.is_file() or _sha256(path) != checksum:
            raise _damaged(name, folder)
    return contents


def read_updaters(folder: Path) -> dict[Role, dict[str, Any]]:
    """Return the updaters' states of a verified checkpoint, without those in SHARDS."""
    import torch

    states: dict[Role, dict[str, Any]] = torch.load(folder / UPDATER_FILE, weights_only=True)
    return states


def read_arrays(folder: Path) -> dict[str, FloatArray]:
    """Return the arrays of a verified checkpoint; empty if it was saved without any."""
    from safetensors.numpy import load_file

    path = folder / ARRAYS_FILE
    return load_file(path) if path.exists() else {}


def _part(root: Path, step: int) -> Path:
    """Return the temporary folder of a checkpoint."""
    return root / f"part_{step:06d}"


def _save_policies(
    part: Path,
    policies: Mapping[Role, TrainablePolicy],
    updaters: Mapping[Role, Mapping[str, Any]],
) -> dict[Role, Any]:
    """Write policies and shards, in all processes that have some; return the rest of the states."""
    for role, policy in policies.items():
        policy.save(part / role)
    return write_shards(part / SHARDS, updaters)


def write_states(path: Path, states: Mapping[Role, Mapping[str, Any]]) -> None:
    """Write the states of updaters in the format of `read_updaters`.

    Raises:
        OSError: If the file cannot be written.
    """
    import torch

    try:
        with path.open("wb") as file:
            torch.save(dict(states), file)
    except RuntimeError as error:
        # For a full disk torch reports an unexpected position; the reason is in the context.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def _write_state(part: Path, contents: dict[str, Any]) -> None:
    files = sorted(path for path in part.rglob("*") if path.is_file())
    contents["files"] = {path.relative_to(part).as_posix(): _sha256(path) for path in files}
    contents["checksum"] = _checksum(contents)
    (part / STATE_FILE).write_text(json.dumps(contents, indent=2), encoding="utf-8")


def _remove_old(root: Path, step: int, num_kept: int) -> None:
    best = best_checkpoint(root)
    made = [folder for folder in _checkpoints(root) if _step_of(folder) <= step]
    kept = {*made[-num_kept:], *([] if best is None else [best.folder])}
    for folder in _checkpoints(root):
        if folder not in kept:
            shutil.rmtree(folder)


def _checkpoints(root: Path) -> list[Path]:
    """Return the checkpoints by step, also above 999999; other names are ignored."""
    folders = [path for path in root.glob("step_*") if path.name[len("step_") :].isdecimal()]
    return sorted(folders, key=_step_of)


def _step_of(folder: Path) -> int:
    return int(folder.name.removeprefix("step_"))


def _damaged(name: str, folder: Path) -> CheckpointError:
    return CheckpointError(
        f"a checkpoint must be as it was written, got a truncated, changed or missing {name} in "
        f"{folder}; delete that folder to resume from the previous checkpoint, or without one "
        f"start a new run with another --out-dir"
    )


def _checksum(contents: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
