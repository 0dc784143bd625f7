"""Write the weights of a policy in a form that a rollout server can reload."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.common.command import command
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.policies.local.remote_code import remote_code
from baselines.policies.registry import load_policy

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from baselines.policies.base import TrainablePolicy

SMALLEST_HEAD = 32
"""Smallest size of an attention head that vLLM 0.32 serves on CPU."""


def save_untied(policy: TrainablePolicy, folder: Path) -> None:
    """Write a model with its last layer as a separate tensor, even if it is tied to the embedding.

    A server that was started from such a folder reloads every tensor. With a tied model, vLLM 0.32
    on CPU does not reload the last layer: after a sync, its log-probabilities were up to 0.08 nats
    off, without an error.

    Args:
        policy: A policy with its own weights; if they are sharded, all processes call this.
        folder: Created if missing; each file is replaced atomically, other files are unchanged.

    Raises:
        ValueError: If the policy is an adapter.
    """
    from baselines.policies.local.hf import HFPolicy

    if not isinstance(policy, HFPolicy):
        raise ValueError(
            f"a policy must have its own weights to be written as a model, got "
            f"{type(policy).__name__}; start the server from its base, with --enable-lora"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as partial:
        with _untied(policy.module):
            policy.save(Path(partial))
        _publish(Path(partial), folder)


def save_adapter(policy: TrainablePolicy, folder: Path) -> None:
    """Write an adapter to a new folder, of which a server sees all files or none.

    To be called by all processes if it is sharded, as `save_untied`; rank 0 writes.
    """
    from baselines.policies.local.sharding import writes_files

    if not writes_files(policy.module):
        policy.save(folder)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as partial:
        policy.save(Path(partial))
        whole = Path(partial) / "whole"
        whole.mkdir()
        _publish(Path(partial), whole)
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier run
        whole.rename(folder)


def _publish(source: Path, target: Path) -> None:
    """Move files to another folder, readable by all who can read that one.

    safetensors writes files that only their owner can read; the server may be another user.
    """
    for path in sorted(own for own in source.iterdir() if own.is_file()):
        path.chmod(target.stat().st_mode & 0o666)
        os.replace(path, target / path.name)


def digests(folder: Path, dtype: str, *, names: Collection[str]) -> dict[str, str]:
    """Return the SHA-256 of the bytes of written tensors in a server's data type, by their names.

    Args:
        folder: Folder written by `save_untied`.
        dtype: Name of the data type, such as "bfloat16".
        names: Names of the wanted tensors; others that the folder does not hold are left out.
    """
    import torch
    from safetensors import safe_open

    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in sorted(set(file.keys()) & set(names)):
                tensor = file.get_tensor(name).to(getattr(torch, dtype)).contiguous()
                content = tensor.view(-1).view(torch.uint8).numpy()
                found[name] = hashlib.sha256(content).hexdigest()
    return found


def head_size(policy: TrainablePolicy) -> int:
    """Return the size of the attention heads of a transformers model; 0 without attention."""
    model: Any = policy.module
    config = model.config.get_text_config()
    num_heads = getattr(config, "num_attention_heads", None)  # recurrent models have none
    if not num_heads:
        return 0
    size: int = getattr(config, "head_dim", None) or config.hidden_size // num_heads
    return size


def expect_servable(policy: TrainablePolicy) -> None:
    """Raise ValueError if vLLM on CPU cannot serve a model; its first request ends the server."""
    size = head_size(policy)
    if 0 < size < SMALLEST_HEAD:
        raise ValueError(
            f"the attention heads of a model must have a size of at least {SMALLEST_HEAD} for a "
            f"vLLM server, got {size}; pass another policy"
        )


@contextmanager
def _untied(model: PreTrainedModel) -> Iterator[None]:
    """Untie the last layer from the embedding inside the block."""
    import torch

    untyped: Any = model
    head, embedding = untyped.get_output_embeddings(), untyped.get_input_embeddings()
    if head is None or head.weight is not embedding.weight:
        yield
        return
    tied, keys = head.weight, model.all_tied_weights_keys
    try:
        head.weight = torch.nn.Parameter(tied.detach().clone(), requires_grad=False)
        model.config.tie_word_embeddings = False
        model.all_tied_weights_keys = {}
        yield
    finally:
        head.weight = tied
        model.config.tie_word_embeddings = True
        model.all_tied_weights_keys = keys


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsConfig:
    """Write the model folder to start a rollout server from."""

    policy: str
    """Initial policy of the training."""
    trust_remote_code: bool = False
    """Run the code that the folder or hub repository of a model holds, also that of the base model
    of an adapter. Read it first: it can do whatever you can."""
    out: Path
    """Folder to write."""

    def check(self) -> None:
        """Accept everything; loading and writing report invalid values."""


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Write the model folder to start a rollout server from."""
    config = parse(WeightsConfig, arguments, "python -m baselines.train.engines.server_weights")
    with exit_on_bad_input(), remote_code(trusted=config.trust_remote_code):
        policy = load_policy(config.policy)
        expect_servable(policy)
        save_untied(policy, config.out)
    print(config.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
