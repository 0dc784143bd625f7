"""``ccpo bench credit``: every allocator against games whose true credit is known."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console

from baselines.bench.credit_report import GameResult, credit_table, write_results
from baselines.bench.credit_runs import reliability, seed_scores
from baselines.bench.credit_scores import Scores
from baselines.config import require_at_least, require_known, require_positive
from baselines.errors import exit_on_bad_input
from baselines.files import make_folder
from baselines.games.measured import Plan
from baselines.games.registry import GAMES, World, every_removal

QUICK_SEEDS, QUICK_PART = 3, 8
"""--quick takes this many seeds, and one group in this many."""
MIN_WIDTH = 145
"""Columns that a table needs; narrower, its numbers would be cut in two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditConfig:
    """Compare every allocator with the true advantage, at what it costs."""

    games: tuple[str, ...] = tuple(GAMES)
    """Games to play, by name."""
    seeds: int = 30
    """Independent repetitions; each draws its own tasks. Intervals are over them."""
    groups: int | None = None
    """Groups per seed, an even number. None: 24 of the language model, 96 or 256 of a table."""
    group_size: int = 16
    """Rollouts per group in games of tables; 8 with the language model."""
    samples: int = 4
    """Samples of each removal, and of each continuation of a message."""
    interaction: float = 0.25
    """How much the choices of neighbours in a bandit matter together; 0: effects add up."""
    dependence: float = 1.0
    """How much an agent of a bandit lets the choice before it decide; 0: not at all."""
    rating_noise: float = 0.2
    """Standard deviation of the error of each rating, in shares of the outcome."""
    workers: int | None = None
    """Processes. None: one per core."""
    seed: int = 0
    """Seeds tasks and sampling."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Three seeds and an eighth of the groups: shows that it runs, settles nothing."""
    out_dir: Path | None = None
    """Folder for credit.json, credit.md and credit.png. None: only print."""

    def check(self) -> None:
        """Raise ValueError if a name is unknown or a number out of range."""
        for game in self.games:
            require_known("game", game, GAMES)
        require_at_least("games", len(self.games), 1, why="there is nothing to play")
        require_at_least("seeds", self.seeds, 2, why="an interval needs two")
        require_at_least("group_size", self.group_size, 2, why="a group of 1 has no baseline")
        require_at_least("samples", self.samples, 1)
        require_at_least("seed", self.seed, 0)
        if self.groups is not None:
            require_at_least("groups", self.groups, 2, why="groups are played in pairs")
        if self.workers is not None:
            require_at_least("workers", self.workers, 1)
        for name in ("interaction", "dependence", "rating_noise"):
            value = getattr(self, name)
            if value != 0.0:
                require_positive(name, value, such_as=0.25)

    @property
    def num_seeds(self) -> int:
        """Seeds, fewer of them if quick."""
        return min(self.seeds, QUICK_SEEDS) if self.quick else self.seeds

    def num_pairs(self, game: str) -> int:
        """Return how many pairs of groups a seed of a game plays, fewer if quick."""
        num_groups = self.groups or GAMES[game].num_groups
        return max(1, num_groups // (2 * QUICK_PART if self.quick and self.groups is None else 2))


def main(arguments: Sequence[str]) -> int:
    """Run the credit bench: print a table per game, and write the results if asked to."""
    with exit_on_bad_input():
        config = tyro.cli(CreditConfig, args=arguments, prog="ccpo bench credit")
        config.check()
        if config.out_dir is not None:
            make_folder(config.out_dir)
    console = Console()
    console.width = max(console.width, MIN_WIDTH)
    results = []
    for result in run(config):
        console.print(credit_table(result))
        results.append(result)
    if config.out_dir is not None:
        write_results(results, config, config.out_dir)
        console.print(f"Results: {config.out_dir}", highlight=False)
    return 0


def run(config: CreditConfig) -> Iterator[GameResult]:
    """Yield the result of each game, seeds played in parallel."""
    units = [(config, game, seed) for game in config.games for seed in range(config.num_seeds)]
    with _mapper(min(config.workers or os.cpu_count() or 1, len(units))) as mapped:
        played = mapped(units)
        for game in config.games:
            seeds = [next(played) for _ in range(config.num_seeds)]
            yield GameResult(
                game=game,
                meaning=GAMES[game].meaning,
                scores=[scores for scores, _ in seeds],
                reliability=[reliable for _, reliable in seeds],
            )


Unit = tuple[CreditConfig, str, int]
Played = tuple[dict[str, Scores], float]


def play_seed(unit: Unit) -> Played:
    """Return the scores of every allocator in one seed of a game, and its reliability."""
    config, game, seed = unit
    rng = np.random.default_rng([config.seed, list(GAMES).index(game), seed])
    plan = Plan(
        num_pairs=config.num_pairs(game),
        removals=every_removal,
        group_size=config.group_size,
        num_samples=config.samples,
        num_set_samples=config.samples,
        rating_noise=config.rating_noise,
    )
    world = World(
        num_pairs=config.num_pairs(game),
        interaction=config.interaction,
        dependence=config.dependence,
        plan=plan,
    )
    parts = GAMES[game].measure(world, rng)
    return seed_scores(parts), reliability(parts)


@contextmanager
def _mapper(num_workers: int) -> Iterator[Callable[[Sequence[Unit]], Iterator[Played]]]:
    """Give a function that plays units in order, in this process if one is enough."""
    if num_workers == 1:
        yield lambda units: map(play_seed, units)
        return
    context = multiprocessing.get_context("spawn")  # threads of torch do not survive a fork
    with ProcessPoolExecutor(num_workers, context, initializer=_one_thread) as pool:
        yield lambda units: pool.map(play_seed, units)


def _one_thread() -> None:
    # Read when torch is first imported: processes that share cores must not start more.
    os.environ["OMP_NUM_THREADS"] = "1"
