"""A copy of a small base model with plain layers, run with the merged weights of an adapter."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from baselines.policies.local.hf import HFPolicy
from baselines.policies.local.llama import as_plain_llama
from baselines.policies.local.llama_decoder import MAX_PARAMETERS

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Result = TypeVar("Result")


class PlainCopy(torch.nn.Module):
    """A copy of a small base with plain layers, called with merged weights.

    Plain layers are several times faster than layers with adapters. A copy of a large model would
    cost more memory than it saves time.
    """

    def __init__(self, policy: HFPolicy) -> None:
        super().__init__()
        self.model = copy.deepcopy(policy.module).requires_grad_(False)
        self.policy = HFPolicy(self.model, policy.tokenizer)

    def forward(self, use: Callable[[HFPolicy], Result]) -> Result:
        """Call a function with the copy."""
        return use(self.policy)


def plain_copy(policy: HFPolicy) -> PlainCopy | None:
    """Return a copy of a small base; None for a large one, or one of another architecture."""
    llama = as_plain_llama(policy.module)
    if llama is None or llama.num_parameters() > MAX_PARAMETERS:
        return None
    return PlainCopy(policy)


def are_all_linear(model: PreTrainedModel) -> bool:
    """Return whether adapters are on linear layers only, so that they can be merged."""
    from peft.tuners.lora import Linear, LoraLayer

    return all(isinstance(m, Linear) for m in model.modules() if isinstance(m, LoraLayer))


def merged_weights(model: PreTrainedModel, adapter: str) -> dict[str, Tensor]:
    """Return the merged weights of an adapter, by their names in a plain copy."""
    from peft.tuners.lora import Linear

    weights = {}
    for name, layer in model.named_modules():
        if isinstance(layer, Linear):
            plain = layer.get_base_layer()
            assert isinstance(plain, torch.nn.Linear)
            weights[f"model.{name}.weight"] = plain.weight + layer.get_delta_weight(adapter)
    return weights
