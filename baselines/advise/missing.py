"""Which compared allocators have no row in a pilot, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from baselines.advise.advice import Advice
from baselines.advise.settings import AdviseConfig
from baselines.credit import ALLOCATORS

if TYPE_CHECKING:
    from baselines.advise.pilot import Played

WHY = {
    "ratings": "needs --ratings",
    "values": "a pilot fits no critic",
    "own_rewards": "no answers before the last turn in this team",
    "influence": "no agent reads a message, or the policy gives no probabilities",
    "features": "messages have no categories",
    "removed_rewards": "the agents were not removed",
    "branch_rewards": "nothing was continued after a turn",
}
"""Why a measurement that an allocator needs is missing."""
RECORDED = {"ratings": "recorded rollouts have no ratings"}
"""The same, where it differs with --from."""


def missing_rows(config: AdviseConfig, advice: Advice, played: Played) -> str | None:
    """Return which allocators have no row and why, in one sentence; None if all have one."""
    have = {row.variant.allocator for row in advice.rows}
    names = [name for name in config.compared if name not in have]
    if not names:
        return None
    found = [f"{name} ({_why(config, name, played)})" for name in names]
    return f"No row: {', '.join(found)}."


def _why(config: AdviseConfig, name: str, played: Played) -> str:
    reasons = WHY if config.from_ is None else WHY | RECORDED
    first = played.data.outcomes[0]
    for need in sorted(ALLOCATORS[name].needs):
        if getattr(first, need) is None:
            return reasons[need]
    if "removed_rewards" in ALLOCATORS[name].needs:
        return "other agents or teams were removed than it needs"
    return "it refuses these group sizes"
