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
from baselines.bench.credit.games.vote_game import make_vote
from baselines.bench.credit.pilots import Counts, Coverage, coverage
from baselines.bench.map.mixture import Mixture, chain_mixture, single
from baselines.common.checks import require_at_least, require_known
from baselines.common.command_line import parse
from baselines.common.files import make_folder, write_json
from baselines.common.flags import Choices
from baselines.optimizers import OPTIMIZERS

GAMES: Mapping[str, Callable[[np.random.Generator], Mixture]] = {
    "think_solve": lambda rng: single(make_chain(1, rng)),
    "think_think_solve": lambda rng: single(make_chain(2, rng)),
    "vote_3": lambda rng: single(make_vote(3, rng)),
    "vote_5": lambda rng: single(make_vote(5, rng)),
    "rarely_needed": lambda _: chain_mixture(1, need=0.05, skill=0.3),
    "rarely_needed_reliable": lambda _: chain_mixture(1, need=0.05, skill=0.3, reliability=1.0),
}
"""Makers of games whose gradients are exact; the last two are mixtures of tasks."""


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
    """Print two lines per game, and write the counts."""
    config = parse(PilotsConfig, arguments, "ccpo bench pilots")
    print(
        f"{config.pilots} pilots of {config.groups} groups of {config.group_size} on each of "
        f"{config.seeds} tasks; stated level: {STATED_SIGNAL_Z} standard errors"
    )
    results = {}
    for name in config.games:
        started = time.perf_counter()
        results[name] = (found := game_coverage(config, name))
        print(f"{name} ({time.perf_counter() - started:.0f} s)")
        for kind, own in (("like", found.like), ("projected", found.projected)):
            print(
                f"  {kind:9s} {own.measurable} of {own.rows} rows measurable, covered "
                f"{own.coverage:.3f}; above the level {own.strong}, of which measurable "
                f"{own.power:.3f}",
                flush=True,
            )
    if config.out_dir is not None:
        make_folder(config.out_dir)
        write_json(
            config.out_dir / "pilots.json",
            {
                name: {
                    "like": _json_of(found.like),
                    "projected": _json_of(found.projected),
                    "pilots": found.pilots,
                }
                for name, found in results.items()
            },
        )
    return 0


def _json_of(own: Counts) -> dict[str, float]:
    return {
        "rows": own.rows,
        "measurable": own.measurable,
        "coverage": own.coverage,
        "strong": own.strong,
        "power": own.power,
    }


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
