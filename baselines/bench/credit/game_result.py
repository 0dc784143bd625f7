"""What all seeds of one game gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from baselines.bench.credit.scores import Interval, Scores, interval

MAX_AGENTS = 6
"""More agents are not shown one by one, only some of them."""


@dataclass(frozen=True, slots=True)
class GameResult:
    """What every seed of a game gave.

    Args:
        game: Name from GAMES.
        meaning: What the game is.
        scores: Per seed: from an allocator to its scores.
        reliability: Per seed: how reliable the truth is, 1 if exact.
    """

    game: str
    meaning: str
    scores: Sequence[Mapping[str, Scores]]
    reliability: Sequence[float]

    @property
    def allocators(self) -> list[str]:
        """Names of the rows."""
        return list(self.scores[0])

    def interval(self, allocator: str, quantity: str) -> Interval:
        """Return the mean over seeds of a quantity, with its interval."""
        return interval([seed[allocator][quantity] for seed in self.scores])

    @property
    def agents(self) -> list[str]:
        """Agents to show one by one: all, or of many the first, the middle and the last."""
        scores = self.scores[0][self.allocators[0]]
        agents = [name.removeprefix("skill/") for name in scores if name.startswith("skill/")]
        if len(agents) <= MAX_AGENTS:
            return agents
        return [agents[0], agents[len(agents) // 2], agents[-1]]

    @property
    def note(self) -> str:
        """What the reader must know about the truth and the budget."""
        reliable = interval(self.reliability).mean
        truth = (
            "the truth is exact"
            if reliable == 1.0
            else f"reliability of the sampled truth {reliable:.3f}"
        )
        budget = self.interval(self.allocators[0], "budget").mean
        return f"{len(self.scores)} seeds; {truth}; budget of an update: {budget:,.0f} tokens"
