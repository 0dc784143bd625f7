"""Columns of credit: one per agent, or one per turn where an agent speaks more than once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from baselines.common.types import FloatArray


class Team(Protocol):
    """The agents of a group of rollouts, and their turns."""

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the A agents in speaking order."""
        ...

    @property
    def turns(self) -> tuple[str, ...] | None:
        """Labels of the T turns; None if everybody speaks once."""
        ...


def turn_labels(speakers: Sequence[str]) -> tuple[str, ...]:
    """Return the label ``<agent>#<n>`` of each turn, n from 1 for each agent.

    Args:
        speakers: The agent of each turn, in speaking order.
    """
    counts: Counter[str] = Counter()
    labels = []
    for agent in speakers:
        counts[agent] += 1
        labels.append(f"{agent}#{counts[agent]}")
    return tuple(labels)


def repeated_turns(speakers: Sequence[str]) -> tuple[str, ...] | None:
    """Return `turn_labels` if somebody speaks more than once, else None."""
    return turn_labels(speakers) if len(set(speakers)) < len(speakers) else None


def speaker_of(turn: str) -> str:
    """Return the agent of a label of `turn_labels`."""
    return turn.rpartition("#")[0]


def columns_of(team: Team) -> tuple[str, ...]:
    """Return the names of the columns of credit: the turns, or the agents without turns."""
    return team.turns or team.agents


def speakers_of(team: Team) -> tuple[str, ...]:
    """Return the agent of each column of credit."""
    return tuple(map(speaker_of, team.turns)) if team.turns else team.agents


def on_turns(credit: FloatArray, team: Team) -> FloatArray:
    """Repeat each agent's credit on all its turns: (..., G, A) to (..., G, T)."""
    if team.turns is None:
        return credit
    return credit[..., [team.agents.index(agent) for agent in speakers_of(team)]]
