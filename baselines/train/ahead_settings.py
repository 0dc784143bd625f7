"""Settings that a run needs, or cannot have, when its rollouts are played one step ahead."""

from __future__ import annotations

from collections.abc import Mapping

from baselines.credit import ALLOCATORS
from baselines.train.config import TrainConfig

NOT_AHEAD: Mapping[str, str] = {
    "retrospect": "each step begins with an update of the policies",
    "removed_cache_decay": "the cache follows the updates in their order",
    "resample_rounds": "how many rounds a step has depends on all processes",
}
"""Settings that rollouts ahead do not work with, and why."""


def check_ahead(config: TrainConfig, rollouts_ahead: int, *, has_servers: bool) -> None:
    """Check that rollouts can be played so many steps ahead.

    Args:
        config: Settings of the run.
        rollouts_ahead: Steps that are played ahead; 0: everything can.
        has_servers: Whether servers sample the rollouts.

    Raises:
        ValueError: If they cannot.
    """
    if rollouts_ahead not in (0, 1):
        raise ValueError(
            f"rollouts_ahead must be 0 or 1, the steps that are played ahead, got "
            f"{rollouts_ahead}; pass 1"
        )
    if not rollouts_ahead:
        return
    if not has_servers:
        raise ValueError(
            "rollouts_ahead must be 0 without a server, because the policies of this process "
            "cannot sample during their update, got 1; pass --rollouts endpoint:URL"
        )
    if config.tis_cap is None:
        raise ValueError(
            "tis_cap must be given with rollouts_ahead, whose samples are one update old, got "
            "none; pass --old-logprobs recompute --tis-cap 2"
        )
    for name, reason in NOT_AHEAD.items():
        value = getattr(config, name)
        if value:
            raise ValueError(
                f"{name} must be 0 with rollouts_ahead, because {reason}, got {value}; leave it out"
            )
    if "values" in ALLOCATORS[config.allocator].needs:
        raise ValueError(
            f"allocator must not have a critic with rollouts_ahead, because it reads with the "
            f"policies of this process while they are updated, got {config.allocator}; pass "
            f"another --allocator"
        )
