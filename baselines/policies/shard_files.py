"""Files of sharded tensors: each process writes its shards, and any number of processes reads."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

SHARDS = "shards"
"""Folder of a checkpoint with the sharded tensors of the updaters; absent if there are none."""


def write_shards(folder: Path, states: Mapping[str, Any]) -> dict[str, Any]:
    """Write all sharded tensors of nested dicts with torch.distributed.checkpoint.

    To be called by all processes if there are any.

    Args:
        folder: Created if there are any, and shared by all processes.
        states: Nested dicts of any values.

    Returns:
        The same dicts with None in place of each sharded tensor.

    Raises:
        OSError: In all processes, if one cannot write.
    """
    shards: dict[str, Tensor] = {}
    rest = _without_shards(states, "", shards)
    if shards:
        from torch.distributed.checkpoint.api import CheckpointException
        from torch.distributed.checkpoint.state_dict_saver import save

        try:
            save(shards, checkpoint_id=folder)
        except CheckpointException as error:
            reason, *_ = [str(own) for own, _ in error.failures.values()]
            raise OSError(reason) from error
    return rest


def read_shards(
    folder: Path, states: Mapping[str, Any], like: Callable[[str, int], Tensor]
) -> dict[str, Any]:
    """Return states with the tensors that `write_shards` has written.

    Args:
        folder: Folder of the tensors; if it does not exist, the states are returned as they are.
        states: By owner, its state with None in place of each sharded tensor.
        like: Returns the parameter of an owner by its index. Its moments are read in the same
            form, as the shard of this process or whole.
    """
    if not folder.is_dir():
        return dict(states)
    import torch
    from torch.distributed.checkpoint.filesystem import FileSystemReader
    from torch.distributed.checkpoint.state_dict_loader import load

    saved = FileSystemReader(folder).read_metadata().state_dict_metadata
    read: dict[str, Tensor] = {}
    for name in saved:
        owner, index = name.split("/")[0], int(name.split("/")[-2])
        read[name] = torch.zeros_like(like(owner, index), requires_grad=False)
    is_alone = not torch.distributed.is_initialized()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
        load(read, checkpoint_id=folder, no_dist=is_alone)
    return _with_shards(states, "", read)


def _without_shards(
    states: Mapping[Any, Any], path: str, shards: dict[str, Tensor]
) -> dict[Any, Any]:
    """Return nested dicts without their sharded tensors, which are added to shards by path."""
    from baselines.policies.local.sharding import is_shard  # loads torch

    rest: dict[Any, Any] = {}
    for key, value in states.items():
        place = f"{path}{key}"
        if isinstance(value, Mapping):
            rest[key] = _without_shards(value, f"{place}/", shards)
        elif is_shard(value):
            shards[place], rest[key] = value, None
        else:
            rest[key] = value
    return rest


def _with_shards(
    states: Mapping[Any, Any], path: str, shards: Mapping[str, Tensor]
) -> dict[Any, Any]:
    """Return nested dicts with the tensors of shards in their places."""
    return {
        key: _with_shards(value, f"{path}{key}/", shards)
        if isinstance(value, Mapping)
        else shards.get(f"{path}{key}", value)
        for key, value in states.items()
    }
