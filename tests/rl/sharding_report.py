"""Measure sharded weights against one process: python -m tests.rl.sharding_report.

Updates of two processes with sharded weights, a checkpoint of two from which three resume, and the
memory of a random Llama of 50 million parameters. As a module with arguments, one of the processes.
"""

from __future__ import annotations

import ctypes
import json
import resource
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from rich.console import Console
from rich.table import Table

from baselines.common.processes import SINGLE_PROCESS, ProcessGroup, connect, disconnect
from baselines.policies.base import Completion
from baselines.policies.local.hf import HFPolicy
from baselines.policies.local.sharding import is_shard
from baselines.policies.registry import load_policy
from baselines.train.update.batching import TrainingSample
from tests.rl.distributed_cases import CASES, ROLES, Case, Team
from tests.rl.launching import launch, run_python

NUM_STEPS = 3
DTYPES = {"float32": torch.float32, "float64": torch.float64}
LIMITS = {"float32": 1e-6, "float64": 1e-12}
COMPARED = (
    *("separate", "lora", "minibatches", "reference", "one_process_without_rows"),
    *("sequence_ratio", "together"),
)
RESUMED = ("separate", "lora")
MEMORY_LIMIT = 0.55
LLAMA = {
    "hidden_size": 512,
    "intermediate_size": 1408,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "vocab_size": 24_000,
    "tie_word_embeddings": False,
}
"""A Llama of 50 million parameters."""


def case_of(name: str, dtype: str) -> Case:
    return replace(CASES[name], dtype=DTYPES[dtype])


def weights_of(team: Team) -> dict[str, torch.Tensor]:
    found = team.found()
    return {role: found[f"{role}/weights"] for role in ROLES}


def run(case: Case, processes: ProcessGroup) -> dict[str, torch.Tensor]:
    """Take all steps; return the weights by role."""
    team = Team.of(case, processes)
    team.take(range(NUM_STEPS))
    return weights_of(team)


def memory(processes: ProcessGroup) -> dict[str, float]:
    """Return the memory of this process after two updates, in MB."""
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        policy = HFPolicy(LlamaForCausalLM(LlamaConfig(**LLAMA)), load_policy("tiny").tokenizer)
    if processes.mesh is not None:
        policy.shard(processes.mesh)
    team = Team.of(CASES["float32"], processes, {"thinker": policy})
    rng = np.random.default_rng(0)
    for _ in range(2):
        ids = [tuple(rng.integers(3, 24_000, size=32).tolist()) for _ in range(8)]
        own = [Completion("", i[:16], i[16:], (-10.0,) * 16) for i in ids]
        samples = [TrainingSample(c, (-1.0) ** k) for k, c in enumerate(own)]
        team.updaters["thinker"].update(samples[processes.rank :: processes.world_size])
    parameters = list(policy.module.parameters())
    optimizer = team.updaters["thinker"].state_dict()["torch_optimizer"]["state"]
    moments = [value for own in optimizer.values() for value in own.values()]
    held = [*parameters, *(p.grad for p in parameters if p.grad is not None), *moments]
    ctypes.CDLL(None).malloc_trim(0)  # what glibc keeps of freed memory is not counted
    local = [tensor.to_local() if is_shard(tensor) else tensor for tensor in held]
    return {
        "parameters_m": sum(p.numel() for p in parameters) / 1e6,
        "held": sum(tensor.numel() * tensor.element_size() for tensor in local) / 1e6,
        "resident": psutil.Process().memory_info().rss / 1e6,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }


def take_part(part: str, num_processes: int, folder: Path) -> None:
    """Run one part in this process, one of several."""
    processes = connect(num_processes, shard=num_processes > 1)
    found: dict[str, Any] = {}
    if part == "update":
        for dtype in DTYPES:
            found |= {f"{n}/{dtype}": run(case_of(n, dtype), processes) for n in COMPARED}
    elif part == "save":
        for name in RESUMED:
            team = Team.of(case_of(name, "float32"), processes)
            team.take(range(NUM_STEPS - 1))
            team.save(folder / name, NUM_STEPS - 1)
    elif part == "resume":
        for name in RESUMED:
            team = Team.load(case_of(name, "float32"), processes, folder / name)
            team.take([NUM_STEPS - 1])
            found[name] = weights_of(team)
    else:
        text = json.dumps(memory(processes))
        (folder / f"memory.{num_processes}.{processes.rank}.json").write_text(text)
    if processes.rank == 0:
        torch.save(found, folder / f"{part}.pt")
    disconnect(processes)


def start(part: str, num_processes: int, folder: Path) -> None:
    """Run one part in several processes."""
    arguments = ("tests.rl.sharding_report", part, num_processes, folder)
    if num_processes > 1:
        done = launch(*arguments, num_processes=num_processes, timeout_s=1200)
    else:
        done = run_python("-m", *arguments, timeout_s=1200)
    if done.returncode:
        raise SystemExit(done.stderr)


def distances(
    found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]
) -> tuple[float, ...]:
    """Return the relative distance of the weights of each role."""
    return tuple(
        float((found[role] - expected[role]).norm() / expected[role].norm()) for role in ROLES
    )


def main() -> None:
    """Measure and print everything."""
    table = Table("two processes, sharded", "dtype", *ROLES, "limit", title="|dw| / |w|")
    memory_table = Table(
        *("processes", "rank", "parameters, gradients, moments, MB", "share", "limit"),
        *("resident between, MB", "peak resident, MB"),
    )
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        start("update", 2, folder)
        start("save", 2, folder)
        start("resume", 3, folder)
        found = torch.load(folder / "update.pt")
        for name in COMPARED:
            for dtype in DTYPES:
                alone = run(case_of(name, dtype), SINGLE_PROCESS)
                own = distances(found[f"{name}/{dtype}"], alone)
                row = (name, dtype, *(f"{value:.1e}" for value in own), f"{LIMITS[dtype]:.0e}")
                table.add_row(*row)
        resumed = torch.load(folder / "resume.pt")
        for name in RESUMED:
            own = distances(resumed[name], run(case_of(name, "float32"), SINGLE_PROCESS))
            row = (f"{name}, last step in 3", "float32", *(f"{value:.1e}" for value in own))
            table.add_row(*row, f"{LIMITS['float32']:.0e}")
        whole = 0.0
        for num_processes in (1, 2):
            start("memory", num_processes, folder)
            for rank in range(num_processes):
                own = json.loads((folder / f"memory.{num_processes}.{rank}.json").read_text())
                whole = whole or own["held"]
                memory_table.title = f"Llama of {own['parameters_m']:.1f} M parameters, float32"
                numbers = (f"{own[key]:,.0f}" for key in ("resident", "peak"))
                row = (str(num_processes), str(rank), f"{own['held']:,.0f}")
                memory_table.add_row(
                    *row, f"{own['held'] / whole:.3f}", str(MEMORY_LIMIT), *numbers
                )
    console = Console(width=110)
    console.print(table)
    console.print(memory_table)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        take_part(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
