"""The number of threads of array operations: one for small models, whose operations are short."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from baselines.policies.base import Policy

VARIABLE = "OMP_NUM_THREADS"
"""Environment variable with which users choose the number of threads themselves."""


@contextmanager
def suitable_threads(policies: Iterable[Policy]) -> Iterator[None]:
    """Use one thread in the block if the models here are small, unless OMP_NUM_THREADS is set.

    Operations of a small model take microseconds, less than several threads need to wait for each
    other. The number applies to PyTorch and NumPy in this process.

    Args:
        policies: The policies that play or are trained. Those without weights here, such as an
            endpoint, do not count.
    """
    modules = [getattr(policy, "module", None) for policy in policies]
    local = [module for module in modules if module is not None]
    if VARIABLE in os.environ or not local:
        yield
        return
    # Both come with the models, and are slow to load.
    from threadpoolctl import threadpool_limits

    from baselines.policies.local.llama_decoder import MAX_PARAMETERS

    sizes = [sum(weights.numel() for weights in module.parameters()) for module in local]
    with threadpool_limits(1 if max(sizes) <= MAX_PARAMETERS else None):
        yield
