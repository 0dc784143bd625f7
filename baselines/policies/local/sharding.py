"""Weights that are sharded over the processes of a run, with torch's FSDP2 (`fully_shard`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeGuard, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.tensor import DTensor
    from transformers import PreTrainedModel


def shard(model: PreTrainedModel, mesh: DeviceMesh) -> None:
    """Replace the weights of a model by the shards of this process, in place.

    Layer by layer they move to the device of the mesh; no device ever holds the whole model. Each
    layer gathers its weights for its forward and its backward pass, which all processes must
    therefore compute equally often.

    Args:
        model: A model on the CPU, the same in all processes, before a torch optimizer is made.
        mesh: The processes.

    Raises:
        ValueError: If it is quantised.
    """
    from torch.distributed.fsdp import FSDPModule, fully_shard

    if getattr(model, "is_quantized", False):
        raise ValueError(
            "a quantised model must be held whole by each process, got --shard; leave it out"
        )
    layers = set(getattr(model, "_no_split_modules", None) or ())
    for part in [*(m for m in model.modules() if type(m).__name__ in layers), model]:
        fully_shard(part, mesh=mesh)
    for part in model.modules():
        if isinstance(part, FSDPModule):
            # An update divides by the tokens of all processes itself, so gradients are summed.
            part.set_gradient_divide_factor(1.0)
            # Without it gloo refuses: "Cannot use ReduceOp.PREMUL_SUM".
            part.set_force_sum_reduction_for_comms(True)


def is_sharded(module: nn.Module) -> bool:
    """Return whether a module holds shards; not within `unsharded`."""
    return any(is_shard(parameter) for parameter in module.parameters())


def is_shard(tensor: object) -> TypeGuard[DTensor]:
    """Return whether a value is a tensor that is sharded."""
    return hasattr(tensor, "full_tensor")  # its class is elsewhere in older versions of torch


def writes_files(module: nn.Module) -> bool:
    """Return whether this process writes the files of a model: rank 0, if it is sharded."""
    return not is_sharded(module) or torch.distributed.get_rank() == 0


@contextmanager
def unsharded(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Gather all weights of some modules in each process for the time of the block.

    Inside, processes may compute different numbers of forward passes, such as to sample; no weight
    may change. To be entered by all processes.

    Args:
        modules: The modules; those that are not sharded stay as they are.
    """
    from torch.distributed.fsdp import FSDPModule

    roots = {id(module): module for module in modules}.values()
    parts = [part for root in roots for part in root.modules() if isinstance(part, FSDPModule)]
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.reshard()
            # The outermost one is needed again as soon as the backward pass begins.
            part.set_reshard_after_forward(not any(part is root for root in roots), recurse=False)


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor with the shards of all processes; to be called in all of them."""
    return tensor.full_tensor() if is_shard(tensor) else tensor


def own_elements(tensor: Tensor) -> tuple[Tensor, int]:
    """Return the elements of a tensor that this process holds, (N,), and the index of the first.

    Args:
        tensor: Whole, or sharded by `shard`: in contiguous parts along its first dimension.
    """
    if not is_shard(tensor):
        return tensor.reshape(-1), 0
    rows = -(-tensor.shape[0] // tensor.device_mesh.size())
    start = min(tensor.device_mesh.get_local_rank() * rows, tensor.shape[0])
    return tensor.to_local().reshape(-1), start * (tensor.numel() // tensor.shape[0])


def sharded_like(tensor: Tensor, like: Tensor) -> Tensor:
    """Return the shard of this process, if a tensor of the same shape is sharded."""
    from torch.distributed.tensor import distribute_tensor

    if not is_shard(like) or is_shard(tensor) or tensor.shape != like.shape:
        return tensor
    return distribute_tensor(
        tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None
    )


def whole_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the whole weights on the CPU of rank 0, and nothing elsewhere; to be called by all."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return cast("dict[str, Tensor]", get_model_state_dict(module, options=options))
