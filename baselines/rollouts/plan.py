"""What is played on a task besides the rollouts of the whole team, as credit asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ccpo_env.types import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is played on each task.

    Args:
        group_size: Rollouts of the whole team, G.
        removals: Sets of agents to play without; empty when credit needs none.
        num_removed: Rollouts per task for a removal that is measured once for the task, M.
        branches: Agents after whose last turn every rollout is continued afresh.
        num_branches: Continuations per rollout, M; also the rollouts without a later agent that
            keep what was said before it.
        rate: Whether the agents rate each other.
        skip_uniform_groups: Whether a removal that is measured once for the task is left out
            where all rollouts of the whole team were paid the same.
    """

    group_size: int
    removals: tuple[frozenset[str], ...] = ()
    num_removed: int = 4
    branches: tuple[str, ...] = ()
    num_branches: int = 4
    rate: bool = False
    skip_uniform_groups: bool = False


def shared_turns(topology: Topology, removed: frozenset[str]) -> int:
    """Return how many first messages of a rollout stay as they are without some agents.

    All up to the first turn of a removed agent. If the last speaker is removed, another agent
    answers in its place and is asked for an answer, so its own last turn is not kept either.
    """
    turns = topology.turns
    kept = next(place for place, turn in enumerate(turns) if turn.speaker in removed)
    answering = max(place for place, turn in enumerate(turns) if turn.speaker not in removed)
    return min(kept, answering)


def branch_turns(topology: Topology, agent: str) -> int:
    """Return how many messages of a rollout a branch after an agent's last turn keeps."""
    own = [place for place, turn in enumerate(topology.turns) if turn.speaker == agent]
    return own[-1] + 1


def branching_agents(topology: Topology) -> tuple[str, ...]:
    """Return the agents after whose last turn somebody else speaks, in the order of those turns.

    Nobody reads anybody in a vote, so what comes after a voter's turn says nothing about it.
    """
    if topology.decision == "majority":
        return ()
    order = sorted(topology.agents, key=lambda agent: branch_turns(topology, agent))
    return tuple(order[:-1])


def removals_are_recounts(topology: Topology) -> bool:
    """Return whether a rollout tells what would have been without an agent: votes do."""
    return topology.decision == "majority"


def per_task_removals(
    topology: Topology, removals: Sequence[frozenset[str]]
) -> list[frozenset[str]]:
    """Return the removals that are measured once for the task, from the first turn on."""
    if removals_are_recounts(topology):
        return []
    return [removed for removed in removals if shared_turns(topology, removed) == 0]


def per_rollout_removals(
    topology: Topology, removals: Sequence[frozenset[str]]
) -> list[frozenset[str]]:
    """Return the removals that are measured on each rollout, what was said before kept."""
    if removals_are_recounts(topology):
        return []
    return [removed for removed in removals if shared_turns(topology, removed) > 0]
