"""Cycles of a team whose agents can act at once, because none reads another of its cycle."""

from __future__ import annotations

from collections.abc import Sequence

from ccpo_env.types import Turn, speakers


def is_simultaneous(turns: Sequence[Turn]) -> bool:
    """Return whether turns are cycles in which every agent speaks once and reads nobody of it.

    Args:
        turns: The turns of a topology, in speaking order.
    """
    agents = speakers(turns)
    if [turn.speaker for turn in turns] != [*agents] * (len(turns) // len(agents)):
        return False
    before = {agent: agents[:place] for place, agent in enumerate(agents)}
    return not any(set(turn.reads) & set(before[turn.speaker]) for turn in turns)
