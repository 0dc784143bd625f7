"""What training found: gains over shared credit at equal tokens, read from a table."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

OPTIMIZER, ALLOCATOR, GAIN = "optimizer", "allocator", "its gain over shared"
"""Columns of table.md of `ccpo experiment`."""
_GAIN = re.compile(r"([+-]?[\d.]+) \[([+-]?[\d.]+), ([+-]?[\d.]+)\]")


@dataclass(frozen=True, slots=True)
class Gain:
    """Difference of the mean accuracy over training to shared credit, paired by seed.

    Args:
        value: The difference.
        half_width: Half of its 95 % interval.
    """

    value: float
    half_width: float

    def minus(self, other: Gain) -> Gain:
        """Return the difference of two.

        Their intervals add up as if they were independent; both have the reference in common,
        which makes the true interval smaller.
        """
        return Gain(self.value - other.value, math.hypot(self.half_width, other.half_width))

    @property
    def side(self) -> int:
        """1 if the interval is above 0, -1 if it is below, else 0."""
        if abs(self.value) <= self.half_width:
            return 0
        return 1 if self.value > 0.0 else -1


SHARED = Gain(0.0, 0.0)
"""The gain of shared credit over itself."""


def read_gains(path: Path) -> dict[str, dict[str, Gain]]:
    """Return the gain of each allocator, by optimizer, from table.md of an experiment.

    Shared credit has a gain of 0; rows without a gain are left out.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not such a table.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"table must be a file that exists, got {path}; pass the table.md that ccpo experiment "
            f"wrote"
        )
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    heads, *rows = [_cells(line) for line in lines if line.startswith("|")] or [[]]
    missing = [name for name in (OPTIMIZER, ALLOCATOR, GAIN) if name not in heads]
    if missing:
        raise ValueError(
            f"table must be the table.md of an experiment, got {path} without the column "
            f"{missing[0]!r}; pass the one that ccpo experiment wrote"
        )
    found: dict[str, dict[str, Gain]] = {}
    for cells in rows[1:]:
        row = dict(zip(heads, cells, strict=True))
        of_optimizer = found.setdefault(row[OPTIMIZER], {"shared": SHARED})
        match = _GAIN.fullmatch(row[GAIN])
        if match is not None:
            value, low, high = map(float, match.groups())
            of_optimizer[row[ALLOCATOR]] = Gain(value, (high - low) / 2.0)
    return found


def different_pairs(gains: Mapping[str, Gain]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of allocators that training told apart, the better one first."""
    for one, two in combinations(gains, 2):
        side = gains[one].minus(gains[two]).side
        if side:
            yield (one, two) if side > 0 else (two, one)


def _cells(line: str) -> Sequence[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
