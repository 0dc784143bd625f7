"""The command line of the credit bench."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from baselines.bench.credit.games.registry import GAMES
from baselines.common.checks import require_at_least, require_known, require_positive
from baselines.common.flags import Choices

QUICK_SEEDS, QUICK_PART = 3, 8
"""--quick takes this many seeds, and one group in this many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditConfig:
    """Compare every allocator with the true advantage, at what it costs."""

    games: Annotated[tuple[str, ...], Choices(GAMES)] = tuple(GAMES)
    """Games to play."""
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
    quick: bool = False
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
