"""``python -m baselines.experiment``: allocators by optimizers by seeds, at equal tokens."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import Progress

from baselines.common.checks import require_at_least, require_known
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import make_folder, write_json, write_text
from baselines.common.stats import MIN_RUNS
from baselines.credit import ALLOCATORS
from baselines.experiment.aggregate import aggregate
from baselines.experiment.results import (
    learning_curves,
    markdown,
    quartile_markdown,
    verdicts,
)
from baselines.experiment.runs import RunKey, RunResult, run_once
from baselines.experiment.sweep import RUNS_FILE, keep_settings, run_sweep
from baselines.optimizers import OPTIMIZERS
from baselines.train.config import TrainConfig

DEFAULT_TRAINING = TrainConfig(
    steps=10_000, eval_every=5, num_eval_tasks=300, checkpoint_every=100_000
)
"""How the embedded team is trained in every run, unless flags say otherwise: the tokens end it."""


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """Train with every allocator and optimizer over several seeds, at equal cost."""

    allocators: tuple[str, ...] = tuple(ALLOCATORS)
    """Allocators to compare: names from ALLOCATORS."""
    optimizers: tuple[str, ...] = ("grpo", "reinforce_pp")
    """Optimizers to combine them with: names from OPTIMIZERS."""
    num_seeds: int = 10
    """Runs of each combination, with seeds 0, 1, and so on; at least two, so that there is an
    interval."""
    token_budget: int = 120_000
    """Tokens that a run may sample in training, whole team, removals and continuations together;
    credit that needs more rollouts makes fewer steps."""
    num_workers: int = os.cpu_count() or 1
    """Runs at a time, one thread each."""
    out_dir: Path = Path("runs/experiment")
    """Folder of the results. A call that was interrupted goes on when it is made again."""
    train: TrainConfig = field(default_factory=lambda: DEFAULT_TRAINING)
    """What all runs have in common: flags of training, such as --train.tasks-per-step 16."""

    def check(self) -> None:
        """Raise ValueError if a name is unknown or a number out of range."""
        for allocator in self.allocators:
            require_known("allocator", allocator, ALLOCATORS)
        for optimizer in self.optimizers:
            require_known("optimizer", optimizer, OPTIMIZERS)
        require_at_least("num_seeds", self.num_seeds, MIN_RUNS)
        for name in ("token_budget", "num_workers"):
            require_at_least(name, getattr(self, name), 1)
        self.train.check()

    @property
    def keys(self) -> list[RunKey]:
        """All runs, seed by seed, so that an unfinished experiment has all methods."""
        return [
            RunKey(allocator, optimizer, seed)
            for seed in range(self.num_seeds)
            for optimizer in self.optimizers
            for allocator in self.allocators
        ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment, or what is left of it, and write table and picture."""
    console = Console()
    with exit_on_bad_input():
        config = tyro.cli(ExperimentConfig, args=arguments, prog="ccpo experiment")
        config.check()
        make_folder(config.out_dir)
        keep_settings(
            config.out_dir,
            {"token_budget": config.token_budget, "train": config.train.to_json()},
        )
    results = _run(config, console)
    results.sort(key=lambda result: config.keys.index(result.key))
    rows = aggregate(results)
    write_text(config.out_dir / "table.md", markdown(rows))
    write_text(config.out_dir / "quartile_means.md", quartile_markdown(rows))
    write_json(config.out_dir / "table.json", [asdict(row) for row in rows])
    (config.out_dir / "curves.png").write_bytes(learning_curves(results))
    for table in (markdown(rows), quartile_markdown(rows)):
        console.print(table, markup=False, highlight=False, soft_wrap=True)
    for sentence in verdicts(rows):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    return 0


def _run(config: ExperimentConfig, console: Console) -> list[RunResult]:
    results = []
    with Progress(console=console) as progress:
        bar = progress.add_task("runs", total=len(config.keys))
        for result in run_sweep(
            partial(run_once, config.train, token_budget=config.token_budget),
            config.keys,
            RunResult,
            path=config.out_dir / RUNS_FILE,
            num_workers=config.num_workers,
        ):
            results.append(result)
            progress.advance(bar)
    return results
