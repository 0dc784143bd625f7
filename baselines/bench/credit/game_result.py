"""The scores of one game over all seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from baselines.bench.credit.scores import Scores
from baselines.common.stats import MIN_RUNS, Estimate, mean_over_seeds
from baselines.common.types import FloatArray

MAX_AGENTS = 6
"""Maximum number of agents listed individually."""


@dataclass(frozen=True, slots=True)
class GameResult:
    """The scores of a game per seed.

    Args:
        game: Name from GAMES.
        meaning: Description of the game.
        scores: Scores by allocator, per seed.
        reliability: Reliability of the true advantages per seed; 1 if they are exact.
    """

    game: str
    meaning: str
    scores: Sequence[Mapping[str, Scores]]
    reliability: Sequence[float]

    @property
    def allocators(self) -> list[str]:
        """Names of the allocators, in row order."""
        return list(self.scores[0])

    def estimate(self, allocator: str, quantity: str) -> Estimate | None:
        """Return the mean over seeds of a quantity; None if fewer than two seeds measured it."""
        known = self._known(allocator, quantity)
        return mean_over_seeds(known) if len(known) >= MIN_RUNS else None

    def mean(self, allocator: str, quantity: str) -> float:
        """Return the mean over seeds of a quantity; NaN if no seed measured it."""
        known = self._known(allocator, quantity)
        return float(known.mean()) if len(known) else math.nan

    def _known(self, allocator: str, quantity: str) -> FloatArray:
        values: FloatArray = np.array([seed[allocator][quantity] for seed in self.scores])
        return values[~np.isnan(values)]

    @property
    def agents(self) -> list[str]:
        """Agents listed individually: all, or the first, the middle and the last of many."""
        scores = self.scores[0][self.allocators[0]]
        agents = [name.removeprefix("skill/") for name in scores if name.startswith("skill/")]
        if len(agents) <= MAX_AGENTS:
            return agents
        return [agents[0], agents[len(agents) // 2], agents[-1]]

    @property
    def note(self) -> str:
        """Accuracy of the true advantages, and token budget of an update."""
        reliable = float(np.mean(self.reliability))
        truth = (
            "true advantages are exact"
            if reliable == 1.0
            else f"reliability of the sampled true advantages {reliable:.3f}"
        )
        budget = self.mean(self.allocators[0], "budget")
        return f"{len(self.scores)} seeds; {truth}; budget of an update: {budget:,.0f} tokens"
