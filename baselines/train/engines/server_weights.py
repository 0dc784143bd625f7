"""Write the weights of a policy in a form that a rollout server can reload."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
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


def save_untied(policy: TrainablePolicy, folder: Path) -> None:
    """Write a model with its last layer as a separate tensor, even if it is tied to the embedding.

    A server that was started from such a folder reloads every tensor. With a tied model, vLLM 0.32
    on CPU does not reload the last layer: after a sync, its log-probabilities were up to 0.08 nats
    off, without an error.

    Args:
        policy: A policy with its own weights.
        folder: Created if missing; each file is replaced atomically, other files are unchanged.

    Raises:
        ValueError: If the policy is an adapter.
    """
    from baselines.policies.local.hf import HFPolicy

    if not isinstance(policy, HFPolicy):
        raise ValueError(
            f"a policy must have its own weights to be served, got {type(policy).__name__}; "
            f"pass --weights separate or shared"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as partial:
        with _untied(policy.module):
            policy.save(Path(partial))
        for path in sorted(Path(partial).iterdir()):
            os.replace(path, folder / path.name)


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
        save_untied(load_policy(config.policy), config.out)
    print(config.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
