"""A training step of a real model compared with one of TRL's, with where its time goes."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np

from baselines.bench.arithmetic import SIDE, LinearSizes, peak_rate
from baselines.bench.benchmarks_page import Finding
from baselines.bench.measuring import Case, seconds_of
from baselines.bench.other_trainers import OTHER_TRAINERS
from baselines.bench.phases import GRADIENT, OTHER, PHASES, SAMPLING, SCORING, Phase, PhaseTimes
from baselines.bench.real_work import RealStep, every_completion_counts
from baselines.bench.sampler_speed import median_ratio, sampler_finding
from baselines.bench.stepwise import OurLoop, StepwiseLoop, closed_at_the_end
from baselines.bench.trl_step import TokenCount, train_trl

Places: TypeAlias = Sequence[tuple[Phase, object, str]]

BAR = 0.7
"""Largest ratio of our step's time to TRL's."""
OURS = "ccpo"
TRL = OTHER_TRAINERS["trl"]


@dataclass(slots=True)
class Measured:
    """Measurements of a trainer.

    Args:
        times: Measures its phases.
        seconds: Seconds of each step.
        cpu_seconds: Those in which the process computed, of each step and the warm-up.
        phases: Seconds of each phase, of each step and the warm-up.
        num_sampled: Tokens sampled in the last step.
        num_read: Prompt tokens in the last step, once for each completion.
    """

    times: PhaseTimes = field(default_factory=PhaseTimes)
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    phases: list[dict[str, float]] = field(default_factory=list)
    num_sampled: int = 0
    num_read: int = 0

    def median(self, phase: str) -> float:
        """Return the median seconds of a phase, without the warm-up."""
        return statistics.median(seconds[phase] for seconds in self.phases[1:])


def real_findings(work: RealStep, repeats: int, rng: np.random.Generator) -> list[Finding]:
    """Compare a step with TRL's, if it is installed, and the sampler with ``generate``."""
    measured = measured_steps(work, repeats, rng)
    return [
        step_finding(work, measured, rng),
        phases_finding(work, measured),
        bound_finding(work, measured),
        sampler_finding(
            work.policy, repeats, rng, work.num_tasks, work.group_size, work.num_tokens
        ),
    ]


def measured_steps(work: RealStep, repeats: int, rng: np.random.Generator) -> dict[str, Measured]:
    """Return the measurements of each trainer, ours first, from alternating steps."""
    with tempfile.TemporaryDirectory() as folder, every_completion_counts():
        config = work.config(Path(folder))
        ours, count = OurLoop(config), TokenCount()
        loops: dict[str, StepwiseLoop] = {OURS: ours}
        if TRL.is_installed:
            loops[TRL.name] = StepwiseLoop(
                lambda pause: train_trl(
                    config,
                    count,
                    pause,
                    min_tokens=work.num_tokens,
                    num_micro_batches=work.num_tasks,
                )
            )
        measured = {name: Measured() for name in loops}

        def case(name: str) -> Case:
            def step() -> int:
                own = measured[name]
                started, computed = time.perf_counter(), time.process_time()
                with own.times.watching(*_places(name)):
                    loops[name].step()
                own.phases.append(own.times.take(time.perf_counter() - started))
                own.cpu_seconds.append(time.process_time() - computed)
                return 1

            return Case(name, step)

        with closed_at_the_end(*loops.values()):
            found = seconds_of([case(name) for name in loops], repeats, rng)
        for own, seconds in zip(measured.values(), found, strict=True):
            own.seconds = seconds
        row = ours.rows[-1]
        measured[OURS].num_sampled = int(row["cost/tokens_generated"] or 0)
        measured[OURS].num_read = int(row["cost/tokens_read"] or 0)
        if TRL.name in measured:
            measured[TRL.name].num_sampled = count.take() // (repeats + 1)
            measured[TRL.name].num_read = count.num_read
    return measured


def step_finding(
    work: RealStep, measured: Mapping[str, Measured], rng: np.random.Generator
) -> Finding:
    """Return the seconds of a step and of its phases, and the ratio to TRL's."""
    rows: list[tuple[str, ...]] = []
    for name, own in measured.items():
        ratios = ["1.00", "1.00"]
        if name == OURS and TRL.name in measured:
            theirs = measured[TRL.name]
            found = (
                median_ratio(own.seconds, theirs.seconds, rng),
                median_ratio(own.cpu_seconds[1:], theirs.cpu_seconds[1:], rng),
            )
            ratios = [f"{each.value:.2f} ({each.low:.2f} to {each.high:.2f})" for each in found]
        computed = statistics.median(own.cpu_seconds[1:])
        rows.append(
            (
                *(name, f"{statistics.median(own.seconds):.2f}", ratios[0]),
                *(f"{computed:.2f}", ratios[1]),
                *(f"{own.num_sampled:,}", f"{own.num_read:,}"),
            )
        )
    if TRL.name not in measured:
        rows.append((TRL.name, f"pip install {TRL.install}", *["-"] * 5))
    trained = "a LoRA adapter of rank 16" if work.weights == "lora" else "all weights"
    return Finding(
        title=f"A step of {work.policy} compared with TRL",
        meaning=(
            f"{work.num_tasks} arithmetic tasks, the same in every step, {work.group_size} "
            f"completions each, every completion of {work.num_tokens} tokens and with an "
            f"advantage, one update of {trained} in float32. Neither trainer computes "
            f"log-probabilities a second time for a single update. TRL's gradient is computed in "
            f"{work.num_tasks} parts of {work.group_size} completions, since that of all at once "
            f"needs over 9 GB for SmolLM2. The ratio, with its 95 % interval, is to be "
            f"at most {BAR:g}. CPU seconds do not count the time that other programs take."
        ),
        columns=(
            *("trainer", "s", "ratio", "CPU s", "ratio of CPU s"),
            *("tokens sampled", "prompt tokens"),
        ),
        rows=tuple(rows),
    )


def phases_finding(work: RealStep, measured: Mapping[str, Measured]) -> Finding:
    """Return the seconds of the phases of a step, and their shares."""
    rows = []
    for phase in PHASES:
        cells = [phase]
        for own in measured.values():
            whole = sum(own.median(each) for each in PHASES)
            cells += [f"{own.median(phase):.2f}", f"{own.median(phase) / whole:.1%}"]
        rows.append(tuple(cells))
    return Finding(
        title=f"Where the time of a step of {work.policy} goes",
        meaning=(
            "Median seconds of the phases of the same steps. The optimizer is AdamW; other is "
            "everything else, such as environment, verifier, credit and metrics."
        ),
        columns=("phase", *(c for name in measured for c in (f"{name} s", "share"))),
        rows=tuple(rows),
    )


def bound_finding(work: RealStep, measured: Mapping[str, Measured]) -> Finding:
    """Compare the phases with the time that their matrix products need at the measured peak."""
    from baselines.policies.local.token_tree import token_tree

    policy = work.load()
    sizes, peak = LinearSizes.of(policy.module), peak_rate()
    prompts = policy.encode(work.prompts(), work.num_tokens)
    num_rows = work.num_tasks * work.group_size
    num_sampled = num_rows * work.num_tokens
    distinct = len(token_tree(prompts).token_ids)
    repeated = sum(map(len, prompts)) * work.group_size
    rows = []
    for name, own in measured.items():
        num_prompt = distinct if name == OURS else repeated
        # The last token of a row predicts nothing; ours leaves it out of the update, too.
        num_played = num_prompt + num_sampled - num_rows
        num_updated = num_played if name == OURS else num_prompt + num_sampled
        needed = {
            SAMPLING: sizes.forward(num_played, num_sampled),
            GRADIENT: sizes.forward(num_updated, num_sampled)
            + sizes.backward(num_updated, num_sampled),
        }
        for phase, operations in needed.items():
            at_peak, seconds = operations / peak, own.median(phase)
            rows.append(
                (
                    f"{name}, {phase}",
                    *(f"{operations / 1e9:,.0f}", f"{at_peak:.2f}", f"{seconds:.2f}"),
                    f"{at_peak / seconds:.0%}",
                )
            )
    return Finding(
        title=f"What bounds a step of {work.policy}",
        meaning=(
            f"Floating-point operations of the matrix products with weights, the seconds that they "
            f"take at the largest rate that was measured here, {peak / 1e9:,.0f} GFLOP/s for a "
            f"product of {SIDE} rows and columns, and the measured seconds. Ours processes "
            f"{distinct:,} prompt tokens, those that prompts share once; TRL {repeated:,}. In "
            f"sampling, each product has only {num_rows} rows, so that reading the weights takes "
            f"as long as the arithmetic."
        ),
        columns=("phase", "GFLOP", "s at peak", "measured s", "share"),
        rows=tuple(rows),
    )


def _places(name: str) -> Places:
    """Return the functions whose calls are the phases of a trainer."""
    if name == OURS:
        from baselines.policies.local.hf import HFPolicy
        from baselines.train.update import updater
        from baselines.train.update.gradient import GradientPass

        return (
            (SAMPLING, HFPolicy, "sample"),
            (SCORING, updater, "score"),
            (GRADIENT, GradientPass, "run"),
        )
    import torch
    from trl import GRPOTrainer

    def of_logprobs() -> str:
        return GRADIENT if torch.is_grad_enabled() else SCORING

    return (
        (GRADIENT, GRPOTrainer, "training_step"),
        (OTHER, GRPOTrainer, "_generate_and_score_completions"),
        (SAMPLING, GRPOTrainer, "_generate"),
        (of_logprobs, GRPOTrainer, "_get_per_token_logps_and_entropies"),
    )
