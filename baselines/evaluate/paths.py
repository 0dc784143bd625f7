"""The paths of an evaluation: the whole team, the team with agents removed, and controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from baselines.credit.removals import each_agent, each_but_the_last
from ccpo_env.types import Topology

Kind = Literal["joint", "without", "empty", "shuffled"]
"""The whole team; some agents removed; an agent's message replaced by an empty one, or by its
message for another task."""


@dataclass(frozen=True, slots=True)
class TeamPath:
    """One way to play a task.

    Args:
        kind: How it differs from the whole team.
        agents: The agents concerned, sorted; none for the whole team, one for a control.
    """

    kind: Kind
    agents: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name in files, such as "joint", "without thinker_0" or "empty thinker_0"."""
        return " ".join((self.kind, "+".join(self.agents))).strip()

    @property
    def removed(self) -> frozenset[str]:
        """The removed agents."""
        return frozenset(self.agents) if self.kind == "without" else frozenset()

    @property
    def is_control(self) -> bool:
        """Whether an agent's message is replaced."""
        return self.kind in ("empty", "shuffled")


JOINT = TeamPath("joint")


def path_of(label: str) -> TeamPath:
    """Return the path with a label."""
    kind, _, agents = label.partition(" ")
    return TeamPath(kind, tuple(agents.split("+")) if agents else ())  # type: ignore[arg-type]


def without(removals: Sequence[frozenset[str]]) -> tuple[TeamPath, ...]:
    """Return the path of each set of agents to remove."""
    return tuple(TeamPath("without", tuple(sorted(removed))) for removed in removals)


def each_that_can_be_spared(topology: Topology) -> tuple[frozenset[str], ...]:
    """Return the default removals: each agent separately, if the others can answer.

    The last speaker is not removed if it is the only agent of its role: without the solver of a
    chain a thinker would have to answer, which its prompt forbids. Voters and debaters can replace
    each other.
    """
    roles = {turn.speaker: turn.role for turn in topology.turns}
    *others, last = topology.agents
    is_alone = roles[last] not in {roles[agent] for agent in others}
    return (each_but_the_last if is_alone else each_agent)(topology.agents)


def control_paths(topology: Topology, removals: Sequence[frozenset[str]]) -> tuple[TeamPath, ...]:
    """Return both controls for every agent that is removed separately.

    Raises:
        ValueError: If there is no such agent before the last turn.

    Note: The last speaker has no controls: its message is the answer.
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
    """Return the index of an agent's first turn in the whole team."""
    return next(i for i, turn in enumerate(topology.turns) if turn.speaker == agent)


def num_turns(topology: Topology, path: TeamPath) -> int:
    """Return the number of messages in a complete episode of a path."""
    return sum(turn.speaker not in path.removed for turn in topology.turns)
