"""Settings of a run in several processes and with rollout servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from baselines.common.checks import require_at_least, unread
from baselines.credit import ALLOCATORS
from baselines.train.config import TrainConfig

NOT_AHEAD: Mapping[str, str] = {
    "retrospect": "each step begins with an update of the policies",
    "removed_cache_decay": "the cache follows the updates in their order",
    "resample_rounds": "how many rounds a step has depends on all processes",
}
"""Settings that rollouts ahead do not work with, and why."""


@dataclass(frozen=True, kw_only=True)
class ProcessSettings:
    """Processes and rollout servers."""

    num_processes: int = 1
    """World size; it must equal the number of processes that the launcher starts."""
    shard: bool = False
    """Shard weights, gradients and optimizer states over the processes (FSDP2), so that each holds
    its part of every model. Without servers, whole weights are gathered while rollouts are
    sampled."""
    rollouts: tuple[str, ...] = ()
    """Servers that sample the rollouts, such as endpoint:http://127.0.0.1:8130/v1#policy: one
    ROLE=endpoint:... per role, or one without a role with --weights shared."""
    rollout_folder: Path | None = None
    """Folder that the server was started from; with several servers, one subfolder per role."""
    rollouts_ahead: int = 0
    """1: the servers play the next step during each update, from weights that are one update older.
    With --old-logprobs recompute and --tis-cap. 0: play and update take turns."""


@dataclass(frozen=True, kw_only=True)
class EnginesConfig(TrainConfig, ProcessSettings):
    """Train in several processes and with rollout servers; see docs/scaling.md.

    Accepts all flags of ccpo train.
    """

    def check(self) -> None:
        """Raise ValueError if a value is invalid."""
        super().check()
        require_at_least("num_processes", self.num_processes, 1)
        if self.rollouts and self.rollout_folder is None:
            raise ValueError(
                "rollout_folder must be given with rollouts, got none; pass the folder that the "
                "server was started from, written by python -m baselines.train.engines."
                "server_weights"
            )
        if self.rollout_folder is not None and not self.rollouts:
            raise ValueError(unread("rollout_folder", self.rollout_folder, "--rollouts"))
        if self.rollouts_ahead:
            self._check_ahead()

    def _check_ahead(self) -> None:
        """Check the settings of rollouts that are played during an update."""
        if self.rollouts_ahead != 1:
            raise ValueError(
                f"rollouts_ahead must be 0 or 1, the steps that are played ahead, got "
                f"{self.rollouts_ahead}; pass 1"
            )
        if not self.rollouts:
            raise ValueError(
                "rollouts_ahead must be 0 without a server, because the policies of this process "
                "cannot sample during their update, got 1; pass --rollouts endpoint:URL"
            )
        if self.tis_cap is None:
            raise ValueError(
                "tis_cap must be given with rollouts_ahead, whose samples are one update old, got "
                "none; pass --old-logprobs recompute --tis-cap 2"
            )
        for name in NOT_AHEAD:
            value = getattr(self, name)
            if value:
                raise ValueError(
                    f"{name} must be 0 with rollouts_ahead, because {NOT_AHEAD[name]}, got "
                    f"{value}; leave it out"
                )
        if "values" in ALLOCATORS[self.allocator].needs:
            raise ValueError(
                f"allocator must not have a critic with rollouts_ahead, because it reads with the "
                f"policies of this process while they are updated, got {self.allocator}; pass "
                f"another --allocator"
            )

    @property
    def training(self) -> TrainConfig:
        """The training config of all processes."""
        return TrainConfig(**{f.name: getattr(self, f.name) for f in fields(TrainConfig)})
