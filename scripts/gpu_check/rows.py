"""Rows of the check's table, and the time limits of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LIMITS: Mapping[str, int] = {
    "agreement": 60,
    "step-125m": 70,
    "resume": 90,
    "shard": 100,
    "step-1b": 150,
}
"""Most seconds of each part, in the order in which they run."""
LIMIT_S = sum(LIMITS.values())
"""Most seconds of all parts: with start and end of the script less than 8 minutes."""
TINY_LIMIT_S = 4 * LIMIT_S
"""The same with small models, on cores that others may use."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    Args:
        case: What was measured.
        measured: The figures.
        is_good: Whether they are within their limits; True if they have none.
    """

    case: str
    measured: str
    is_good: bool = True
