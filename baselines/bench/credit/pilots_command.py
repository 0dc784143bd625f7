"""``ccpo bench pilots``: do the intervals of `ccpo advise` cover the true efficiencies of games?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from baselines.advise.efficiency import MIN_TASKS, STATED_SIGNAL_Z
from baselines.bench.credit.games.chain import make_chain
from baselines.bench.credit.games.turn_game import TabularGame
from baselines.bench.credit.games.vote_game import make_vote
from baselines.bench.credit.pilots import Coverage, coverage
from baselines.common.checks import require_at_least, require_known
from baselines.common.command_line import parse
from baselines.common.files import make_folder, write_json
from baselines.common.flags import Choices
from baselines.optimizers import OPTIMIZERS

GAMES: Mapping[str, Callable[[np.random.Generator], TabularGame]] = {
    "think_solve": lambda rng: make_chain(1, rng),
    "think_think_solve": lambda rng: make_chain(2, rng),
    "vote_3": lambda rng: make_vote(3, rng),
    "vote_5": lambda rng: make_vote(5, rng),
}
"""Makers of games whose gradients are exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotsConfig:
    """Count how often the intervals of pilots hold the true efficiency, and what is measurable."""

    games: Annotated[tuple[str, ...], Choices(GAMES)] = tuple(GAMES)
    """Games to play."""
    optimizers: Annotated[tuple[str, ...], Choices(OPTIMIZERS)] = ("grpo", "reinforce_pp")
    """Optimizers to compare."""
    seeds: int = 5
    """Tasks per game, each a game of its own."""
    pilots: int = 50
    """Pilots per task."""
    groups: int = 64
    """Groups per pilot."""
    group_size: int = 8
    """Rollouts per group; half of it and 1 are compared as well."""
    samples: int = 4
    """Replays and continuations of each kind."""
    true_groups: int = 40_000
    """Groups from which the true noise is measured."""
    out_dir: Path | None = None
    """Folder for pilots.json. None: nothing is written."""

    def check(self) -> None:
        """Raise ValueError if a name is unknown or a number too small."""
        for game in self.games:
            require_known("game", game, GAMES)
        for optimizer in self.optimizers:
            require_known("optimizer", optimizer, OPTIMIZERS)
        require_at_least("groups", self.groups, MIN_TASKS)
        require_at_least("group_size", self.group_size, 2)
        for name in ("seeds", "pilots", "samples", "true_groups"):
            require_at_least(name, getattr(self, name), 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line per game, and write the counts."""
    config = parse(PilotsConfig, arguments, "ccpo bench pilots")
    print(
        f"{config.pilots} pilots of {config.groups} groups of {config.group_size} on each of "
        f"{config.seeds} tasks; stated level: {STATED_SIGNAL_Z} standard errors"
    )
    results = {}
    for name in config.games:
        started = time.perf_counter()
        results[name] = (found := game_coverage(config, name))
        print(
            f"{name:18s} {found.measurable} of {found.rows} rows measurable, covered "
            f"{found.coverage:.3f}; above the level {found.strong}, of which measurable "
            f"{found.power:.3f} ({time.perf_counter() - started:.0f} s)",
            flush=True,
        )
    if config.out_dir is not None:
        make_folder(config.out_dir)
        rows = {
            name: {
                "rows": own.rows,
                "measurable": own.measurable,
                "coverage": own.coverage,
                "strong": own.strong,
                "power": own.power,
                "pilots": own.pilots,
            }
            for name, own in results.items()
        }
        write_json(config.out_dir / "pilots.json", rows)
    return 0


def game_coverage(config: PilotsConfig, name: str) -> Coverage:
    """Return the counts of one game over its tasks."""
    sizes = tuple(dict.fromkeys((config.group_size, config.group_size // 2, 1)))
    total = Coverage()
    for seed in range(config.seeds):
        game = GAMES[name](np.random.default_rng([seed, list(GAMES).index(name)]))
        total = total.plus(
            coverage(
                game,
                optimizers=config.optimizers,
                group_sizes=sizes,
                num_groups=config.groups,
                num_pilots=config.pilots,
                num_samples=config.samples,
                num_true=config.true_groups,
                seed=seed,
            )
        )
    return total
