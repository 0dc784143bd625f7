"""The command line of the credit bench."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from baselines.bench.credit.games.registry import GAMES
from baselines.common.checks import require_at_least, require_known, require_positive
from baselines.common.flags import Choices

QUICK_SEEDS, QUICK_PART = 3, 8
"""Number of seeds, and divisor of the number of groups, with --quick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditConfig:
    """Compare all allocators with the true advantages, by accuracy and cost."""

    games: Annotated[tuple[str, ...], Choices(GAMES)] = tuple(GAMES)
    """Games to play."""
    seeds: int = 30
    """Number of seeds, each with its own tasks; confidence intervals are over seeds."""
    groups: int | None = None
    """Groups per seed, an even number. None: 24 with the language model, 96 or 256 in tabular
    games."""
    group_size: int = 16
    """Rollouts per group in tabular games; 8 with the language model."""
    samples: int = 4
    """Samples per removal, and per continuation of a message."""
    interaction: float = 0.25
    """Strength of interactions between neighbours in a bandit; 0: effects are additive."""
    dependence: float = 1.0
    """Dependence of an agent's policy in a bandit on the previous choice; 0: independent."""
    rating_noise: float = 0.2
    """Standard deviation of the rating noise, in shares of the outcome."""
    workers: int | None = None
    """Number of processes. None: one per core."""
    seed: int = 0
    """Random seed of tasks and sampling."""
    quick: bool = False
    """Three seeds and an eighth of the groups, as a smoke test."""
    out_dir: Path | None = None
    """Folder for credit.json, credit.md and credit.png. None: print only."""

    def check(self) -> None:
        """Raise ValueError if a name is unknown or a number out of range."""
        for game in self.games:
            require_known("game", game, GAMES)
        require_at_least("games", len(self.games), 1, why="there must be a game to play")
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
        """Number of seeds; fewer with --quick."""
        return min(self.seeds, QUICK_SEEDS) if self.quick else self.seeds

    def num_pairs(self, game: str) -> int:
        """Return the number of pairs of groups per seed of a game; fewer with --quick."""
        num_groups = self.groups or GAMES[game].num_groups
        return max(1, num_groups // (2 * QUICK_PART if self.quick and self.groups is None else 2))
