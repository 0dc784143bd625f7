"""``python -m baselines.bench``: environment, verifier and sampler beside a reference each."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from baselines.bench_cases import (
    NUM_LIVE_EPISODES,
    Case,
    environment_cases,
    kib_per_live_episode,
    sampler_cases,
    verifier_cases,
)
from baselines.config import require_at_least
from baselines.errors import exit_on_bad_input


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchConfig:
    """Measure our parts beside a reference, interleaved in random order, in one process."""

    repeats: int = 9
    """Measurements of each case; medians are shown."""
    live_episodes: int = NUM_LIVE_EPISODES
    """Episodes that are kept in memory at once."""
    seed: int = 0
    """Seeds the order."""

    def check(self) -> None:
        """Raise ValueError if a number is out of range."""
        require_at_least("repeats", self.repeats, 1)
        require_at_least("live_episodes", self.live_episodes, 1)
        require_at_least("seed", self.seed, 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all benches and print medians and ratios."""
    with exit_on_bad_input():
        config = tyro.cli(BenchConfig, args=arguments, prog="ccpo bench")
        config.check()
    console = Console()
    # First: what is measured is the growth of the peak.
    console.print(
        f"Memory: {kib_per_live_episode(config.live_episodes):.1f} KiB per live episode, "
        f"{config.live_episodes:,} of them",
        highlight=False,
    )
    for title, make_cases in {
        "Environment, episodes": environment_cases,
        "Verifier, answers": verifier_cases,
        "Embedded model, tokens": sampler_cases,
    }.items():
        rates = measure(make_cases(), config.repeats, np.random.default_rng(config.seed))
        console.print(ratio_table(title, rates))
    return 0


def measure(
    cases: Sequence[Case], repeats: int, rng: np.random.Generator
) -> dict[str, list[float]]:
    """Return units per second of each case, once per repeat.

    Args:
        cases: The reference first.
        repeats: Measurements of each case, after one that is thrown away.
        rng: Chooses the order of the cases in each repeat.
    """
    for case in cases:
        case.run()
    rates: dict[str, list[float]] = {case.name: [] for case in cases}
    for _ in range(repeats):
        for index in rng.permutation(len(cases)):
            case = cases[index]
            rates[case.name].append(_rate(case.run))
    return rates


def ratio_table(title: str, rates: dict[str, list[float]]) -> Table:
    """Return medians, quartiles and the ratio to the first case."""
    table = Table(title=f"{title} per second", title_justify="left")
    for column in ("case", "median", "quartiles", "ratio"):
        table.add_column(column, justify="left" if column == "case" else "right")
    reference = statistics.median(next(iter(rates.values())))
    for name, values in rates.items():
        low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
        table.add_row(
            name, f"{median:,.0f}", f"{low:,.0f} to {high:,.0f}", f"{median / reference:.2f}"
        )
    return table


def _rate(run: Callable[[], int]) -> float:
    started = time.perf_counter()
    num_units = run()
    return num_units / (time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main())
