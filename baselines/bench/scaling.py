"""Scaling of the time of a training step with its tokens, and growth of memory."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from baselines.bench.benchmarks_page import Finding, report
from baselines.bench.measuring import Case, PageConfig, seconds_of
from baselines.bench.stepwise import TINY_STEP, OurLoop, closed_at_the_end
from baselines.common.checks import require_at_least
from baselines.common.command_line import parse
from baselines.common.stats import Estimate, bootstrap_statistic
from baselines.common.types import FloatArray, IntArray
from baselines.policies.local.hf import HFPolicy
from baselines.policies.registry import POLICIES
from baselines.train.config import TrainConfig

BASE = replace(
    TINY_STEP,
    allocator="shared",
    tasks_per_step=8,
    group_size=8,
    # Without it, groups with uniform rewards would be excluded from the update.
    optimizer_args={"entropy_weight": "0.001"},
)
"""The smallest step; every completion is part of the update."""
UNENDING = "<never>"
"""An end token that the model cannot sample."""
UNIFORM = 1000.0
"""A temperature at which all tokens are equally likely."""

WARM_UP_STEPS = 50
MEMORY_STEP = replace(TINY_STEP, tasks_per_step=2, group_size=4)


@dataclass(frozen=True, kw_only=True)
class ScalingConfig(PageConfig):
    """Measure how the time of a step scales with its tokens, and the peak memory."""

    memory_steps: int = 1000
    """Number of steps after which the peak memory is compared with that after 50."""

    def check(self) -> None:
        """Raise ValueError if a value is out of range."""
        super().check()
        require_at_least("memory_steps", self.memory_steps, WARM_UP_STEPS + 1)


@dataclass(frozen=True, slots=True)
class Scaling:
    """The time of a step at several sizes.

    Args:
        tokens: Generated and prompt tokens of each size, shape (S,).
        seconds: Time of each repeat of each size, shape (S, R).
    """

    tokens: FloatArray
    seconds: FloatArray

    def exponent(self, rng: np.random.Generator) -> Estimate:
        """Return the slope of the log median time on the log tokens, with its 95 % interval.

        Args:
            rng: Resamples the repeats, each with all sizes.
        """

        def slope(drawn: IntArray) -> float:
            return _slope(self.tokens, self.seconds[:, drawn])

        return bootstrap_statistic(slope, self.seconds.shape[1], rng=rng)


def _slope(tokens: FloatArray, seconds: FloatArray) -> float:
    slope, _ = np.polyfit(np.log(tokens), np.log(np.median(seconds, axis=1)), 1)
    return float(slope)


def main(arguments: Sequence[str]) -> int:
    """Measure how the time of a step scales."""
    run(parse(ScalingConfig, arguments, "ccpo bench scaling"))
    return 0


def run(config: ScalingConfig) -> None:
    """Print the scaling of a step, and write it to the page if there is one."""
    rng = np.random.default_rng(config.seed)
    # First: the peak memory is that of the process.
    findings = [memory_finding(config.memory_steps), scaling_finding(config.repeats, rng)]
    report("scaling", findings, config.page)


def scaling_finding(repeats: int, rng: np.random.Generator) -> Finding:
    """Measure the scaling along every axis."""
    rows = []
    for name, make_sizes in AXES.items():
        with make_sizes() as sizes:
            scaling = measured(list(sizes.values()), repeats, rng)
        exponent = scaling.exponent(rng)
        labels = list(sizes)
        rows.append(
            (
                name,
                f"{labels[0]} to {labels[-1]}",
                f"{scaling.tokens[0]:,.0f} to {scaling.tokens[-1]:,.0f}",
                f"{np.median(scaling.seconds[0]):.3f} to {np.median(scaling.seconds[-1]):.3f}",
                f"{exponent.value:.2f}",
                f"{exponent.low:.2f} to {exponent.high:.2f}",
            )
        )
    return Finding(
        title="The time of a step by its tokens",
        meaning=(
            "Steps of the embedded model with the shared reward at several sizes; all completions "
            "are part of the update. Tokens are generated and prompt tokens; a prompt counts for "
            "each completion. The exponent is the slope of log median time on log tokens: 1 is "
            "time proportional to tokens, less is better."
        ),
        columns=("what grows", "from", "tokens of a step", "median s", "exponent", "95 %"),
        rows=tuple(rows),
    )


def measured(configs: Sequence[TrainConfig], repeats: int, rng: np.random.Generator) -> Scaling:
    """Measure steps of each config, interleaved."""
    loops = [OurLoop(config) for config in configs]

    def case(place: int) -> Case:
        def run_step() -> int:
            loops[place].step()
            return 1

        return Case(str(place), run_step)

    with closed_at_the_end(*loops):
        seconds = seconds_of([case(place) for place in range(len(loops))], repeats, rng)
    tokens = [np.mean([_tokens(row) for row in loop.rows[1:]]) for loop in loops]
    return Scaling(np.array(tokens), np.array(seconds))


def _tokens(row: Mapping[str, float | int | None]) -> float:
    return float(row["cost/tokens_generated"] or 0) + float(row["cost/tokens_read"] or 0)


@contextmanager
def _groups() -> Iterator[dict[str, TrainConfig]]:
    yield {str(size): replace(BASE, group_size=size) for size in (4, 8, 16, 32, 64)}


@contextmanager
def _tasks() -> Iterator[dict[str, TrainConfig]]:
    yield {str(count): replace(BASE, tasks_per_step=count) for count in (8, 16, 32, 64, 128, 256)}


@contextmanager
def _thinkers() -> Iterator[dict[str, TrainConfig]]:
    yield {str(count): replace(BASE, num_thinkers=count) for count in (1, 2, 4, 8, 12)}


@contextmanager
def _prompts() -> Iterator[dict[str, TrainConfig]]:
    with tempfile.TemporaryDirectory() as folder:
        sizes = {}
        for num_terms in (20, 40, 80, 160, 320, 640):
            path = Path(folder) / f"{num_terms}.jsonl"
            path.write_text("".join(_long_sums(num_terms)), encoding="utf-8")
            sizes[f"{num_terms} terms"] = replace(BASE, tasks=str(path), max_tokens=8)
        yield sizes


def _long_sums(num_terms: int) -> Iterator[str]:
    """Yield a file of tasks with sums of a number of digits, in the form of the embedded tasks."""
    rng = np.random.default_rng(num_terms)
    for _ in range(64):
        digits = rng.integers(10, size=num_terms)
        question = f"Compute from left to right modulo 10: {'+'.join(map(str, digits))}"
        task = {"question": question, "answer": str(int(digits.sum()) % 10)}
        yield f"{json.dumps(task)}\n"


@contextmanager
def _completions() -> Iterator[dict[str, TrainConfig]]:
    with tempfile.TemporaryDirectory() as folder:
        policy = HFPolicy.load(POLICIES["tiny"]())
        policy.tokenizer.add_special_tokens({"eos_token": UNENDING})
        settings = policy.module.generation_config
        assert settings is not None  # the embedded model has one
        settings.eos_token_id = policy.tokenizer.eos_token_id
        policy.save(Path(folder))
        base = replace(BASE, policy=folder, temperature=UNIFORM, tasks_per_step=4)
        lengths = (8, 16, 32, 64, 128, 256)
        yield {f"{length} tokens": replace(base, max_tokens=length) for length in lengths}


Sizes: TypeAlias = Callable[[], AbstractContextManager[dict[str, TrainConfig]]]
AXES: Mapping[str, Sizes] = {
    "rollouts of a group": _groups,
    "tasks of a step": _tasks,
    "thinkers": _thinkers,
    "length of prompts": _prompts,
    "length of completions": _completions,
}
"""Quantities to scale, with their sizes."""


def memory_finding(num_steps: int) -> Finding:
    """Measure the peak memory after some and after all steps."""
    loop = OurLoop(MEMORY_STEP)
    with closed_at_the_end(loop):
        for _ in range(WARM_UP_STEPS):
            loop.step()
        early = peak_bytes()
        for _ in range(num_steps - WARM_UP_STEPS):
            loop.step()
            loop.rows.clear()  # ours, not the trainer's
        late = peak_bytes()
    return Finding(
        title="Peak memory",
        meaning=(
            f"Of the whole process during training of the embedded team with counterfactual "
            f"credit, {MEMORY_STEP.tasks_per_step} tasks per step with groups of "
            f"{MEMORY_STEP.group_size}."
        ),
        columns=("after", "MiB", "growth"),
        rows=(
            (f"{WARM_UP_STEPS} steps", f"{early / 2**20:,.0f}", ""),
            (f"{num_steps} steps", f"{late / 2**20:,.0f}", f"{late / early - 1.0:.1%}"),
        ),
    )


def peak_bytes() -> int:
    """Return the peak memory of this process, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
