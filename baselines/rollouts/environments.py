"""The environment of a team, from the settings that describe it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ccpo_env import debate_v0, think_solve_v0, vote_v0
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.errors import unknown_name
from ccpo_env.topologies.registry import TOPOLOGIES
from ccpo_env.types import TaskInput, Topology
from ccpo_env.wrapper import SnapshotWrapper


@dataclass(frozen=True, kw_only=True)
class TeamSettings:
    """Who is in the team, and what compares its answer with the gold answer."""

    topology: str = "think_solve"
    """Who speaks when and reads what: a name from TEAMS."""
    num_thinkers: int = 1
    """Thinkers that speak before the solver, in think_solve."""
    num_voters: int = 3
    """Voters, in vote."""
    num_debaters: int = 2
    """Debaters, in debate."""
    num_rounds: int = 2
    """Rounds in which every debater speaks once, in debate."""
    verifier: str = "math"
    """What compares the answers, and so the form in which they are asked for: a name from
    VERIFIERS. "number" reads the last number, for models that write no box."""


MakeTeam = Callable[[TeamSettings, TaskInput], SnapshotWrapper[TeamAnswerEnv]]


def team_env(team: TeamSettings, tasks: TaskInput) -> SnapshotWrapper[TeamAnswerEnv]:
    """Return the environment of a team.

    Raises:
        ValueError: If the topology or the verifier is unknown, or a number too small.
    """
    if team.topology not in TEAMS:
        raise unknown_name("topology", team.topology, TEAMS)
    return TEAMS[team.topology](team, tasks)


def _think_solve(team: TeamSettings, tasks: TaskInput) -> SnapshotWrapper[TeamAnswerEnv]:
    return think_solve_v0(tasks, team.num_thinkers, team.verifier)


def _vote(team: TeamSettings, tasks: TaskInput) -> SnapshotWrapper[TeamAnswerEnv]:
    return vote_v0(tasks, team.num_voters, team.verifier)


def _debate(team: TeamSettings, tasks: TaskInput) -> SnapshotWrapper[TeamAnswerEnv]:
    return debate_v0(tasks, team.num_debaters, team.num_rounds, team.verifier)


def _of_default_size(make: Callable[..., Topology]) -> MakeTeam:
    def make_team(team: TeamSettings, tasks: TaskInput) -> SnapshotWrapper[TeamAnswerEnv]:
        return SnapshotWrapper(TeamAnswerEnv(make(), tasks=tasks, verifier=team.verifier))

    return make_team


TEAMS: Mapping[str, MakeTeam] = {
    **{name: _of_default_size(make) for name, make in TOPOLOGIES.items()},
    "think_solve": _think_solve,
    "vote": _vote,
    "debate": _debate,
}
"""Every topology that trains: all that are registered, some in a size that is a setting."""
