"""``python -m baselines.train_sb3.comparison``: allocators by optimizers on the signal game."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from rich.console import Console

from baselines.common.checks import require_at_least, require_known
from baselines.common.command import command
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import make_folder, write_json, write_text
from baselines.common.flags import Choices
from baselines.common.stats import MIN_RUNS
from baselines.common.terminal import Terminal
from baselines.experiment.sweep import RUNS_FILE, keep_settings, with_progress
from baselines.optimizers import OPTIMIZERS
from baselines.train_sb3 import tabular
from baselines.train_sb3.game import MIXES
from baselines.train_sb3.measured_credit import MEANINGFUL, CreditPlan
from baselines.train_sb3.signal_runs import (
    TUNING_SEEDS,
    RunOnce,
    mean_shares,
    tuned,
)

PROGRAM = "python -m baselines.train_sb3.comparison"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A comparison of methods in several settings, over seeds.

    Args:
        run_once: Executes one run; picklable.
        cells: Pairs of a setting and a method, the reference of a setting first.
        meanings: Descriptions of the settings.
        reference: Maps a method to its reference.
        learning_rates: Candidate learning rates.
        common: Settings of all runs, for config.json.
    """

    run_once: RunOnce
    cells: Sequence[tuple[str, str]]
    meanings: Mapping[str, str]
    reference: Callable[[str], str]
    learning_rates: Sequence[float]
    common: Mapping[str, object]

    def keep_settings(self, out_dir: Path) -> None:
        """Write the settings of all runs to config.json, or check that they are equal."""
        shared = {"learning_rates": self.learning_rates, "tuning_seeds": TUNING_SEEDS}
        keep_settings(out_dir, {**shared, **self.common})

    def run(self, out_dir: Path, *, num_seeds: int, num_workers: int, console: Console) -> None:
        """Execute missing runs, and write table.md, table.json, tuning.md and shares.png."""
        from baselines.train_sb3.signal_results import (
            markdown,
            share_figure,
            table_rows,
            tuning_markdown,
        )

        started = time.monotonic()
        total = len(self.cells) * (num_seeds + len(self.learning_rates) * len(TUNING_SEEDS))
        runs = tuned(
            self.run_once,
            self.cells,
            num_seeds,
            learning_rates=self.learning_rates,
            path=out_dir / RUNS_FILE,
            num_workers=num_workers,
        )
        results = with_progress(runs, total, console, num_workers=num_workers)
        results.sort(key=lambda run: self.cells.index((run.key.setting, run.key.method)))
        rows = table_rows(results, self.reference)
        table = markdown(rows, self.meanings)
        write_text(out_dir / "table.md", table)
        write_json(out_dir / "table.json", [row.to_json() for row in rows])
        write_text(out_dir / "tuning.md", tuning_markdown(mean_shares(results), self.meanings))
        share_figure(rows, self.meanings).savefig(out_dir / "shares.png", dpi=110)
        console.print(table, markup=False, highlight=False, soft_wrap=True)
        console.print(
            f"{len(results)} runs, {sum(run.cpu_s for run in results):.0f} CPU seconds; "
            f"this call took {time.monotonic() - started:.0f} s"
        )


@dataclass(frozen=True, kw_only=True)
class DirectCommandConfig:
    """Compare allocators and optimizers on the signal game, at equal numbers of sampled answers."""

    allocators: Annotated[tuple[str, ...], Choices(MEANINGFUL)] = MEANINGFUL
    """Allocators to compare, in addition to shared credit."""
    optimizers: Annotated[tuple[str, ...], Choices(OPTIMIZERS)] = ("grpo", "reinforce_pp")
    """Optimizers to combine them with."""
    mixes: Annotated[tuple[str, ...], Choices(MIXES)] = tuple(MIXES)
    """Distributions of task difficulties: how often the thinker's message matters."""
    num_seeds: int = 10
    """Runs of each combination, with seeds 0, 1, and so on; at least two."""
    num_answers: int = 20_000
    """Answers that a run may sample, including replays and continuations."""
    workers: int = os.cpu_count() or 1
    """Parallel runs, one thread each."""
    out_dir: Path = Path("runs/signal")
    """Folder of the results; rerun the same command to resume an interrupted comparison."""

    def check(self) -> None:
        """Raise ValueError if a name is unknown or a number out of range."""
        for allocator in self.allocators:
            CreditPlan(allocator=allocator)
        for optimizer in self.optimizers:
            require_known("optimizer", optimizer, OPTIMIZERS)
        for mix in self.mixes:
            require_known("mix", mix, MIXES)
        require_at_least("num_seeds", self.num_seeds, MIN_RUNS)
        for name in ("num_answers", "workers"):
            require_at_least(name, getattr(self, name), 1)

    @property
    def comparison(self) -> Comparison:
        """The comparison."""
        config = tabular.DirectConfig(num_answers_drawn=self.num_answers)
        allocators = dict.fromkeys(("shared", *self.allocators))
        return Comparison(
            run_once=partial(tabular.run_once, config=config),
            cells=[
                (mix, allocator + tabular.SEPARATOR + optimizer)
                for mix in self.mixes
                for optimizer in self.optimizers
                for allocator in allocators
            ],
            meanings={mix: f"{mix} mix" for mix in MIXES},
            reference=lambda method: (
                f"shared{tabular.SEPARATOR}{method.split(tabular.SEPARATOR)[1]}"
            ),
            learning_rates=tabular.LEARNING_RATES,
            common=asdict(config),
        )


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, and run or resume the comparison."""
    config = parse(DirectCommandConfig, arguments, PROGRAM)
    with exit_on_bad_input():
        make_folder(config.out_dir)
        config.comparison.keep_settings(config.out_dir)
    config.comparison.run(
        config.out_dir,
        num_seeds=config.num_seeds,
        num_workers=config.workers,
        console=Terminal(),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
