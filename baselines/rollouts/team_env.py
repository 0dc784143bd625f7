"""The environment of a team, from the settings that describe it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any, Protocol, Self, TypeVar

from baselines.common.checks import require_at_least, require_known, unread
from baselines.common.flags import Choices
from ccpo_env import debate_v0, think_solve_v0, vote_v0
from ccpo_env.env import TeamAnswerEnv
from ccpo_env.errors import unknown_name
from ccpo_env.topologies.registry import TOPOLOGIES
from ccpo_env.types import Task, TaskInput, Topology, Verifier
from ccpo_env.verifiers.auto import AUTO, CHOSEN, verifier_name
from ccpo_env.verifiers.code.verifier import CodeVerifier
from ccpo_env.verifiers.registry import VERIFIER_NAMES, VERIFIERS, check_tasks
from ccpo_env.wrapper import SnapshotWrapper


@dataclass(frozen=True, kw_only=True)
class TeamSettings:
    """Team and verifier."""

    topology: Annotated[str, Choices(TEAMS)] = "think_solve"
    """Who speaks when, and who reads whom."""
    num_thinkers: int = 1
    """Thinkers that speak before the solver, with --topology think_solve."""
    num_voters: int = 3
    """Voters, with --topology vote."""
    num_debaters: int = 2
    """Debaters, with --topology debate."""
    num_rounds: int = 2
    """Rounds in which every debater speaks once, with --topology debate."""
    verifier: Annotated[str, Choices(VERIFIER_NAMES)] = AUTO
    """What compares answers with the gold answer, and so the form in which prompts ask for them.
    auto: choice for tasks with options, qa for those with passages or several gold answers, else
    math. number reads the last number, for models that write no box; qa_f1 accepts answers that
    share most words with a gold answer. code and code_partial run programs that a model wrote,
    isolated by the kernel, whose faults could let one out: use a machine without secrets;
    code_partial also pays for a share of the tests."""
    unsafe_no_namespaces: bool = False
    """Whether --verifier code runs programs where the kernel allows no namespaces: they can then
    read what any user of this machine can read."""


@dataclass(frozen=True, kw_only=True)
class TeamOverrides:
    """Team and verifier, if not those of the run."""

    topology: Annotated[str | None, Choices(TEAMS)] = None
    """Who speaks when, and who reads whom. None: as in the run, else think_solve."""
    num_thinkers: int | None = None
    """Thinkers that speak before the solver, with topology think_solve. None: as in the run, else
    1."""
    num_voters: int | None = None
    """Voters, with topology vote. None: as in the run, else 3."""
    num_debaters: int | None = None
    """Debaters, with topology debate. None: as in the run, else 2."""
    num_rounds: int | None = None
    """Rounds, with topology debate. None: as in the run, else 2."""
    verifier: Annotated[str | None, Choices(VERIFIER_NAMES)] = None
    """What compares answers with the gold answer. None: as in the run on its tasks, else auto, the
    one that the tasks need. code and code_partial run programs that a model wrote, isolated by the
    kernel, whose faults could let one out: use a machine without secrets."""
    unsafe_no_namespaces: bool | None = None
    """Whether --verifier code runs programs where the kernel allows no namespaces. None: as in the
    run, else not."""

    def check(self) -> None:
        """Raise ValueError if a number is out of range."""
        for name in TEAM_SIZES:
            size = getattr(self, name)
            if size is not None:
                require_at_least(name, size, 1)

    def of_run(self, saved: Mapping[str, Any], *, has_other_tasks: bool = False) -> Self:
        """Return the settings with the team of a run where there is no other, and its defaults.

        Args:
            saved: What config.json of the run holds; nothing if there is no run.
            has_other_tasks: Whether the tasks are not those of the run. A verifier that the run
                chose by its tasks is then chosen again.

        Raises:
            ValueError: If a name is unknown, or the topology does not read a size that was given.
        """
        names = [field.name for field in fields(TeamSettings)]
        given = [name for name in names if getattr(self, name) is not None]
        known = {name: saved[name] for name in names if name in saved}
        if has_other_tasks and known.get("verifier") in CHOSEN:
            known["verifier"] = AUTO
        team = TeamSettings(**{**known, **{name: getattr(self, name) for name in given}})
        require_known("topology", team.topology, TEAMS)
        require_known("verifier", team.verifier, VERIFIER_NAMES)
        for name in given:
            needed = unread_size(team, name)
            if needed is not None:
                raise ValueError(unread(name, getattr(team, name), needed))
        return replace(self, **asdict(team))

    @property
    def team(self) -> TeamSettings:
        """The team, once `of_run` has filled in what was left out."""
        return TeamSettings(**{f.name: getattr(self, f.name) for f in fields(TeamSettings)})


class _OrdersOptions(Protocol):
    """Settings with tasks whose options may be put into another order."""

    @property
    def tasks(self) -> str | tuple[str, ...] | None:
        """Names or files; empty or None: those of the run."""
        ...

    @property
    def shuffle_choices(self) -> int | None:
        """The seed; None: as in the run."""
        ...


def order_of_run(settings: _OrdersOptions, saved: Mapping[str, Any]) -> int | None:
    """Return the seed of the order of options: that of the settings, else of a run on its tasks.

    Args:
        settings: Settings before the tasks of the run are filled in.
        saved: What config.json of the run holds; nothing if there is no run.
    """
    if settings.shuffle_choices is not None or settings.tasks:
        return settings.shuffle_choices
    seed: int | None = saved.get("shuffle_choices")
    return seed


TEAM_SIZES: Mapping[str, str] = {
    "num_thinkers": "think_solve",
    "num_voters": "vote",
    "num_debaters": "debate",
    "num_rounds": "debate",
}
"""Sizes of a team, and the topology that reads each."""


def unread_size(team: TeamSettings, name: str) -> str | None:
    """Return what a setting of the team needs and does not have; None if it is read."""
    if name == "unsafe_no_namespaces":
        return None if isinstance(VERIFIERS.get(team.verifier), CodeVerifier) else RUNS_PROGRAMS
    topology = TEAM_SIZES.get(name, team.topology)
    return None if topology == team.topology else f"--topology {topology}"


RUNS_PROGRAMS = "--verifier code"
"""What reads unsafe_no_namespaces."""


SettingsT = TypeVar("SettingsT", bound=TeamSettings | TeamOverrides)


def with_verifier(settings: SettingsT, tasks: Iterable[Task]) -> SettingsT:
    """Return settings with the verifier that the tasks need in place of "auto".

    Raises:
        ValueError: If the tasks need no verifier of "auto", or several, or the verifier that is
            named cannot judge one of them, or a team that writes programs is given other tasks.
    """
    if settings.verifier != AUTO:
        check_tasks(settings.verifier or AUTO, tasks)
        chosen = settings
    else:
        chosen = replace(settings, verifier=verifier_name(tasks))
    if chosen.topology == "plan_code_review" and chosen.verifier not in ("code", "code_partial"):
        raise ValueError(
            f"tasks of topology 'plan_code_review' must have tests, because its team writes "
            f"programs, got tasks for verifier {chosen.verifier!r}; pass tasks with tests and "
            f"verifier='code', or another topology"
        )
    return chosen


MakeTeam = Callable[[TeamSettings, TaskInput], SnapshotWrapper[TeamAnswerEnv]]


def team_env(team: TeamSettings, tasks: TaskInput) -> SnapshotWrapper[TeamAnswerEnv]:
    """Return the environment of a team.

    Raises:
        ValueError: If the topology or the verifier is unknown, or a number too small.
    """
    if team.topology not in TEAMS:
        raise unknown_name("topology", team.topology, TEAMS)
    return TEAMS[team.topology](team, tasks)


def taskless_env(team: TeamSettings) -> SnapshotWrapper[TeamAnswerEnv]:
    """Return the environment of a team for its topology and prompts, with a task that stands in.

    Raises:
        ValueError: As of `team_env`.
    """
    if team.verifier == AUTO:
        return team_env(team, [("-", "-")])
    return team_env(team, [Task("-", "-", "A", choices=("-",), tests="pass")])


def _verifier(team: TeamSettings) -> str | Verifier:
    """Return the verifier of a team: its name, unless a setting changes it."""
    verifier = VERIFIERS.get(team.verifier)
    if team.unsafe_no_namespaces and isinstance(verifier, CodeVerifier):
        return replace(verifier, unsafe_no_namespaces=True)
    return team.verifier


def _think_solve(team: TeamSettings, tasks: TaskInput) -> SnapshotWrapper[TeamAnswerEnv]:
    return think_solve_v0(tasks, team.num_thinkers, _verifier(team))


def _vote(team: TeamSettings, tasks: TaskInput) -> SnapshotWrapper[TeamAnswerEnv]:
    return vote_v0(tasks, team.num_voters, _verifier(team))


def _debate(team: TeamSettings, tasks: TaskInput) -> SnapshotWrapper[TeamAnswerEnv]:
    return debate_v0(tasks, team.num_debaters, team.num_rounds, _verifier(team))


def _of_default_size(make: Callable[..., Topology]) -> MakeTeam:
    def make_team(team: TeamSettings, tasks: TaskInput) -> SnapshotWrapper[TeamAnswerEnv]:
        return SnapshotWrapper(TeamAnswerEnv(make(), tasks=tasks, verifier=_verifier(team)))

    return make_team


TEAMS: Mapping[str, MakeTeam] = {
    **{name: _of_default_size(make) for name, make in TOPOLOGIES.items()},
    "think_solve": _think_solve,
    "vote": _vote,
    "debate": _debate,
}
"""Every topology that trains: all that are registered, some in a size that is a setting."""
