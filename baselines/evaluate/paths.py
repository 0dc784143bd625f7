"""Which teams are played on each task: the whole one, parts of it, and controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ccpo_env.types import Topology

Kind = Literal["joint", "without", "empty", "shuffled"]
"""The whole team; without some agents; an agent's message replaced by an empty one, or by the one
that it wrote for another task."""


@dataclass(frozen=True, slots=True)
class TeamPath:
    """One way in which a task is played.

    Args:
        kind: What is changed.
        agents: Whom it is changed for, sorted; none for the whole team, one for a control.
    """

    kind: Kind
    agents: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Its name in files: "joint", "without thinker_0", "empty thinker_0" and so on."""
        return " ".join((self.kind, "+".join(self.agents))).strip()

    @property
    def removed(self) -> frozenset[str]:
        """Agents that do not exist in its episodes."""
        return frozenset(self.agents) if self.kind == "without" else frozenset()

    @property
    def is_control(self) -> bool:
        """Whether a message is given instead of an agent's own."""
        return self.kind in ("empty", "shuffled")


JOINT = TeamPath("joint")


def path_of(label: str) -> TeamPath:
    """Return the path with a label."""
    kind, _, agents = label.partition(" ")
    return TeamPath(kind, tuple(agents.split("+")) if agents else ())  # type: ignore[arg-type]


def without(removals: Sequence[frozenset[str]]) -> tuple[TeamPath, ...]:
    """Return one path per set of agents to remove."""
    return tuple(TeamPath("without", tuple(sorted(removed))) for removed in removals)


def control_paths(topology: Topology, removals: Sequence[frozenset[str]]) -> tuple[TeamPath, ...]:
    """Return both controls of every agent that is removed on its own.

    Raises:
        ValueError: If there is no such agent before the last turn.

    Note: Controls of the last speaker do not exist, for nobody would be left to answer.
    """
    alone = [next(iter(removed)) for removed in removals if len(removed) == 1]
    agents = [agent for agent in alone if agent != topology.turns[-1].speaker]
    if not agents:
        raise ValueError(
            f"controls must replace the message of an agent that is removed alone and is not the "
            f"last to speak, got {[sorted(removed) for removed in removals]}; leave out --removed "
            f"or --controls"
        )
    return tuple(TeamPath(kind, (agent,)) for agent in agents for kind in ("empty", "shuffled"))


def first_turn(topology: Topology, agent: str) -> int:
    """Return the place of an agent's first turn while nobody is removed."""
    return next(i for i, turn in enumerate(topology.turns) if turn.speaker == agent)


def num_turns(topology: Topology, path: TeamPath) -> int:
    """Return how many messages a whole episode of a path has."""
    return sum(turn.speaker not in path.removed for turn in topology.turns)
