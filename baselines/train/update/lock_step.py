"""Lock step: with sharded weights, all processes compute equally many forward passes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from baselines.common.processes import ProcessGroup
from baselines.policies.base import Completion
from baselines.train.update.batching import TrainingSample

FILLER = TrainingSample(
    Completion("", prompt_ids=(0,), token_ids=(0,), logprobs=(0.0,)), advantage=0.0
)
"""Sample of a forward pass whose result is not used: one token after one token."""


def in_lock_step(
    batches: Iterable[Sequence[TrainingSample]], processes: ProcessGroup
) -> list[Sequence[TrainingSample] | None]:
    """Return micro-batches, followed by a None for each that another process has more.

    A layer gathers its sharded weights from all processes in each pass, so a process without a
    micro-batch of its own computes one of FILLER. To be called by all processes.

    Args:
        batches: Micro-batches of this process, perhaps none.
        processes: The processes; if each holds all weights, there is no None.
    """
    own: list[Sequence[TrainingSample] | None] = list(batches)
    if processes.mesh is None:
        return own
    most = max(processes.all_gather([len(own)]))
    return [*own, *[None] * (most - len(own))]
