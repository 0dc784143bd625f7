"""``python -m baselines.experiment``: allocators by optimizers by seeds, at equal tokens."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated

from rich.console import Console

from baselines.common.checks import flag_of, require_at_least, require_known, unread
from baselines.common.command import command
from baselines.common.command_line import Given, parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import make_folder
from baselines.common.flags import Choices, build
from baselines.common.stats import MIN_RUNS
from baselines.common.terminal import Terminal
from baselines.credit import ALLOCATORS, Allocator
from baselines.experiment.runs import RunKey, RunResult, run_once, settings_of_run
from baselines.experiment.sweep import (
    RUNS_FILE,
    keep_settings,
    num_finished,
    run_sweep,
    with_progress,
)
from baselines.optimizers import OPTIMIZERS, PolicyOptimizer
from baselines.policies.registry import EMBEDDED
from baselines.train.config import TrainConfig
from baselines.train.unread import what_reads
from ccpo_env.errors import unknown_name

DEFAULT_TRAINING = TrainConfig(
    steps=10_000,
    tasks_per_step=8,
    num_eval_tasks=512,
    checkpoint_every=100_000,
    completions_every=0,
    record_every=0,
)
"""Default training settings of all runs; the token budget ends a run. Steps are small, so that
methods with expensive steps make enough of them, and each of the 512 built-in held-out tasks is
used, because noise of the tasks is common to a curve, but not to its seeds."""
SMALL_STEP_LEARNING_RATE = 2e-4
"""Default learning rate of the embedded team with steps of so few tasks: with it, 40,000 tokens
train as far as 100,000 with 32 tasks per step."""
TRAIN = "train."
SET_PER_RUN = {
    "allocator": "pass --allocators",
    "optimizer": "pass --optimizers",
    "seed": "pass --num-seeds",
    "out_dir": "pass --out-dir",
    "resume": "rerun the same command to resume an experiment",
    "eval_every": "pass --num-evaluations",
    "eval_every_tokens": "pass --num-evaluations",
    "preset": "pass its settings as --train flags",
    "config": "pass its settings as --train flags",
    "tracker": "runs of an experiment are not tracked",
    "push_to_hub": "runs of an experiment are not kept",
    "keep_checkpoints": "runs of an experiment are not kept",
    "checkpoint_minutes": "runs of an experiment are not kept",
    "completions_every": "runs of an experiment are not kept",
    "record_every": "runs of an experiment are not kept",
    "record_rollouts": "runs of an experiment are not kept",
}
"""Training settings that cannot be passed as flags, and what to do instead."""
COMPARED = (
    *("shared", "counterfactual", "history", "self_evaluation", "branch", "leave_one_out"),
    *("shapley", "regression"),
)
"""Allocators that are compared by default: those that fit a chain, one of each kind."""
FIRST_FLAGS = (
    *("allocators", "optimizers", "num_seeds", "token_budget", "num_evaluations"),
    *("num_workers", "out_dir"),
    *("train.policy", "train.tasks", "train.topology", "train.group_size"),
    *("train.tasks_per_step", "train.learning_rate", "train.weights"),
)
"""Flags in --help; --help-all shows all."""


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """Train with every allocator and optimizer over several seeds, at equal cost."""

    allocators: Annotated[tuple[str, ...], Choices(ALLOCATORS)] = COMPARED
    """Allocators to compare."""
    optimizers: Annotated[tuple[str, ...], Choices(OPTIMIZERS)] = ("grpo", "reinforce_pp")
    """Optimizers to combine them with."""
    num_seeds: int = 10
    """Runs of each combination, with seeds 0, 1, …; at least two, for an interval, and at least
    five for a test."""
    token_budget: int = 40_000
    """Tokens that a run may sample in training, including removals and continuations. Methods that
    need more rollouts therefore train for fewer steps."""
    num_evaluations: int = 20
    """Evaluations on held-out tasks during training, at equal distances in tokens, the same for all
    methods; each after the step that reaches them. At least 8 for a mean over training."""
    num_workers: int = os.cpu_count() or 1
    """Parallel runs, one thread each."""
    out_dir: Path = Path("runs/experiment")
    """Folder of the results; rerun the same command to resume an interrupted experiment."""
    train: TrainConfig = field(default_factory=lambda: DEFAULT_TRAINING)
    """Training settings of all runs, such as --train.tasks-per-step 16."""

    def check(self) -> None:
        """Raise ValueError if a name is unknown or a number out of range."""
        for allocator in self.allocators:
            require_known("allocator", allocator, ALLOCATORS)
        for optimizer in self.optimizers:
            require_known("optimizer", optimizer, OPTIMIZERS)
        require_at_least("num_seeds", self.num_seeds, MIN_RUNS)
        for name in ("token_budget", "num_evaluations", "num_workers"):
            require_at_least(name, getattr(self, name), 1)
        _expect_hyperparameters(
            "allocator", self.train.allocator_args, [ALLOCATORS[name] for name in self.allocators]
        )
        _expect_hyperparameters(
            "optimizer", self.train.optimizer_args, [OPTIMIZERS[name] for name in self.optimizers]
        )
        for key in self.keys[: len(self.allocators) * len(self.optimizers)]:
            settings_of_run(self.training, key).check()

    @property
    def training(self) -> TrainConfig:
        """Training settings of all runs, with the evaluations and the learning rate filled in."""
        train = replace(
            self.train, eval_every_tokens=math.ceil(self.token_budget / self.num_evaluations)
        )
        has_small_steps = train.tasks_per_step == DEFAULT_TRAINING.tasks_per_step
        if train.learning_rate is None and train.policy in EMBEDDED and has_small_steps:
            return replace(train, learning_rate=SMALL_STEP_LEARNING_RATE)
        return train

    @property
    def keys(self) -> list[RunKey]:
        """All runs, ordered by seed, so that an unfinished experiment includes all methods."""
        return [
            RunKey(allocator, optimizer, seed)
            for seed in range(self.num_seeds)
            for optimizer in self.optimizers
            for allocator in self.allocators
        ]


def _expect_hyperparameters(
    kind: str, given: Mapping[str, str], methods: Sequence[Allocator | PolicyOptimizer]
) -> None:
    """Raise ValueError if none of the methods has one of the given hyperparameters."""
    known = list(dict.fromkeys(name for method in methods for name in method.tunable))
    for name in given:
        if name not in known:
            raise unknown_name("hyperparameter", name, known, of=f"the {kind}s compared")


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment, or resume it, and write tables and figures."""
    console = Terminal()
    config = parse(ExperimentConfig, arguments, "ccpo experiment", first=FIRST_FLAGS, settle=settle)
    with exit_on_bad_input():
        import_module("baselines.train.trainer")  # report a missing package once, before the runs
        from baselines.experiment.outputs import write_outputs  # loads scipy and matplotlib

        make_folder(config.out_dir)
        keep_settings(
            config.out_dir,
            {"token_budget": config.token_budget, "train": config.training.to_json()},
        )
    results = _run(config, console)
    results.sort(key=lambda result: config.keys.index(result.key))
    write_outputs(
        config.out_dir,
        results,
        console,
        expected=config.keys,
        settings=config.training.to_json(),
        words=sys.argv[1:] if arguments is None else arguments,
    )
    return 0


def settle(given: Given) -> ExperimentConfig:
    """Return the config from the parsed command line.

    Raises:
        ValueError: If a value is invalid, or a flag has no effect in any of the runs.
    """
    config = build(ExperimentConfig, given)
    config.check()
    names = [key.removeprefix(TRAIN) for key in given if key.startswith(TRAIN)]
    for name in names:
        if name in SET_PER_RUN:
            flag = flag_of(TRAIN + name)
            raise ValueError(
                f"{flag} must be left out, got {getattr(config.train, name)}; {SET_PER_RUN[name]}"
            )
        runs = [replace(config.train, allocator=own) for own in config.allocators]
        needed = [what_reads(run, name) for run in runs]
        if runs and None not in needed:
            raise ValueError(unread(f"train.{name}", getattr(config.train, name), needed[0] or ""))
    return config


def _run(config: ExperimentConfig, console: Console) -> list[RunResult]:
    path, keys = config.out_dir / RUNS_FILE, config.keys
    results = run_sweep(
        partial(run_once, config.training, token_budget=config.token_budget),
        keys,
        RunResult,
        path=path,
        num_workers=config.num_workers,
    )
    return with_progress(
        results,
        len(keys),
        console,
        num_workers=config.num_workers,
        num_known=num_finished(path, keys, RunResult),
    )
