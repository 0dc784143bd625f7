"""Sets of real numbers: unions of intervals, each with open or closed ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

from ccpo_env.verifiers.math.syntax.tree import Node, Unreadable
from ccpo_env.verifiers.math.values.equality import are_close, same_value
from ccpo_env.verifiers.math.values.numeric import context


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers between two ends.

    Args:
        low: The lower end: a value, or a tree where it has symbols.
        high: The upper end.
        has_low: Whether the lower end belongs to the interval.
        has_high: Whether the upper end does.
    """

    low: Any
    high: Any
    has_low: bool
    has_high: bool

    @property
    def is_symbolic(self) -> bool:
        """Whether an end has symbols, so that it cannot be ordered."""
        return isinstance(self.low, Node) or isinstance(self.high, Node)


@dataclass(frozen=True, slots=True)
class Region:
    """A set of real numbers.

    Args:
        intervals: Disjoint and in order, unless an end has symbols.
        variable: The bounded variable; empty if none was written.
        is_definite: False for `(1, 2)`, which could also be a pair.
    """

    intervals: tuple[Interval, ...]
    variable: str
    is_definite: bool

    @property
    def is_point(self) -> bool:
        """Whether it is one closed interval of length 0, such as [2, 2]."""
        ends = self.intervals[0] if len(self.intervals) == 1 else None
        return ends is not None and ends.has_low and ends.has_high and bool(ends.low == ends.high)


def same_region(first: Region, second: Region) -> bool | None:
    """Return whether two sets are equal, or None if their ends could not be compared."""
    names = {first.variable, second.variable} - {""}
    if len(names) == 2 and sum("(" in name for name in names) != 1:
        return False  # f(x) may be called y, but x is not z
    if len(first.intervals) != len(second.intervals):
        return None if _is_symbolic(first) or _is_symbolic(second) else False
    pairs = list(zip(first.intervals, second.intervals, strict=True))
    if any((a.has_low, a.has_high) != (b.has_low, b.has_high) for a, b in pairs):
        return False
    ends = [ends for a, b in pairs for ends in ((a.low, b.low), (a.high, b.high))]
    verdicts = [_same_end(a, b) for a, b in ends]
    return False if False in verdicts else None if None in verdicts else True


def _is_symbolic(region: Region) -> bool:
    return any(interval.is_symbolic for interval in region.intervals)


def _same_end(a: Any, b: Any) -> bool | None:
    if isinstance(a, Node) and isinstance(b, Node):
        return same_value(a, b)
    if isinstance(a, Node) or isinstance(b, Node):
        return False
    return are_close(a, b)


def open_at_infinity(interval: Interval) -> Interval:
    """Return an interval that does not contain infinity, however it was written."""
    low, high = interval.low, interval.high
    is_low = interval.has_low and (isinstance(low, Node) or bool(context().isfinite(low)))
    is_high = interval.has_high and (isinstance(high, Node) or bool(context().isfinite(high)))
    return Interval(low, high, has_low=is_low, has_high=is_high)


def union(regions: list[Region]) -> Region:
    """Return the union of sets, as it is written where an end has symbols.

    Raises:
        Unreadable: If all are single points, which are a set and not an interval, or if the sets
            bound different variables.
    """
    intervals = [interval for region in regions for interval in region.intervals]
    if all(interval.low is interval.high for interval in intervals):
        raise Unreadable  # a set of points
    if any(interval.is_symbolic for interval in intervals):
        return Region(tuple(intervals), _variable(regions), is_definite=True)
    return Region(ordered(intervals), _variable(regions), is_definite=True)


def _variable(regions: list[Region]) -> str:
    names = {region.variable for region in regions if region.variable}
    if len(names) > 1:
        raise Unreadable
    return names.pop() if names else ""


def ordered(intervals: list[Interval]) -> tuple[Interval, ...]:
    """Return disjoint intervals in order; touching ones are merged.

    Raises:
        Unreadable: If an end has symbols.
    """
    if any(interval.is_symbolic for interval in intervals):
        raise Unreadable
    merged: list[Interval] = []
    for each in sorted(intervals, key=lambda interval: (interval.low, not interval.has_low)):
        last = merged[-1] if merged else None
        if (
            last is None
            or each.low > last.high
            or (each.low == last.high and not (each.has_low or last.has_high))
        ):
            merged.append(each)
            continue
        high = max(last.high, each.high)
        has_high = (last.high == high and last.has_high) or (each.high == high and each.has_high)
        merged[-1] = Interval(last.low, high, has_low=last.has_low, has_high=has_high)
    return tuple(merged)


def intersection(regions: list[Region]) -> Region:
    """Return the intersection of sets.

    Raises:
        Unreadable: If an end has symbols, or if the sets bound different variables.
    """
    intervals = reduce(_common, (region.intervals for region in regions))
    return Region(ordered(list(intervals)), _variable(regions), is_definite=True)


def _common(first: tuple[Interval, ...], second: tuple[Interval, ...]) -> tuple[Interval, ...]:
    found = []
    for a in first:
        for b in second:
            if a.is_symbolic or b.is_symbolic:
                raise Unreadable
            low, high = max(a.low, b.low), min(a.high, b.high)
            has_low = (a.has_low or a.low < low) and (b.has_low or b.low < low)
            has_high = (a.has_high or a.high > high) and (b.has_high or b.high > high)
            if low < high or (low == high and has_low and has_high):
                found.append(Interval(low, high, has_low=has_low, has_high=has_high))
    return tuple(found)
