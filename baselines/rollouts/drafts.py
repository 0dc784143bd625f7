"""What is played for the group of a task, and the rollouts that were played so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from baselines.rollouts.plan import Plan, kept_turns, per_rollout_removals, turn_names
from baselines.rollouts.rollout import Rollout, RolloutRequest
from ccpo_env.types import Task, Topology


@dataclass(slots=True, eq=False)
class Request:
    """Rollouts to play, and the group that they belong to.

    Args:
        group: Index of their group.
        rollout: Index of the team rollout that they continue; None: from the first turn.
        request: The rollouts.
        branch: Name of the turn after which the whole team continues; None for a removal.
    """

    group: int
    rollout: int | None
    request: RolloutRequest
    branch: str | None = None


@dataclass(frozen=True, slots=True)
class Continuation:
    """How a rollout of the team is continued.

    Args:
        kept: Positions of the turns whose messages are kept.
        removed: Agents that are removed.
        branch: Name of the turn after which the whole team continues; None for a removal.
    """

    kept: tuple[int, ...]
    removed: frozenset[str] = frozenset()
    branch: str | None = None


def continuations(plan: Plan, topology: Topology) -> list[Continuation]:
    """Return how each rollout of the team is continued, for the branches and removals of a plan."""
    names = turn_names(topology)
    branches = [
        Continuation(tuple(range(names.index(turn) + 1)), branch=turn) for turn in plan.branches
    ]
    removals = [
        Continuation(kept_turns(topology, removed), removed)
        for removed in per_rollout_removals(topology, plan.removals)
    ]
    return branches + removals


class Draft:
    """Collects the rollouts of one group."""

    def __init__(self, task: Task, plan: Plan, topology: Topology) -> None:
        self.task = task
        self.plan = plan
        self.topology = topology
        self.joint: list[Rollout] = []
        self.once: dict[frozenset[str], list[Rollout]] = {}
        self.replayed: dict[frozenset[str], dict[int, list[Rollout]]] = {}
        self.branches: dict[str, dict[int, list[Rollout]]] = {}

    def team(self, group: int, each: Sequence[Continuation], *, first: int) -> list[Request]:
        """Return the requests for the rollouts of the team, then for their continuations.

        Args:
            group: Index of the group.
            each: Continuations of each rollout.
            first: Index of the first rollout of the team among all episodes.
        """
        plan = self.plan
        team = RolloutRequest(self.task, num_episodes=plan.group_size)
        requests = [Request(group, None, team)]
        for k in range(plan.group_size if each else 0):
            for own in each:
                request = RolloutRequest(
                    self.task,
                    own.removed,
                    leader=first + k,
                    kept=own.kept,
                    num_episodes=plan.num_branches,
                )
                requests.append(Request(group, k, request, own.branch))
        return requests

    def add(self, request: Request, rollouts: Iterable[Rollout]) -> None:
        """Add the rollouts that were played for a request."""
        removed, k = request.request.removed, request.rollout
        if request.branch is not None and k is not None:
            self.branches.setdefault(request.branch, {}).setdefault(k, []).extend(rollouts)
        elif removed and k is not None:
            self.replayed.setdefault(removed, {}).setdefault(k, []).extend(rollouts)
        elif removed:
            self.once.setdefault(removed, []).extend(rollouts)
        else:
            self.joint.extend(rollouts)

    @property
    def is_mixed(self) -> bool:
        """Whether the rollouts of the team have different rewards."""
        return differ([rollout.reward for rollout in self.joint])


def differ(team_rewards: Sequence[float | None]) -> bool:
    """Return whether the rewards that were measured differ."""
    return len({*team_rewards} - {None}) > 1
