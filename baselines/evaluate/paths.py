"""The paths of an evaluation: the whole team, the team with agents removed, and controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from baselines.credit.removals import each_agent
from baselines.rollouts.plan import first_kept_turns, removals_are_recounts
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
    """Return the path of each set of agents to remove, in the order of the sets."""
    return tuple(TeamPath("without", tuple(sorted(removed))) for removed in removals)


def each_that_can_be_spared(topology: Topology) -> tuple[frozenset[str], ...]:
    """Return the default removals: each agent separately, in speaking order, if others can answer.

    The last speaker is not removed if no other agent ever has the role in which it answers: without
    the solver of a chain a thinker would have to answer, which its prompt forbids. Voters and
    debaters can replace each other.
    """
    last = topology.turns[-1]
    can_answer = {turn.speaker for turn in topology.turns if turn.role == last.role}
    is_needed = topology.decision == "last" and can_answer == {last.speaker}
    needed = can_answer if is_needed else set()
    return tuple(removed for removed in each_agent(topology.agents) if not removed & needed)


def control_paths(topology: Topology, removals: Sequence[frozenset[str]]) -> tuple[TeamPath, ...]:
    """Return both controls for every agent that is removed separately and that a later one reads.

    Raises:
        ValueError: If there is no such agent.

    Note: The last speaker has no controls, because its message is the answer; nor has a voter,
        because nobody reads its message: a removal already tells what its vote is worth.
    """
    alone = [next(iter(removed)) for removed in removals if len(removed) == 1]
    last = topology.turns[-1].speaker
    agents = [agent for agent in alone if agent != last and _is_read(topology, agent)]
    if not agents:
        raise ValueError(
            f"controls must replace the message of an agent that is removed alone, is not the last "
            f"to speak and is read by another, got {[sorted(removed) for removed in removals]} of "
            f"{topology.name}; leave out --removed or --controls"
        )
    return tuple(TeamPath(kind, (agent,)) for agent in agents for kind in ("empty", "shuffled"))


def _is_read(topology: Topology, agent: str) -> bool:
    """Return whether another agent reads an agent's first message."""
    later = topology.turns[first_turn(topology, agent) + 1 :]
    return any(agent in turn.reads for turn in later if turn.speaker != agent)


def is_recounted(topology: Topology, path: TeamPath) -> bool:
    """Return whether a path needs no episodes: the ballots are recounted without some voters."""
    return bool(path.removed) and removals_are_recounts(topology)


def num_shared(topology: Topology, path: TeamPath) -> int:
    """Return how many first messages an episode takes from the joint one of the same sample.

    All before the first message that is replaced or sampled anew; in a vote all that are left.
    """
    if path == JOINT:
        return 0
    if path.is_control:
        return first_turn(topology, path.agents[0])
    if is_recounted(topology, path):
        return num_turns(topology, path)
    return len(first_kept_turns(topology, path.removed))


def first_turn(topology: Topology, agent: str) -> int:
    """Return the index of an agent's first turn in the whole team."""
    return next(i for i, turn in enumerate(topology.turns) if turn.speaker == agent)


def num_turns(topology: Topology, path: TeamPath) -> int:
    """Return the number of messages in a complete episode of a path."""
    return sum(turn.speaker not in path.removed for turn in topology.turns)
