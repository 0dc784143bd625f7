"""The parts of the check; each yields rows of the table as it measures them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

from baselines.bench.sampler_speed import thinker_prompts
from baselines.bench.stepwise import TINY_STEP, OurLoop, closed_at_the_end
from baselines.policies.base import Sampling
from baselines.policies.local.hf import HFPolicy
from baselines.train.update.forward import score
from scripts.gpu_check.models import Size, config_of, make_model
from scripts.gpu_check.rows import Row
from scripts.memory_table import WITH_ENTROPY, peak_bytes
from scripts.model_sizes import counted

MOST_IN_FLOAT32 = 1e-3
"""Largest allowed difference of a token's log-probabilities, in nats. On CPUs it is below 1e-4."""
MOST_MEAN_IN_BFLOAT16 = 0.05
"""Largest allowed mean difference with bfloat16 products."""
MOST_RELATIVE = 1e-6
"""Largest allowed norm of a difference of weights, over the norm of the weights."""
LEARNING_RATE = "1e-4"


@dataclass(frozen=True, slots=True)
class Setting:
    """Sizes and folders of a check.

    Args:
        is_tiny: Whether all models and batches are small.
        folder: Folder for models and runs.
    """

    is_tiny: bool
    folder: Path

    @property
    def device(self) -> str:
        """The device that policies choose."""
        return "cuda" if torch.cuda.is_available() else "cpu"

    def size(self, wanted: Size) -> Size:
        """Return the size, or the tiny one."""
        return "tiny" if self.is_tiny else wanted


def agreement(setting: Setting) -> Iterator[Row]:
    """Compare log-probabilities of sampler and trainer, in float32 and with autocast."""
    size = setting.size("125m")
    policy = HFPolicy.load(make_model(size, setting.folder))
    sampling = Sampling(temperature=1.0, max_tokens=8 if setting.is_tiny else 64)
    prompts = thinker_prompts(8)[: 16 if setting.is_tiny else 512]
    rows = policy.sample(prompts, sampling=sampling, rng=np.random.default_rng(0))
    sampled = np.concatenate([np.array(row.logprobs) for row in rows])
    for autocast in (False, True):
        scores = score(policy, rows, micro_batch_tokens=8192, autocast=autocast)
        gaps = np.abs(np.concatenate(scores) - sampled)
        mean, largest = float(gaps.mean()), float(gaps.max())
        name = "bfloat16 products" if autocast else "float32"
        yield Row(
            f"{name}, {size}, {gaps.size:,} tokens",
            f"mean {mean:.1e}, largest {largest:.1e} nats",
            mean <= MOST_MEAN_IN_BFLOAT16 if autocast else largest <= MOST_IN_FLOAT32,
        )


def steps(setting: Setting, wanted: Size) -> Iterator[Row]:
    """Measure steps with the shared reward and with counterfactual credit."""
    size = setting.size(wanted)
    network = counted(config_of(size))
    tokens, most, tasks, group = (512, 8, 2, 2) if setting.is_tiny else (8192, 64, 16, 8)
    shared = replace(
        TINY_STEP,
        policy=str(make_model(size, setting.folder)),
        tasks="arithmetic",
        allocator="shared",
        optimizer="reinforce_pp",  # with which margin credit always needs the removed rollouts
        optimizer_args={"entropy_weight": "0.001"},  # so that all completions are in the update
        max_tokens=most,
        tasks_per_step=tasks,
        group_size=group,
        micro_batch_tokens=tokens,
        bf16=True,
        gradient_checkpointing=True,
    )
    credited = replace(
        shared,
        allocator="counterfactual",
        allocator_args={"mode": "margin"},
        removed_samples=min(4, group),
    )
    for name, config in (("shared reward", shared), ("counterfactual credit", credited)):
        loop = OurLoop(config)
        with closed_at_the_end(loop):
            loop.step()
            _reset_peak(setting.device)
            for _ in range(3):
                loop.step()
            peak = _peak_bytes(setting.device)
        expected = peak_bytes([network] * 2, "full", shards=1, tokens=tokens, copies=WITH_ENTROPY)
        row = loop.rows[-1]
        yield Row(
            f"{name}, 2 roles of {network.parameters / 1e6:,.1f} M, full weights, `--bf16`",
            f"step {median(loop.seconds[1:]):.2f} s, {row['cost/tokens_generated']:,.0f} tokens, "
            f"peak {peak / 1e9:.1f} GB ({setting.device}; calculated {expected / 1e9:.1f})",
        )


def _reset_peak(device: str) -> None:
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _peak_bytes(device: str) -> float:
    """Return the peak of the device's memory, or of the resident memory of this process."""
    if device == "cuda":
        return float(torch.cuda.max_memory_allocated())
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def shard(setting: Setting) -> Iterator[Row]:
    """Train sharded weights in one process, on a CPU in two as well, and whole ones."""
    model = make_model(setting.size("125m"), setting.folder)
    for number in (1,) if setting.device == "cuda" else (1, 2):
        whole, sharded = (setting.folder / f"{kind}_{number}" for kind in ("whole", "sharded"))
        _engines(setting, model, whole, number)
        _engines(setting, model, sharded, number, "--shard")
        gap = relative_gap(whole / "model", sharded / "model")
        yield Row(
            f"`--shard` against whole weights, {number} process{'es' * (number > 1)}, 2 steps",
            f"relative difference {gap:.1e}",
            gap <= MOST_RELATIVE,
        )


def resume(setting: Setting) -> Iterator[Row]:
    """Train four steps at once, and two and two."""
    model = make_model(setting.size("125m"), setting.folder)
    once, twice = setting.folder / "at_once", setting.folder / "resumed"
    _train(setting, model, once, steps=4)
    _train(setting, model, twice, steps=2)
    _train(setting, model, twice, "--resume", "yes", steps=4)
    gap = relative_gap(once / "model", twice / "model")
    yield Row(
        "4 steps against 2 and, resumed, 2 more",
        "the same bits" if gap == 0 else f"relative difference {gap:.1e}",
        gap <= MOST_RELATIVE,
    )


def _flags(setting: Setting, model: Path, out_dir: Path, steps: int) -> list[str]:
    values: Mapping[str, object] = {
        **{"--policy": model, "--tasks": "arithmetic", "--out-dir": out_dir, "--steps": steps},
        **{"--tasks-per-step": 2 if setting.is_tiny else 4, "--group-size": 4},
        **{"--max-tokens": 8 if setting.is_tiny else 32, "--learning-rate": LEARNING_RATE},
        **{"--num-eval-tasks": 2, "--eval-every": 0, "--warmup-steps": 0},
        **{"--optimizer-args": ["entropy_weight", "0.001"], "--optimizer": "grpo"},
    }
    return [
        str(word)
        for flag, value in values.items()
        for word in (flag, *(value if isinstance(value, list) else [value]))
    ]


def _train(setting: Setting, model: Path, out_dir: Path, *more: str, steps: int) -> None:
    """Train in this process, which has loaded everything.

    Raises:
        RuntimeError: If it fails.
    """
    from baselines.train.command import main

    with contextlib.redirect_stdout(sys.stderr):
        code = main([*_flags(setting, model, out_dir, steps), *more])
    if code:
        raise RuntimeError(f"training must end with exit code 0, got {code}; read its output")


def _engines(setting: Setting, model: Path, out_dir: Path, number: int, *more: str) -> None:
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={number}"]
    engine = ["-m", "baselines.train.engines", "--num-processes", str(number)]
    _run([*launch, *engine, *_flags(setting, model, out_dir, 2), *more])


def _run(arguments: Sequence[str]) -> None:
    """Run Python; what it prints goes to standard error.

    Raises:
        RuntimeError: If it fails, with its last line.
    """
    done = subprocess.run(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout, file=sys.stderr, flush=True)
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {_reason(done.stdout)}")


def _reason(output: str) -> str:
    """Return the line of an output that says most likely what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower() and "torchelastic" not in line]
    return (telling or lines or ["no output"])[0 if telling else -1]


def relative_gap(one: Path, other: Path) -> float:
    """Return the norm of the difference of all weights in two folders, over that of the weights.

    Raises:
        ValueError: If they hold other weights, or none.
    """
    from safetensors.torch import load_file

    gaps: list[float] = []
    norms: list[float] = []
    names = [path.relative_to(one) for path in sorted(one.rglob("*.safetensors"))]
    if not names or names != [path.relative_to(other) for path in sorted(other.rglob("*.saf*"))]:
        raise ValueError(f"both runs must have saved the same weights, got {names} in {one}")
    for name in names:
        first, second = load_file(one / name), load_file(other / name)
        for key, weight in first.items():
            gaps.append(float((weight.double() - second[key].double()).square().sum()))
            norms.append(float(weight.double().square().sum()))
    return float(np.sqrt(np.sum(gaps) / np.sum(norms)))


Part = Callable[[Setting], Iterator[Row]]

PARTS: Mapping[str, Part] = {
    "agreement": agreement,
    "step-125m": lambda setting: steps(setting, "125m"),
    "resume": resume,
    "shard": shard,
    "step-1b": lambda setting: steps(setting, "1b"),
}
"""The parts by their names in `LIMITS`."""
