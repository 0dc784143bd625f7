"""The rollouts per task that credit assignment needs, besides those of the whole team."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ccpo_env.types import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is played on each task.

    Args:
        group_size: Rollouts of the whole team, G.
        removals: Sets of agents to remove; empty if credit needs none.
        num_removed: Rollouts per task for a per-task removal, M.
        branches: Agents after whose last turn every rollout is continued with new samples.
        num_branches: Continuations per rollout, M; also of per-rollout removals, which keep the
            messages before the removed agent.
        rate: Whether the agents rate each other.
        skip_uniform_groups: Whether per-task removals are omitted for groups whose team rollouts
            all have the same reward.
    """

    group_size: int
    removals: tuple[frozenset[str], ...] = ()
    num_removed: int = 4
    branches: tuple[str, ...] = ()
    num_branches: int = 4
    rate: bool = False
    skip_uniform_groups: bool = False


def shared_turns(topology: Topology, removed: frozenset[str]) -> int:
    """Return how many first messages of a rollout are unaffected by a removal.

    All before the first turn of a removed agent. If the last speaker is removed, another agent
    answers in its place with a different prompt, so its own last turn is not kept either.
    """
    turns = topology.turns
    kept = next(place for place, turn in enumerate(turns) if turn.speaker in removed)
    answering = max(place for place, turn in enumerate(turns) if turn.speaker not in removed)
    return min(kept, answering)


def branch_turns(topology: Topology, agent: str) -> int:
    """Return how many messages are kept by a branch after an agent's last turn."""
    own = [place for place, turn in enumerate(topology.turns) if turn.speaker == agent]
    return own[-1] + 1


def branching_agents(topology: Topology) -> tuple[str, ...]:
    """Return the agents whose last turn is followed by another agent, in turn order.

    Empty for a vote: voters do not read each other, so later turns do not depend on a voter's.
    """
    if topology.decision == "majority":
        return ()
    order = sorted(topology.agents, key=lambda agent: branch_turns(topology, agent))
    return tuple(order[:-1])


def removals_are_recounts(topology: Topology) -> bool:
    """Return whether removals need no new rollouts: a vote is recounted without the agent."""
    return topology.decision == "majority"


def per_task_removals(
    topology: Topology, removals: Sequence[frozenset[str]]
) -> list[frozenset[str]]:
    """Return the removals that are measured once per task, from the first turn."""
    if removals_are_recounts(topology):
        return []
    return [removed for removed in removals if shared_turns(topology, removed) == 0]


def per_rollout_removals(
    topology: Topology, removals: Sequence[frozenset[str]]
) -> list[frozenset[str]]:
    """Return the removals that are measured per rollout, which keep its earlier messages."""
    if removals_are_recounts(topology):
        return []
    return [removed for removed in removals if shared_turns(topology, removed) > 0]
