"""Updates that must be equal with one and with several processes, also with sharded weights.

As a module, one of several processes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.distributed.device_mesh import DeviceMesh

from baselines.common.processes import SINGLE_PROCESS, ProcessGroup, connect, disconnect
from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Completion, Prompt, Sampling, TrainablePolicy
from baselines.policies.checkpoints import (
    join_checkpoint,
    newest_checkpoint,
    read_updaters,
    save_checkpoint,
)
from baselines.policies.local.hf import HFPolicy
from baselines.policies.local.lora import LoraBase, LoraSettings
from baselines.policies.local.sharding import is_shard, whole
from baselines.policies.registry import load_policy
from baselines.policies.shard_files import SHARDS, read_shards
from baselines.policies.team import load_team
from baselines.train.update.batching import TrainingSample
from baselines.train.update.options import UpdateOptions
from baselines.train.update.updater import Updater

PROMPTS = ["1+1", "a longer prompt 2*3", "7-5", "9+9*3"] * 3
NUM_STEPS = 2
ROLES = ("thinker", "solver")


def halves(samples: Sequence[TrainingSample], processes: ProcessGroup) -> list[TrainingSample]:
    """Give the first four samples to rank 0, and deal the others out: shares of different sizes."""
    if processes.world_size == 1:
        return list(samples)
    if processes.rank == 0:
        return list(samples[:4])
    return list(samples[4:][processes.rank - 1 :: processes.world_size - 1])


def all_to_the_first(
    samples: Sequence[TrainingSample], processes: ProcessGroup
) -> list[TrainingSample]:
    return list(samples) if processes.rank == 0 else []


@dataclass(frozen=True)
class Case:
    """A case: samples of two roles, and options of their updates."""

    weights: str = "separate"
    optimizer: str = "grpo"
    options: dict[str, Any] = field(default_factory=dict)
    share: Callable[[Sequence[TrainingSample], ProcessGroup], list[TrainingSample]] = halves
    dtype: torch.dtype = torch.float64
    needs_reference: bool = False
    weigh_all: bool = True
    is_poisoned: bool = False
    shards: tuple[bool, ...] = (False,)
    """Whether the weights are sharded, in each of its runs in two processes."""

    @property
    def moves(self) -> bool:
        """Whether any update changes the weights."""
        return self.weigh_all and not self.is_poisoned


CASES = {
    "separate": Case(),
    "lora": Case(weights="lora"),
    "float32": Case(dtype=torch.float32, shards=(False, True)),
    "sequence_ratio": Case(optimizer="gspo"),
    "mean_of_completions": Case(optimizer="rloo"),
    "minibatches": Case(options={"num_epochs": 2, "num_minibatches": 3, "shuffle_seed": 5}),
    "recomputed": Case(options={"old_logprobs": "recompute", "tis_cap": 1.5}),
    "one_process_without_rows": Case(share=all_to_the_first, options={"weight_decay": 0.1}),
    "nothing_to_learn": Case(weigh_all=False),
    "reference": Case(needs_reference=True),
    # The last sample, on rank 1 only: no process may update.
    "not_finite": Case(is_poisoned=True, options={"on_nonfinite": "skip"}, shards=(False, True)),
    "float32_lora": Case(weights="lora", dtype=torch.float32, shards=(True,)),
    # All that computes forward passes, in a process without samples.
    "together": Case(
        optimizer="gspo",
        share=all_to_the_first,
        options={
            "old_logprobs": "recompute",
            "gradient_checkpointing": True,
            "num_minibatches": 2,
        },
        needs_reference=True,
        shards=(True,),
    ),
}
RESUMED = ("float32", "float32_lora")
"""Cases that are also saved with sharded weights, one step before the end."""


def policies_of(case: Case, mesh: DeviceMesh | None = None) -> dict[str, TrainablePolicy]:
    if case.weights == "separate":
        policies: dict[str, TrainablePolicy] = {role: load_policy("tiny") for role in ROLES}
        for policy in policies.values():
            policy.module.to(case.dtype)
            if mesh is not None:
                assert isinstance(policy, HFPolicy)
                policy.shard(mesh)
        return policies
    start = load_policy("tiny")
    start.module.to(case.dtype)
    base = LoraBase(start, "tiny")
    added = {role: base.add(role, LoraSettings(rank=2, seed=3)) for role in ROLES}
    for policy in added.values():
        policy.module.to(case.dtype)
    if mesh is not None:
        base.shard(mesh)
    return dict(added)


@cache
def sampler() -> TrainablePolicy:
    """The policy that sampled the completions; it is not trained."""
    return load_policy("tiny")


@cache
def completions(seed: int) -> list[Completion]:
    """What it samples with a seed."""
    return sampler().sample(
        [Prompt(prompt) for prompt in PROMPTS],
        sampling=Sampling(max_tokens=9),
        rng=np.random.default_rng(seed),
    )


def rows_of(case: Case, seed: int) -> list[TrainingSample]:
    """Completions of different lengths, in groups of three."""
    sampled = completions(seed)
    rng = np.random.default_rng([1, seed])
    advantages = rng.normal(size=len(sampled)) if case.weigh_all else np.zeros(len(sampled))
    samples = [TrainingSample(c, float(a)) for c, a in zip(sampled, advantages, strict=True)]
    if case.is_poisoned:
        said = replace(
            samples[-1].completion, logprobs=(np.nan,) * samples[-1].num_completion_tokens
        )
        samples[-1] = replace(samples[-1], completion=said)
    return samples


@dataclass
class Team:
    """The policies of a case with their updaters."""

    case: Case
    processes: ProcessGroup
    policies: dict[str, TrainablePolicy]
    updaters: dict[str, Updater]
    metrics: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        case: Case,
        processes: ProcessGroup,
        policies: dict[str, TrainablePolicy] | None = None,
    ) -> Team:
        optimizer = OPTIMIZERS[case.optimizer]
        if case.needs_reference:
            optimizer = optimizer.with_hyperparameters(kl_weight=0.1)
        policies = policies or policies_of(case, processes.mesh)
        references = policies_of(case, processes.mesh) if case.needs_reference else {}
        updaters = {
            role: Updater(
                policy,
                optimizer,
                learning_rate=1e-4,
                warmup_steps=0,
                max_grad_norm=0.5,
                micro_batch_tokens=60,
                options=UpdateOptions(**case.options),
                reference=references.get(role),
                processes=processes,
            )
            for role, policy in policies.items()
        }
        return cls(case, processes, policies, updaters)

    def take(self, steps: Iterable[int]) -> None:
        """Take some steps, numbered from 0."""
        for step in steps:
            for number, role in enumerate(ROLES):
                own = self.case.share(rows_of(self.case, 10 * step + number), self.processes)
                self.metrics[role] = self.updaters[role].update(own)

    def found(self) -> dict[str, Any]:
        """Weights and metrics of the last step by role."""
        found = {f"{role}/metrics": own for role, own in self.metrics.items()}
        for role, policy in self.policies.items():
            trained = [p for p in policy.module.parameters() if p.requires_grad]
            assert all(is_shard(p) == (self.processes.mesh is not None) for p in trained)
            found[f"{role}/weights"] = torch.cat([whole(p.detach()).flatten() for p in trained])
        return found

    def save(self, root: Path, step: int) -> None:
        """Write a checkpoint, as a run does."""
        states = {role: updater.state_dict() for role, updater in self.updaters.items()}
        given: dict[str, Any] = {"step": step, "policies": self.policies, "updaters": states}
        if self.processes.rank == 0:
            save_checkpoint(root, config={}, state={}, **given)
        else:
            join_checkpoint(root, **given)

    @classmethod
    def load(cls, case: Case, processes: ProcessGroup, root: Path) -> Team:
        """Load the newest checkpoint, as a run does."""
        folder, mesh, bases = newest_checkpoint(root), processes.mesh, dict[str, LoraBase]()
        assert folder is not None
        policies = load_team(
            str(folder),
            ROLES,
            own_copies=True,
            lora=LoraSettings(rank=2) if case.weights == "lora" else None,
            bases=bases,
            shard=None if mesh is None else lambda policy: policy.shard(mesh),
        )
        for base in bases.values() if mesh is not None else ():
            base.shard(mesh)
        team = cls.of(case, processes, policies)
        like = lambda role, index: team.updaters[role].parameters[index]  # noqa: E731
        states = read_shards(folder / SHARDS, read_updaters(folder), like)
        for role, state in states.items():
            team.updaters[role].load_state_dict(state)
        return team


def run(
    name: str, processes: ProcessGroup = SINGLE_PROCESS, *, save_in: Path | None = None
) -> dict[str, Any]:
    """Run the updates of a case; return weights and metrics by role.

    Args:
        name: Name of the case.
        processes: The processes.
        save_in: Folder for a checkpoint before the last step; None: none is written.
    """
    team = Team.of(CASES[name], processes)
    team.take(range(NUM_STEPS - 1))
    if save_in is not None:
        team.save(save_in, NUM_STEPS - 1)
    team.take([NUM_STEPS - 1])
    return team.found()


def main() -> None:
    """Run all cases in one of the processes started by a launcher."""
    num_processes, folder = int(sys.argv[1]), Path(sys.argv[2])
    for shard in (False, True):
        processes = connect(num_processes, shard=shard)
        for name in (name for name, case in CASES.items() if shard in case.shards):
            save_in = folder / name if shard and name in RESUMED else None
            found = run(name, processes, save_in=save_in)
            torch.save(found, folder / f"{name}.{shard}.{processes.rank}.pt")
    disconnect(processes)


if __name__ == "__main__":
    main()
