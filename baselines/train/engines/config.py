"""Settings of a run in several processes and with rollout servers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from baselines.common.checks import require_at_least, unread
from baselines.train.ahead_settings import check_ahead
from baselines.train.config import TrainConfig


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
    ROLE=endpoint:... per role, or one without a role with --weights shared or lora."""
    rollout_folder: Path | None = None
    """Folder that the server was started from; with several servers, one subfolder per role. With
    --weights lora, the folder for the versions of the adapters, which the server reads."""
    rollouts_ahead: int = 0
    """Number of steps that the servers play ahead. 1: the next step during each update, from
    weights that are one update older; with --old-logprobs recompute and --tis-cap. 0: none."""


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
                "server_weights, or for --weights lora a folder that it reads"
            )
        if self.rollout_folder is not None and not self.rollouts:
            raise ValueError(unread("rollout_folder", self.rollout_folder, "--rollouts"))
        check_ahead(self, self.rollouts_ahead, has_servers=bool(self.rollouts))

    @property
    def training(self) -> TrainConfig:
        """The training config of all processes."""
        return TrainConfig(**{f.name: getattr(self, f.name) for f in fields(TrainConfig)})
