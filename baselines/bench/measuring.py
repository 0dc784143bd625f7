"""Measurement of speed: cases interleaved in random order, medians against a reference."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from baselines.common.checks import require_at_least
from baselines.common.terminal import Terminal

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchConfig:
    """Measure our parts against a reference, interleaved in one process."""

    repeats: int = 9
    """Number of measurements of each case; medians are shown."""
    seed: int = 0
    """Seeds the order."""

    def check(self) -> None:
        """Raise ValueError if a value is out of range."""
        require_at_least("repeats", self.repeats, 1)
        require_at_least("seed", self.seed, 0)


@dataclass(frozen=True, kw_only=True)
class EnvironmentBenchConfig(BenchConfig):
    """Flags of a bench that measures the environment."""

    live_episodes: int = 100_000
    """Number of live episodes in the bench of the environment."""

    def check(self) -> None:
        """Raise ValueError if a value is out of range."""
        super().check()
        require_at_least("live_episodes", self.live_episodes, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageConfig(BenchConfig):
    """Flags of a bench that can write a section of a page."""

    page: Path | None = None
    """Markdown page whose section is replaced, such as docs/benchmarks.md. None: only print."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case to measure.

    Args:
        name: Name in the table.
        run: Does the work and returns the number of units done.
    """

    name: str
    run: Callable[[], int]


def print_rates(title: str, cases: Sequence[Case], config: BenchConfig) -> None:
    """Measure the cases, the reference first, and print their table."""
    rates = measure(cases, config.repeats, np.random.default_rng(config.seed))
    Terminal().print(ratio_table(title, rates))


def measure(
    cases: Sequence[Case], repeats: int, rng: np.random.Generator
) -> dict[str, list[float]]:
    """Return units per second of each case, once per repeat.

    Args:
        cases: The reference first.
        repeats: Measurements of each case, after one warm-up that is discarded.
        rng: Draws the order of the cases in each repeat.
    """
    for case in cases:
        case.run()
    rates: dict[str, list[float]] = {case.name: [] for case in cases}
    for _ in range(repeats):
        for index in rng.permutation(len(cases)):
            case = cases[index]
            rates[case.name].append(_rate(case.run))
    return rates


def seconds_of(cases: Sequence[Case], repeats: int, rng: np.random.Generator) -> list[list[float]]:
    """Return the seconds of each repeat, for cases of one unit each."""
    rates = measure(cases, repeats, rng)
    return [[1.0 / rate for rate in own] for own in rates.values()]


def num_useful(completions: Tensor, ends: int | Sequence[int]) -> int:
    """Return the number of tokens of completions (B, T) up to and including the end token."""
    import torch

    is_end = torch.isin(completions, torch.tensor(ends))
    lengths = torch.where(is_end.any(1), is_end.int().argmax(1) + 1, completions.shape[1])
    return int(lengths.sum())


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
