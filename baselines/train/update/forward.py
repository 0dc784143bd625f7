"""Log-probabilities without gradient, and settings of forward passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from baselines.common.processes import SINGLE_PROCESS, ProcessGroup
from baselines.common.types import FloatArray
from baselines.policies.base import Completion, TrainablePolicy
from baselines.policies.local.scoring import shares_beginnings
from baselines.train.update.batching import DISTINCT, PADDED, Counting, TrainingSample
from baselines.train.update.lock_step import FILLER, in_lock_step


@runtime_checkable
class Checkpointing(Protocol):
    """A network with activation checkpointing."""

    def activation_checkpointing_enable(
        self, activation_checkpointing_kwargs: dict[str, Any] | None = None
    ) -> None:
        """Turn it on for all layers, while they are in training mode."""
        ...


@runtime_checkable
class OldCheckpointing(Protocol):
    """The same interface with the name of older versions of transformers 5."""

    def gradient_checkpointing_enable(
        self, gradient_checkpointing_kwargs: dict[str, Any] | None = None
    ) -> None:
        """Turn it on for all layers, while they are in training mode."""
        ...


def score(
    policy: TrainablePolicy,
    completions: Sequence[Completion],
    *,
    micro_batch_tokens: int,
    autocast: bool = False,
    processes: ProcessGroup = SINGLE_PROCESS,
) -> list[FloatArray]:
    """Return the log-probability of each token of each completion, in order.

    To be called by all processes if the weights are sharded.

    Args:
        policy: The reference policy, or the trained policy before its update.
        completions: Sampled completions, each scored at its own temperature.
        micro_batch_tokens: Tokens of one forward pass, counted as by `counting_of`.
        autocast: Whether matrix products are computed in bfloat16.
        processes: Processes over which the weights may be sharded, each with its own completions.

    Returns:
        One array per completion, of its number of tokens, nats; empty for an empty one.
    """
    samples = [TrainingSample(completion, 0.0) for completion in completions]
    index_of = {id(sample): index for index, sample in enumerate(samples)}
    scores = [np.empty(0) for _ in samples]
    filled = [sample for sample in samples if sample.num_completion_tokens]
    counting = counting_of(policy, is_changed=autocast)
    with torch.no_grad():
        for batch in in_lock_step(counting.batches(filled, micro_batch_tokens), processes):
            with bfloat16_products(policy.module, enabled=autocast):
                found = policy.logprobs([s.completion for s in batch or [FILLER]])
            if batch is None:
                continue
            for sample, values in zip(batch, found.double().cpu().numpy(), strict=True):
                scores[index_of[id(sample)]] = values[: sample.num_completion_tokens]
    return scores


def counting_of(policy: TrainablePolicy, *, is_changed: bool) -> Counting:
    """Return the way to count the tokens of a policy's micro-batches.

    Args:
        policy: The policy that computes them.
        is_changed: Whether its forward pass is modified, such as by autocast or checkpointing.
    """
    return DISTINCT if not is_changed and shares_beginnings(policy.module) else PADDED


@contextmanager
def bfloat16_products(module: torch.nn.Module, *, enabled: bool) -> Iterator[None]:
    """Compute matrix products in bfloat16 inside the block; the weights are unchanged."""
    device = next(module.parameters()).device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=enabled):
        yield


def enable_checkpointing(module: torch.nn.Module) -> None:
    """Enable gradient checkpointing.

    Raises:
        ValueError: If the network does not support it.
    """
    # The reentrant variant computes no gradient for layers whose input needs none.
    kwargs = {"use_reentrant": False}
    for part in module.modules():  # an adapter wraps the network that supports it
        if isinstance(part, Checkpointing):
            return part.activation_checkpointing_enable(kwargs)
        if isinstance(part, OldCheckpointing):
            return part.gradient_checkpointing_enable(kwargs)
    raise ValueError(
        f"gradient_checkpointing must be off for a network without it, got "
        f"{type(module).__name__}; leave the flag out"
    )


@contextmanager
def checkpointed(module: torch.nn.Module, *, enabled: bool) -> Iterator[None]:
    """Activate gradient checkpointing inside the block, with dropout disabled.

    Only the layers themselves enter training mode, which activates checkpointing; their submodules,
    which include dropout, stay in eval mode.
    """
    layers = [m for m in module.modules() if enabled and "gradient_checkpointing" in vars(m)]
    was_training = [layer.training for layer in layers]
    try:
        for layer in layers:
            layer.training = True
        yield
    finally:
        for layer, training in zip(layers, was_training, strict=True):
            layer.training = training
