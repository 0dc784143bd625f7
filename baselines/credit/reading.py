"""Who reads whom, and so which turns a message can influence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

from ccpo_env.errors import unknown_name

Pattern: TypeAlias = Literal["chain", "none"]
Reads: TypeAlias = Pattern | Sequence[Sequence[str]]
"""Which earlier turns each turn reads: all ("chain"), none, or for each turn their names."""


class Reading(NamedTuple):
    """What a turn follows from and what it cannot change, as positions of turns.

    Args:
        unaffected: The turn itself and all turns that it cannot influence.
        read: The earlier turns that it reads.
    """

    unaffected: tuple[int, ...]
    read: tuple[int, ...]


def readings(reads: Reads, turns: tuple[str, ...]) -> list[Reading]:
    """Return what each turn reads, and what it cannot influence.

    A turn influences those that read it, and those that read a turn that it influences.

    Args:
        reads: Which earlier turns each turn reads.
        turns: Names of the turns, in speaking order.

    Raises:
        ValueError: If a pattern is unknown, or a turn reads one that is not earlier.
    """
    sources = _sources(reads, turns)
    influenced: list[set[int]] = [set() for _ in turns]  # by each turn
    for later, read in enumerate(sources):
        for turn in range(later):
            if turn in read or influenced[turn] & read:
                influenced[turn].add(later)
    return [
        Reading(tuple(t for t in range(len(turns)) if t not in after), tuple(sorted(read)))
        for after, read in zip(influenced, sources, strict=True)
    ]


def _sources(reads: Reads, turns: tuple[str, ...]) -> list[set[int]]:
    """Return the positions of the turns that each turn reads."""
    if isinstance(reads, str):
        if reads not in get_args(Pattern):
            raise unknown_name("reads", reads, get_args(Pattern))
        return [set(range(turn)) if reads == "chain" else set() for turn in range(len(turns))]
    if not isinstance(reads, Sequence) or len(reads) != len(turns):
        got = len(reads) if isinstance(reads, Sequence) else repr(reads)
        raise ValueError(
            f"reads must have an entry for each of {len(turns)} turns, got {got}; give each turn "
            f"the tuple of earlier turns that it reads"
        )
    sources = []
    for place, read in enumerate(reads):
        earlier = turns[:place]
        names = (read,) if isinstance(read, str) else read
        for name in names:
            if name not in earlier:
                raise ValueError(
                    f"reads of {turns[place]!r} must name turns before it, {list(earlier)}, got "
                    f"{name!r}; leave it out"
                )
        sources.append({earlier.index(name) for name in names})
    return sources
