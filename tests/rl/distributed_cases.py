"""Updates that must be equal with one and with several processes, also with sharded weights.

As a module, one of several processes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
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
from baselines.policies.local.hf import HFPolicy
from baselines.policies.local.lora import LoraBase, LoraSettings
from baselines.policies.local.sharding import is_shard, whole
from baselines.policies.registry import load_policy
from baselines.train.update.batching import TrainingSample
from baselines.train.update.options import UpdateOptions
from baselines.train.update.updater import Updater

PROMPTS = ["1+1", "a longer prompt 2*3", "7-5", "9+9*3"] * 3
NUM_STEPS = 2
ROLES = ("thinker", "solver")


def halves(samples: Sequence[TrainingSample], processes: ProcessGroup) -> list[TrainingSample]:
    """Give the first four samples to rank 0: shares of different sizes."""
    return (
        list(samples)
        if processes.world_size == 1
        else list(samples[:4] if processes.rank == 0 else samples[4:])
    )


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

    @property
    def moves(self) -> bool:
        """Whether any update changes the weights."""
        return self.weigh_all and not self.is_poisoned


CASES = {
    "separate": Case(),
    "lora": Case(weights="lora"),
    "float32": Case(dtype=torch.float32),
    "sequence_ratio": Case(optimizer="gspo"),
    "mean_of_completions": Case(optimizer="rloo"),
    "minibatches": Case(options={"num_epochs": 2, "num_minibatches": 3, "shuffle_seed": 5}),
    "recomputed": Case(options={"old_logprobs": "recompute", "tis_cap": 1.5}),
    "one_process_without_rows": Case(share=all_to_the_first, options={"weight_decay": 0.1}),
    "nothing_to_learn": Case(weigh_all=False),
    "reference": Case(needs_reference=True),
    # The last sample, on rank 1 only: no process may update.
    "not_finite": Case(is_poisoned=True, options={"on_nonfinite": "skip"}),
}


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


def run(name: str, processes: ProcessGroup = SINGLE_PROCESS) -> dict[str, Any]:
    """Run the updates of a case; return weights and metrics by role."""
    case = CASES[name]
    optimizer = OPTIMIZERS[case.optimizer]
    if case.needs_reference:
        optimizer = optimizer.with_hyperparameters(kl_weight=0.1)
    found: dict[str, Any] = {}
    policies = policies_of(case, processes.mesh)
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
    for step in range(NUM_STEPS):
        for number, role in enumerate(ROLES):
            samples = rows_of(case, 10 * step + number)
            found[f"{role}/metrics"] = updaters[role].update(case.share(samples, processes))
    for role, policy in policies.items():
        trained = [p for p in policy.module.parameters() if p.requires_grad]
        assert all(is_shard(p) == (processes.mesh is not None) for p in trained)
        found[f"{role}/weights"] = torch.cat([whole(p.detach()).flatten() for p in trained])
    return found


def main() -> None:
    """Run all cases in one of the processes started by a launcher."""
    num_processes, folder = int(sys.argv[1]), Path(sys.argv[2])
    for shard in (False, True):
        processes = connect(num_processes, shard=shard)
        for name in CASES:
            torch.save(run(name, processes), folder / f"{name}.{shard}.{processes.rank}.pt")
    disconnect(processes)


if __name__ == "__main__":
    main()
