"""``python -m baselines.bench learning``: does every optimizer train the embedded team?

Each optimizer is trained with three kinds of credit over several seeds, with the default settings
and for the default number of steps; teams of other topologies, and credit with its sign reversed,
are trained as well. The result is an evaluation after the last step, on held-out tasks.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from baselines.common.checks import require_at_least, require_known
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import make_folder, write_text
from baselines.common.flags import Choices
from baselines.common.terminal import Terminal
from baselines.common.types import FloatArray
from baselines.credit import ALLOCATORS, GroupOutcomes
from baselines.experiment.runs import RunKey, RunResult, run_once
from baselines.experiment.sweep import run_sweep
from baselines.optimizers import OPTIMIZERS
from baselines.train.config import TrainConfig

REVERSED = "reversed "
"""Prefix of the name of an allocator whose credit is negated."""
REVERSED_STEPS = 16
"""Number of steps with reversed credit: then at most one answer in ten is correct, and groups
without a correct answer have no gradient."""
RESULTS_FILE, TABLE_FILE = "learning.jsonl", "learning.md"
PARTS = ("grid", "topologies", "reversed")
"""Every optimizer with several allocators, teams of other topologies, and credit reversed."""
UNLIMITED = 10**12
"""Unlimited tokens: the number of steps ends a run."""
STARTS_BELOW, ENDS_ABOVE = 0.45, 0.90
CHAIN_ENDS_ABOVE = 0.70
"""Two thinkers need more steps than the default for one."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A combination to train with several seeds: settings that differ from the defaults."""

    label: str
    allocator: str
    optimizer: str = "grpo"
    topology: str = "think_solve"
    num_thinkers: int = 1
    ends_above: float = ENDS_ABOVE

    @property
    def is_reversed(self) -> bool:
        """Whether the credit is negated."""
        return self.allocator.startswith(REVERSED)

    @property
    def part(self) -> str:
        """The part of the bench that it belongs to."""
        if self.is_reversed:
            return "reversed"
        is_default = self.topology == "think_solve" and self.num_thinkers == 1
        return "grid" if is_default else "topologies"


@dataclass(frozen=True, slots=True)
class LearningKey:
    """What distinguishes the runs of a folder, settings included; see `LearningConfig`.

    Args:
        team: The label of a cell.
        seed: The seed of the run.
        steps: Training steps.
        good_enough: Accuracy of early stopping, or None.
    """

    team: str
    seed: int
    steps: int
    good_enough: float | None


@dataclass(frozen=True, slots=True)
class LearningResult:
    """The result of one run of a cell."""

    key: LearningKey
    result: RunResult

    @property
    def seconds(self) -> float:
        """Time of the run."""
        return self.result.seconds

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values; the seed is that of the inner result."""
        return {
            "team": self.key.team,
            "steps": self.key.steps,
            "good_enough": self.key.good_enough,
            "result": self.result.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LearningResult:
        """Return the result that `to_json` converted."""
        result = RunResult.from_json(values["result"])
        key = LearningKey(values["team"], result.key.seed, values["steps"], values["good_enough"])
        return cls(key, result)


@dataclass(frozen=True, kw_only=True)
class LearningConfig:
    """Train the embedded team with every optimizer and several allocators."""

    parts: Annotated[tuple[str, ...], Choices(PARTS)] = PARTS
    """What to train: every optimizer (grid), teams of other topologies, and credit reversed."""
    num_seeds: int = 5
    """Number of runs of each combination."""
    num_topology_seeds: int = 10
    """Number of runs of each team of another topology."""
    allocators: Annotated[tuple[str, ...], Choices(ALLOCATORS)] = (
        "shared",
        "counterfactual",
        "branch",
    )
    """Allocators to combine with every optimizer."""
    optimizers: Annotated[tuple[str, ...], Choices(OPTIMIZERS)] = tuple(OPTIMIZERS)
    """Optimizers to train with."""
    num_workers: int = os.cpu_count() or 1
    """Number of parallel runs, one thread each."""
    steps: int = TrainConfig.steps
    """Steps of training."""
    good_enough: float | None = None
    """Held-out accuracy, measured every ten steps, at which a run stops early; the
    reported accuracy is then from a separate evaluation. None: every run makes all its steps."""
    out_dir: Path = Path("runs/learning")
    """Folder of the results. An interrupted call resumes when it is repeated."""

    def check(self) -> None:
        """Raise ValueError if a name is unknown or a value out of range."""
        for name in ("num_seeds", "num_topology_seeds", "num_workers", "steps"):
            require_at_least(name, getattr(self, name), 1)
        for part in self.parts:
            require_known("part", part, dict.fromkeys(PARTS))
        for allocator in self.allocators:
            require_known("allocator", allocator, ALLOCATORS)
        for optimizer in self.optimizers:
            require_known("optimizer", optimizer, OPTIMIZERS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train all combinations and print the accuracy before and after, by seed."""
    console = Terminal()
    config = parse(LearningConfig, arguments, "ccpo bench learning")
    with exit_on_bad_input():
        import_module("baselines.train.trainer")  # a missing package is reported once, and now
        make_folder(config.out_dir)
    wanted = cells(config)
    found: dict[Cell, list[RunResult]] = {cell: [] for cell in wanted}
    for cell, result in run_cells(config, wanted):
        found[cell].append(result)
        console.print(f"{cell.label}, seed {result.key.seed}: {result.joint:.3f}", highlight=False)
        write_text(config.out_dir / TABLE_FILE, markdown(found))
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
        Cell(f"{optimizer}, {allocator} reversed", f"{REVERSED}{allocator}", optimizer)
        for optimizer in config.optimizers
        for allocator in config.allocators
    ]
    return [cell for cell in (*grid, *others, *backwards) if cell.part in config.parts]


def train_cell(cell: Cell, seed: int, steps: int, good_enough: float | None = None) -> RunResult:
    """Train one team; see `LearningConfig`."""
    config = TrainConfig(
        topology=cell.topology,
        num_thinkers=cell.num_thinkers,
        steps=min(steps, REVERSED_STEPS) if cell.is_reversed else steps,
        checkpoint_every=100_000,
    )
    key = RunKey(cell.allocator, cell.optimizer, seed)
    with _reversed_credit(cell):
        limit = math.inf if good_enough is None else good_enough
        return run_once(config, key, UNLIMITED, good_enough=limit)


@contextmanager
def _reversed_credit(cell: Cell) -> Iterator[None]:
    """Register the reversed allocator of a cell, if it has one, inside the block."""
    if not cell.is_reversed:
        yield
        return
    original = ALLOCATORS[cell.allocator.removeprefix(REVERSED)]

    def reverse(outcomes: GroupOutcomes, **arguments: object) -> FloatArray:
        return -original.credit(outcomes, **arguments)

    ALLOCATORS[cell.allocator] = replace(original, credit=reverse)
    try:
        yield
    finally:
        del ALLOCATORS[cell.allocator]


def markdown(found: dict[Cell, list[RunResult]]) -> str:
    """Return a table of accuracy before and after, steps, and the number of runs as expected.

    A rise means at most 0.45 before and at least 0.90 after, 0.70 for a chain of two thinkers;
    with reversed credit no evaluation may exceed the first.
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
        highest = np.array([max(joint for _, joint, _ in result.curve) for result in results])
        is_right = (highest <= before) if cell.is_reversed else rises
        lines.append(
            f"| {cell.label} | {before.min():.2f} to {before.max():.2f} | "
            f"{' '.join(f'{value:.3f}' for value in after)} | "
            f"{' '.join(str(result.steps) for result in results)} | "
            f"{is_right.sum()} of {len(results)} |"
        )
    return "\n".join(lines) + "\n"


def run_cells(config: LearningConfig, wanted: Sequence[Cell]) -> Iterator[tuple[Cell, RunResult]]:
    """Yield the results of all runs: those of an earlier call first, then new ones."""
    teams = {cell.label: cell for cell in wanted}
    most = {"topologies": config.num_topology_seeds}
    keys = [
        LearningKey(team, seed, config.steps, config.good_enough)
        for seed in range(max(config.num_seeds, config.num_topology_seeds))
        for team, cell in teams.items()
        if seed < most.get(cell.part, config.num_seeds)
    ]
    for found in run_sweep(
        partial(_train_team, teams),
        keys,
        LearningResult,
        path=config.out_dir / RESULTS_FILE,
        num_workers=config.num_workers,
    ):
        yield teams[found.key.team], found.result


def _train_team(teams: Mapping[str, Cell], key: LearningKey) -> LearningResult:
    result = train_cell(teams[key.team], key.seed, key.steps, key.good_enough)
    return LearningResult(key, result)
