"""``ccpo bench pilots``: do the intervals of `ccpo advise` cover the true efficiencies of games?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from baselines.advise.measurable import MIN_TASKS, STATED_EFFECTIVE_TASKS, STATED_SIGNAL_Z
from baselines.bench.credit.games.chain import make_chain
from baselines.bench.credit.games.vote_game import make_vote
from baselines.bench.credit.pilots import Counts, PilotRow, coverage
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
    true_groups: int = 10_000
    """Groups from which the true values are measured, many times those of a pilot: the
    variance of an error grows by their ratio."""
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
    """Print three lines per game, and write the counts."""
    config = parse(PilotsConfig, arguments, "ccpo bench pilots")
    print(
        f"{config.pilots} pilots of {config.groups} groups of {config.group_size} on each of "
        f"{config.seeds} tasks; stated level: {STATED_SIGNAL_Z} standard errors and "
        f"{STATED_EFFECTIVE_TASKS:.0f} effective tasks"
    )
    results = {}
    for name in config.games:
        started = time.perf_counter()
        results[name] = rows = game_rows(config, name)
        print(f"{name} ({time.perf_counter() - started:.0f} s)")
        for kind, own in by_kind(rows).items():
            print(
                f"  {kind:9s} {own.measurable} of {own.rows} rows measurable, covered "
                f"{_share(own.coverage)}; above the level {own.strong}, of which measurable "
                f"{_share(own.power)}",
                flush=True,
            )
    if config.out_dir is not None:
        make_folder(config.out_dir)
        found = {name: _json_of(rows) for name, rows in results.items()}
        write_json(config.out_dir / "pilots.json", found)
    return 0


def by_kind(rows: Sequence[PilotRow]) -> dict[str, Counts]:
    """Return the counts of all rows, and of the two ways to measure an efficiency.

    like: with the expected gradient of the reference, which needs its noise alone. projected:
    with another one, which needs the projections onto the true gradient.
    """
    return {
        "all": Counts.of(rows),
        "like": Counts.of(row for row in rows if row.is_like),
        "projected": Counts.of(row for row in rows if not row.is_like),
    }


def by_credit(rows: Sequence[PilotRow]) -> dict[str, list[PilotRow]]:
    """Return the rows of each credit."""
    found: dict[str, list[PilotRow]] = {}
    for row in rows:
        found.setdefault(row.variant.credit, []).append(row)
    return found


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _json_of(rows: Sequence[PilotRow]) -> dict[str, Any]:
    """Return the counts of a game by kind, and those of each credit."""

    def of_kinds(own: Sequence[PilotRow]) -> dict[str, Any]:
        return {
            kind: {**asdict(counts), "coverage": counts.coverage, "power": counts.power}
            for kind, counts in by_kind(own).items()
        }

    return of_kinds(rows) | {
        "credit": {credit: of_kinds(own) for credit, own in by_credit(rows).items()}
    }


def game_rows(config: PilotsConfig, name: str) -> list[PilotRow]:
    """Return the rows of one game over its tasks."""
    sizes = tuple(dict.fromkeys((config.group_size, config.group_size // 2, 1)))
    return [
        row
        for seed in range(config.seeds)
        for row in coverage(
            GAMES[name](np.random.default_rng([seed, list(GAMES).index(name)])),
            optimizers=config.optimizers,
            group_sizes=sizes,
            num_groups=config.groups,
            num_pilots=config.pilots,
            num_samples=config.samples,
            num_true=config.true_groups,
            seed=seed,
        )
    ]
