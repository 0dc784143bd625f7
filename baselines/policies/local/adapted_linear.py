"""Linear layers with LoRA adapters, without a merged copy and without temporary sums."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class LowRank:
    """The update of an adapter: scaling * up @ down.

    Args:
        down: Shape (rank, inputs).
        up: Shape (outputs, rank).
        scaling: Factor of the product.
    """

    down: Tensor
    up: Tensor
    scaling: float


def adapter_types(model: nn.Module) -> frozenset[type]:
    """Return the types of module that LoRA adapters add to a model; none if it has no adapters."""
    lora = sys.modules.get("peft.tuners.lora.layer")  # without peft there are no adapters
    if lora is None or not any(type(module) is lora.Linear for module in model.modules()):
        return frozenset()
    return frozenset({lora.Linear, nn.ModuleDict, nn.ParameterDict, nn.Identity, nn.Dropout})


def low_rank_parts(layer: nn.Module) -> tuple[Tensor, list[LowRank]]:
    """Return the weight of a linear layer and the updates of its active adapters.

    Args:
        layer: A linear layer, or one of peft around it, of the types in `adapter_types`.
    """
    if isinstance(layer, nn.Linear):
        return layer.weight, []
    adapted: Any = layer
    weight: Tensor = adapted.get_base_layer().weight
    if adapted.disable_adapters or adapted.merged:
        return weight, []
    return weight, [
        LowRank(adapted.lora_A[name].weight, adapted.lora_B[name].weight, adapted.scaling[name])
        for name in adapted.active_adapters
        if name in adapted.lora_A
    ]


def apply_linear(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Return the outputs (N, outputs) of a linear layer, plain or adapted, for inputs (N, inputs).

    Note: For one adapter of a frozen layer, the update is added inside the matrix product, in
        both directions. As in peft, but without its temporary tensors of the size of the output.
    """
    if isinstance(layer, nn.Linear):
        return layer(inputs)  # type: ignore[no-any-return]  # annotated as Any
    weight, parts = low_rank_parts(layer)
    if len(parts) != 1 or weight.requires_grad:
        return layer(inputs)  # type: ignore[no-any-return]
    (part,) = parts
    outputs: Tensor = _AdaptedLinear.apply(inputs, weight, part.down, part.up, part.scaling)  # type: ignore[no-untyped-call]
    return outputs


class _AdaptedLinear(torch.autograd.Function):
    """inputs @ weight.T + scaling * inputs @ down.T @ up.T, with a frozen weight."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, down: Tensor, up: Tensor, scaling: float
    ) -> Tensor:
        reduced = inputs @ down.T  # (N, rank)
        ctx.save_for_backward(inputs, weight, down, up, reduced)
        ctx.scaling = scaling
        return functional.linear(inputs, weight).addmm_(reduced, up.T, alpha=scaling)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight, down, up, reduced = ctx.saved_tensors
        (gradient,) = gradients  # (N, outputs)
        of_reduced = (gradient @ up).mul_(ctx.scaling)  # (N, rank)
        of_inputs = None
        if ctx.needs_input_grad[0]:
            of_inputs = (gradient @ weight).addmm_(of_reduced, down)
        of_up = (gradient.T @ reduced).mul_(ctx.scaling)
        return of_inputs, None, of_reduced.T @ inputs, of_up, None
