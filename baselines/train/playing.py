"""What is played in a step: its tasks, in rounds, by the share of each process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from baselines.common.processes import ProcessGroup, own_share
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group, expect_measured
from baselines.train.config import TrainConfig
from baselines.train.credit_stage import CreditStage
from baselines.train.engines.rollout_servers import RolloutServers
from baselines.train.gather import GatheredGroups, gather_groups, play_rounds
from baselines.train.schedule import Schedule
from baselines.train.seeding import Stream, Streams
from ccpo_env.types import Task


@dataclass(frozen=True, slots=True, eq=False)
class StepRollouts:
    """The rollouts of a step.

    Args:
        groups: Groups of each process, in the order of their ranks.
        costs: Their cost, of all processes.
        seconds: Time of playing, of the slowest process; 0 if it was not measured.
    """

    groups: Sequence[Sequence[Group]]
    costs: CostTracker
    seconds: float = 0.0

    @property
    def played(self) -> list[Group]:
        """Groups of all processes."""
        return [group for own in self.groups for group in own]


class StepPlayer:
    """Plays the rollouts of any step: all that they depend on is its number and the weights.

    Args:
        config: Number of tasks per step, and of further rounds.
        tasks: Training tasks, of which each step has a sample.
        credit: Plays a group per task, with all that credit needs.
        schedule: Roles that each step trains.
        streams: Random streams of the run.
        processes: All processes; each plays its share.
        servers: Servers that sample in place of the policies, if there are any.
    """

    def __init__(
        self,
        config: TrainConfig,
        tasks: Sequence[Task],
        *,
        credit: CreditStage,
        schedule: Schedule,
        streams: Streams,
        processes: ProcessGroup,
        servers: RolloutServers | None = None,
    ) -> None:
        self._config = config
        self._tasks = tasks
        self._credit = credit
        self._schedule = schedule
        self._streams = streams
        self._processes = processes
        self._servers = servers

    def play(self, step: int, costs: CostTracker) -> StepRollouts:
        """Play a step in rounds, until all processes have enough usable groups.

        Args:
            step: Number of the step.
            costs: Accumulates the cost of this process; the result holds that of all.

        Raises:
            RolloutError: In all processes, if it is raised in one.
        """
        size = self._config.tasks_per_step
        here = play_rounds(
            self._tasks_of(step, num_rounds=1 + self._config.resample_rounds),
            self._play(step, costs),
            self._processes,
            is_usable=self._credit.is_usable,
            size=size,
        )
        if self._servers:
            self._servers.check()
        gather = self._processes.all_gather
        return StepRollouts(gather([here]), CostTracker.total(gather([costs])))

    def play_share(self, step: int, costs: CostTracker) -> list[Group]:
        """Play this process's share of the first round, without waiting for other processes."""
        share = own_share(self._tasks_of(step, num_rounds=1), self._processes)
        return self._play(step, costs)(share)

    def join(self, rollouts: StepRollouts, step: int) -> GatheredGroups:
        """Return the groups of all processes, of which the usable ones are trained on.

        Raises:
            RolloutError: If episodes failed and no rollout was measured.
        """
        expect_measured(rollouts.played, f"step {step}")
        return gather_groups(
            rollouts.groups,
            self._processes,
            is_usable=self._credit.is_usable,
            most=self._config.tasks_per_step,
        )

    def _tasks_of(self, step: int, *, num_rounds: int) -> list[Task]:
        size = self._config.tasks_per_step * num_rounds
        return self._streams.choose(self._tasks, size, Stream.TASKS, step)

    def _play(self, step: int, costs: CostTracker) -> partial[list[Group]]:
        active, rng = self._schedule.active(step), self._streams.own(Stream.ROLLOUTS, step)
        return partial(self._credit.play, active=active, rng=rng, costs=costs)
