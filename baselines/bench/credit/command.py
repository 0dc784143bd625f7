"""``ccpo bench credit``: accuracy of all allocators on games with known credit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from baselines.bench.credit.credit_config import CreditConfig
from baselines.bench.credit.credit_tables import credit_table, write_results
from baselines.bench.credit.game_result import GameResult
from baselines.bench.credit.games.measured import Plan
from baselines.bench.credit.games.registry import GAMES, World, every_removal
from baselines.bench.credit.scores import Scores
from baselines.bench.credit.seed_scores import reliability, seed_scores
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import make_folder
from baselines.common.terminal import Terminal
from baselines.common.workers import map_in_order, worker_pool

MIN_WIDTH = 145
"""Minimum width of a table in columns, so that its numbers are not wrapped."""


def main(arguments: Sequence[str]) -> int:
    """Run the credit bench: print a table per game, and write the results to --out-dir."""
    config = parse(CreditConfig, arguments, "ccpo bench credit")
    with exit_on_bad_input():
        if config.out_dir is not None:
            make_folder(config.out_dir)
    console = Terminal()
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
    """Yield the result of each game; seeds are played in parallel."""
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
    """Return the scores of all allocators in one seed of a game, and the reliability."""
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
    """Yield a function that plays units in order, in this process if there is one worker."""
    if num_workers == 1:
        yield lambda units: map(play_seed, units)
        return
    with worker_pool(num_workers) as pool:
        yield lambda units: map_in_order(pool, play_seed, units, num_workers=num_workers)
