"""Process groups for data-parallel training: all-gather, all-reduce and broadcast."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol, TypeVar

from baselines.common.errors import RolloutError, StorageError, WorkerError, lost_peer_message

if TYPE_CHECKING:
    import torch
    from torch.distributed.device_mesh import DeviceMesh

T = TypeVar("T")

USE_CPU = "ACCELERATE_USE_CPU"
"""Environment variable that makes accelerate use the CPU."""
SHARDING = {
    "ACCELERATE_USE_FSDP": "--use_fsdp",
    "ACCELERATE_USE_DEEPSPEED": "--use_deepspeed",
    "ACCELERATE_USE_MEGATRON_LM": "--use_megatron_lm",
}
"""Environment variables that make accelerate shard the weights, and the flags that set them."""
BUCKET_SIZE = 2**24
"""Maximum number of elements per all-reduce of gradients: 64 MB in float32."""


class ProcessGroup(Protocol):
    """The processes of a run; each must call the same methods in the same order."""

    @property
    def rank(self) -> int:
        """Rank of this process, from 0."""
        ...

    @property
    def world_size(self) -> int:
        """Number of processes."""
        ...

    @property
    def mesh(self) -> DeviceMesh | None:
        """Mesh over which the weights are sharded. None: each process holds all of them."""
        ...

    def all_gather(self, values: Sequence[T]) -> list[T]:
        """Return the values of all processes, in the order of their ranks."""
        ...

    def all_reduce_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Sum each gradient over the processes; it stays None if it is None in all of them."""
        ...

    def broadcast_parameters(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Copy the weights of rank 0 to every process."""
        ...


class SingleProcess:
    """A group of one process, in which every operation is local."""

    rank = 0
    world_size = 1
    mesh = None

    def all_gather(self, values: Sequence[T]) -> list[T]:
        """Return the values unchanged."""
        return list(values)

    def all_reduce_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Leave the gradients unchanged."""

    def broadcast_parameters(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Leave the weights unchanged."""


SINGLE_PROCESS: ProcessGroup = SingleProcess()


class AccelerateGroup:
    """A process group that communicates through accelerate; see `connect`.

    It does not use `Accelerator.prepare`: the hooks of DistributedDataParallel reduce gradients
    layer by layer and wait for every parameter, while here a process may have no samples, and the
    adapters of other roles no gradient.
    """

    mesh = None

    def __init__(self) -> None:
        from accelerate.state import PartialState
        from accelerate.utils import operations

        self._send = operations
        state = PartialState()
        # Both are set through a shared dict, where no type checker sees them.
        self.rank: int = state.process_index  # type: ignore[has-type]
        self.world_size: int = state.num_processes  # type: ignore[has-type]

    def all_gather(self, values: Sequence[T]) -> list[T]:
        """Return the values of all processes, in the order of their ranks."""
        with _waiting_for_peers():
            joined: list[T] = self._send.gather_object(list(values))
        return joined

    def all_reduce_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Sum each gradient over the processes; it stays None if it is None in all of them.

        Note: Called once per update, whatever the number of micro-batches.
        """
        import torch

        here = [[parameter.grad is not None for parameter in parameters]]
        is_used = [any(column) for column in zip(*self.all_gather(here), strict=True)]
        used = [p for p, used in zip(parameters, is_used, strict=True) if used]
        for parameter in used:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in used if parameter.grad is not None]
        for bucket in _buckets(gradients):
            flat = torch.cat([gradient.flatten() for gradient in bucket])
            with _waiting_for_peers():
                summed = self._send.reduce(flat, reduction="sum")
            parts = torch.split(summed, [gradient.numel() for gradient in bucket])
            for gradient, part in zip(bucket, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    def broadcast_parameters(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Copy the weights of rank 0 to every process."""
        with _waiting_for_peers():
            self._send.broadcast([parameter.data for parameter in parameters], from_process=0)


class ShardedGroup:
    """A process group over whose processes the weights are sharded; see `connect`.

    The backward pass sums the gradients, and each process loads the same weights, so that there is
    nothing left to reduce or to broadcast. Each forward pass gathers weights from all processes:
    all of them must compute the same number, see `baselines.train.update.lock_step`.

    Args:
        group: The processes.
        mesh: The same processes as a mesh of one dimension.
    """

    def __init__(self, group: ProcessGroup, mesh: DeviceMesh) -> None:
        self._group = group
        self.mesh = mesh
        self.rank = group.rank
        self.world_size = group.world_size

    def all_gather(self, values: Sequence[T]) -> list[T]:
        """Return the values of all processes, in the order of their ranks."""
        return self._group.all_gather(values)

    def all_reduce_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Leave the gradients unchanged: the backward pass has summed them."""

    def broadcast_parameters(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Leave the weights unchanged: each process has loaded its shard of the same ones."""


@contextmanager
def _waiting_for_peers() -> Iterator[None]:
    """Raise WorkerError, in place of the error of a library, if another process has ended."""
    try:
        yield
    except RuntimeError as error:
        raise WorkerError(lost_peer_message(error)) from error


def in_all(processes: ProcessGroup, call: Callable[[], T]) -> T:
    """Call a function in every process; what fails in one of them fails in all, together.

    Args:
        processes: The processes.
        call: Called in this one; it must not wait for the others.

    Raises:
        RolloutError: If it was raised by any process: its own, or else that of the lowest rank.
        StorageError: In the process that raised it; a RolloutError with its reason in the others.
    """
    result: list[T] = []
    error: RolloutError | StorageError | None = None
    try:
        result.append(call())
    except (RolloutError, StorageError) as own:
        error = own
    said = processes.all_gather([None if error is None else str(error)])
    if error is not None:
        raise error
    for reason in said:
        if reason is not None:
            raise RolloutError(reason)
    return result[0]


def own_share(values: Sequence[T], processes: ProcessGroup) -> list[T]:
    """Return this process's contiguous share of a list, in the order of ranks."""
    return shares(values, processes.world_size)[processes.rank]


def shares(values: Sequence[T], count: int) -> list[list[T]]:
    """Return contiguous shares of a list whose sizes differ by at most one."""
    bounds = [len(values) * rank // count for rank in range(count + 1)]
    return [list(values[start:end]) for start, end in pairwise(bounds)]


def connect(num_processes: int, *, shard: bool = False) -> ProcessGroup:
    """Join the process group that a launcher has started.

    Args:
        num_processes: Expected world size. With 1, and without a launcher, the result is
            SINGLE_PROCESS and no package is needed, unless weights are sharded.
        shard: Shard the weights over the processes, even over a single one.

    Raises:
        ImportError: If the package accelerate is missing, or torch is too old to shard.
        ValueError: If the launcher started another number of processes (`accelerate launch --cpu
            --num_processes 2` silently starts one), or was configured to shard the weights (on
            CPUs accelerate silently replicates them instead, or does not connect the processes).
    """
    if num_processes < 1:
        raise ValueError(f"num_processes must be >= 1, got {num_processes}; pass e.g. 2")
    for variable, flag in SHARDING.items():
        if _is_set(variable):
            raise ValueError(
                f"a launcher must leave the sharding of weights to --shard, got {variable} from "
                f"it; leave out {flag}, and pass --shard for sharded weights"
            )
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if launched == num_processes == 1:
        return _shard(SINGLE_PROCESS) if shard else SINGLE_PROCESS
    _require_size("started by the launcher", launched, num_processes)
    try:
        import torch
        from accelerate.state import PartialState
    except ImportError as error:
        raise ImportError(
            "training in several processes must have the package accelerate installed, got none; "
            "pip install 'ccpo-env[distributed]'"
        ) from error
    # Without a GPU, accelerate connects the processes only if cpu is set.
    state = PartialState(cpu=_is_set(USE_CPU) or not torch.cuda.is_available())
    found: int = state.num_processes  # type: ignore[has-type]  # set through a shared dict
    _require_size("that accelerate has joined", found, num_processes)
    return _shard(AccelerateGroup()) if shard else AccelerateGroup()


def disconnect(processes: ProcessGroup) -> None:
    """Leave the process group at the end of a run."""
    if processes.world_size > 1:
        from accelerate.state import PartialState

        PartialState().destroy_process_group()  # type: ignore[no-untyped-call]
    elif processes.mesh is not None:
        import torch

        torch.distributed.destroy_process_group()


def _shard(group: ProcessGroup) -> ShardedGroup:
    """Return the same processes with a mesh over which weights are sharded."""
    try:
        import torch
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import FSDPModule

        FSDPModule.set_force_sum_reduction_for_comms  # noqa: B018  the newest of its methods
    except (ImportError, AttributeError) as error:
        raise ImportError(
            "weights must be sharded with torch 2.9 or newer, got an older one; "
            "pip install -U torch"
        ) from error
    device = "cuda" if torch.cuda.is_available() and not _is_set(USE_CPU) else "cpu"
    if group.world_size == 1 and not torch.distributed.is_initialized():
        store = torch.distributed.HashStore()  # type: ignore[attr-defined]  # not in its __all__
        torch.distributed.init_process_group(store=store, rank=0, world_size=1)
    mesh = init_device_mesh(device, (group.world_size,))
    return ShardedGroup(group, mesh)


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("1", "true", "yes")


def _require_size(what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise ValueError(
            f"num_processes must be the number of processes {what}, got {wanted} for {found}; "
            f"pass --num-processes {found}, or start python -m torch.distributed.run --standalone "
            f"--nproc_per_node {wanted}, or accelerate launch --multi_gpu --num_processes {wanted} "
            f"(on CPU set {USE_CPU}=true and leave out --cpu, which starts one)"
        )


def _buckets(tensors: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Yield buckets of one dtype with at most BUCKET_SIZE elements; a larger tensor is its own."""
    bucket: list[torch.Tensor] = []
    for tensor in tensors:
        size = sum(t.numel() for t in bucket) + tensor.numel()
        if bucket and (size > BUCKET_SIZE or tensor.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket
