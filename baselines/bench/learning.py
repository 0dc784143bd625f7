"""``python -m baselines.bench learning``: does every optimizer lift the embedded team?

Each optimizer is trained with three kinds of credit over several seeds, for the default number of
steps or until the team is as good as it can get; teams of other topologies, and credit with its
sign reversed, are trained beside them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console

from baselines.config import TrainConfig, require_at_least
from baselines.credit import ALLOCATORS, Allocator, GroupOutcomes
from baselines.errors import exit_on_bad_input
from baselines.experiment.runs import RunKey, RunResult, run_once
from baselines.files import make_folder, write_text
from baselines.optimizers import OPTIMIZERS
from baselines.types import FloatArray

REVERSED = "reversed "
"""In front of the name of an allocator whose credit is paid with the other sign."""
REVERSED_STEPS = 16
"""Steps in which reversed credit shows what it does."""
GOOD_ENOUGH = 0.95
"""Held-out accuracy, measured every ten steps, at which a run need not go on."""
UNLIMITED = 10**12
"""Tokens: the steps end a run."""
STARTS_BELOW, ENDS_ABOVE = 0.45, 0.90
CHAIN_ENDS_ABOVE = 0.70
"""Two thinkers have more to agree on; the default steps are those of one."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What is trained with some seeds: settings that differ from the default ones."""

    label: str
    allocator: str
    optimizer: str = "grpo"
    topology: str = "think_solve"
    num_thinkers: int = 1
    ends_above: float = ENDS_ABOVE

    @property
    def is_reversed(self) -> bool:
        """Whether the team is paid for failing."""
        return self.allocator.startswith(REVERSED)


@dataclass(frozen=True, kw_only=True)
class LearningConfig:
    """Train the embedded team with every optimizer and several allocators."""

    num_seeds: int = 5
    """Runs of each combination."""
    allocators: tuple[str, ...] = ("shared", "counterfactual", "branch")
    """Allocators that every optimizer is trained with."""
    optimizers: tuple[str, ...] = tuple(OPTIMIZERS)
    """Optimizers to train with."""
    num_workers: int = os.cpu_count() or 1
    """Runs at a time, one thread each."""
    steps: int = 80
    """Steps of training."""
    out_dir: Path | None = None
    """Folder for learning.md. None: nothing is written."""

    def check(self) -> None:
        """Raise ValueError if a number is out of range."""
        for name in ("num_seeds", "num_workers", "steps"):
            require_at_least(name, getattr(self, name), 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train all combinations and print where each started and ended, seed by seed."""
    console = Console()
    with exit_on_bad_input():
        config = tyro.cli(LearningConfig, args=arguments, prog="ccpo bench learning")
        config.check()
        if config.out_dir is not None:
            make_folder(config.out_dir)
    found: dict[Cell, list[RunResult]] = {cell: [] for cell in cells(config)}
    for cell, result in _run(config, list(found)):
        found[cell].append(result)
        console.print(f"{cell.label}, seed {result.key.seed}: {result.joint:.3f}", highlight=False)
        if config.out_dir is not None:  # as it goes, so that a bench that is stopped has a table
            write_text(config.out_dir / "learning.md", markdown(found))
    console.print(markdown(found), markup=False, highlight=False, soft_wrap=True)
    return 0


def cells(config: LearningConfig) -> list[Cell]:
    """Return all combinations: the grid, the other topologies, and credit reversed."""
    grid = [
        Cell(f"{optimizer}, {allocator}", allocator, optimizer)
        for optimizer in config.optimizers
        for allocator in config.allocators
    ]
    others = [
        Cell(
            f"two thinkers, {allocator}",
            allocator,
            num_thinkers=2,
            ends_above=CHAIN_ENDS_ABOVE,
        )
        for allocator in ("shared", "leave_one_out", "branch")
    ]
    others += [
        Cell("vote of three, leave_one_out", "leave_one_out", topology="vote"),
        Cell("vote of three, shapley", "shapley", topology="vote"),
        Cell("debate, shared", "shared", topology="debate"),
    ]
    backwards = [
        Cell(f"{optimizer}, shared reversed", f"{REVERSED}shared", optimizer)
        for optimizer in config.optimizers
    ]
    return [*grid, *others, *backwards]


def train_cell(cell: Cell, seed: int, steps: int) -> RunResult:
    """Train one team."""
    config = TrainConfig(
        topology=cell.topology,
        num_thinkers=cell.num_thinkers,
        steps=min(steps, REVERSED_STEPS) if cell.is_reversed else steps,
        eval_every=10,
        checkpoint_every=100_000,
    )
    key = RunKey(cell.allocator, cell.optimizer, seed)
    with _reversed_credit(cell):
        return run_once(config, key, UNLIMITED, good_enough=GOOD_ENOUGH)


@contextmanager
def _reversed_credit(cell: Cell) -> Iterator[None]:
    """Offer the credit that a cell asks for, if it is reversed, and take it away again."""
    if not cell.is_reversed:
        yield
        return
    paid = ALLOCATORS[cell.allocator.removeprefix(REVERSED)]

    def reverse(outcomes: GroupOutcomes, **knobs: object) -> FloatArray:
        return -paid.credit(outcomes, **knobs)

    ALLOCATORS[cell.allocator] = Allocator(reverse, needs=paid.needs, removals=paid.removals)
    try:
        yield
    finally:
        del ALLOCATORS[cell.allocator]


def markdown(found: dict[Cell, list[RunResult]]) -> str:
    """Return a table: accuracy before and after, steps made, and how many runs did as they should.

    Rising means at most 0.45 before and at least 0.90 after, 0.70 for a chain of two thinkers;
    reversed credit must not rise.
    """
    lines = [
        "| team | before | after, seed by seed | steps, seed by seed | as it should |",
        "|---|---|---|---|---|",
    ]
    for cell, results in found.items():
        if not results:
            continue
        results = sorted(results, key=lambda result: result.key.seed)
        before = np.array([result.curve[0][1] for result in results])
        after = np.array([result.joint for result in results])
        rises = (before <= STARTS_BELOW) & (after >= cell.ends_above)
        is_right = (after <= before) if cell.is_reversed else rises
        lines.append(
            f"| {cell.label} | {before.min():.2f} to {before.max():.2f} | "
            f"{' '.join(f'{value:.3f}' for value in after)} | "
            f"{' '.join(str(result.steps) for result in results)} | "
            f"{is_right.sum()} of {len(results)} |"
        )
    return "\n".join(lines) + "\n"


def _run(config: LearningConfig, wanted: Sequence[Cell]) -> Iterator[tuple[Cell, RunResult]]:
    context = get_context("spawn")
    with ProcessPoolExecutor(config.num_workers, mp_context=context) as pool:
        waiting = {
            pool.submit(train_cell, cell, seed, config.steps): cell
            for seed in range(config.num_seeds)
            for cell in wanted
        }
        for done in as_completed(waiting):
            yield waiting[done], done.result()
