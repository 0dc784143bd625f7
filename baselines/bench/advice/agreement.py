"""Whether the efficiencies of a pilot agree with the gains of training, in order and in side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from baselines.advise.efficiency import Efficiency
from baselines.bench.advice.areas import Gain, different_pairs

SHARED = Efficiency(value=1.0, low=1.0, high=1.0, signal=0.0, signal_error=0.0, noise=0.0)
"""The efficiency of the shared reward relative to itself."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Pairs and sides of one pilot, or of several.

    Args:
        pairs: Pairs of allocators whose gains in training differ beyond their intervals.
        measured: Of these, pairs with an efficiency of both.
        wrong: Of these, pairs that the efficiencies put in the other order, the better one first.
        sides: Allocators whose efficiency excludes 1 and whose gain excludes 0.
        wrong_sides: Of these, those on different sides.
    """

    pairs: int = 0
    measured: int = 0
    wrong: tuple[tuple[str, str], ...] = ()
    sides: int = 0
    wrong_sides: tuple[str, ...] = ()

    def plus(self, other: Agreement) -> Agreement:
        """Return the counts of both."""
        return Agreement(
            self.pairs + other.pairs,
            self.measured + other.measured,
            self.wrong + other.wrong,
            self.sides + other.sides,
            self.wrong_sides + other.wrong_sides,
        )

    @property
    def right_share(self) -> float | None:
        """Share of the measured pairs in the right order; None without any."""
        return 1.0 - len(self.wrong) / self.measured if self.measured else None


def agreement(found: Mapping[str, Efficiency], gains: Mapping[str, Gain]) -> Agreement:
    """Compare a pilot with training.

    Args:
        found: Efficiency of each allocator relative to the shared reward, which may be missing.
        gains: Gain of each allocator in training, with shared credit.
    """
    known = {"shared": SHARED} | {
        name: own for name, own in found.items() if own.value is not None and name != "shared"
    }
    pairs = list(different_pairs(gains))
    measured = [(one, two) for one, two in pairs if one in known and two in known]
    sides = {
        name: (side, gains[name].side)
        for name in gains
        if name in known and (side := side_of(known[name])) and gains[name].side
    }
    return Agreement(
        pairs=len(pairs),
        measured=len(measured),
        wrong=tuple(
            (one, two) for one, two in measured if _value(known[one]) <= _value(known[two])
        ),
        sides=len(sides),
        wrong_sides=tuple(name for name, (one, two) in sides.items() if one != two),
    )


def side_of(found: Efficiency) -> int:
    """Return 1 if the interval is above 1, -1 if it is below, else 0."""
    if found.low is None or found.high is None:
        return 0
    return int(found.low > 1.0) - int(found.high < 1.0)


def _value(found: Efficiency) -> float:
    assert found.value is not None
    return found.value
