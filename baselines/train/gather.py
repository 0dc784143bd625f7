"""The groups of a step: played by each process in rounds, and joined."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from baselines.common.processes import ProcessGroup, in_all, own_share
from baselines.common.types import FloatArray
from baselines.rollouts.groups import Group
from baselines.train.samples import training_samples
from baselines.train.update.batching import TrainingSample
from ccpo_env.types import Role, Task

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class GatheredGroups:
    """The groups of rollouts of a step.

    Args:
        played: Groups of all processes, in the order of their ranks.
        usable: Groups among them that are trained on.
        is_here: Whether this process has played each usable group.
    """

    played: Sequence[Group]
    usable: Sequence[Group]
    is_here: Sequence[bool]

    def here(self, values: Sequence[T]) -> list[T]:
        """Return the values, one per usable group, of the groups that this process has played."""
        return [value for value, is_here in zip(values, self.is_here, strict=True) if is_here]

    def training_samples(
        self,
        advantages: Sequence[FloatArray],
        active: Collection[Role],
        roles: Sequence[Role],
    ) -> dict[Role, list[TrainingSample]]:
        """Return the training samples of each active role from this process's own groups.

        Args:
            advantages: Advantages of each usable group, (G, T), or (G, T, N) per token.
            active: Roles that are trained in this step.
            roles: Role of each turn.
        """
        groups, own_advantages = self.here(self.usable), self.here(advantages)
        turns = {role: [t for t, own in enumerate(roles) if own == role] for role in active}
        return {role: training_samples(groups, own_advantages, turns[role]) for role in active}


def play_rounds(
    tasks: Sequence[Task],
    play: Callable[[Sequence[Task]], list[Group]],
    processes: ProcessGroup,
    *,
    is_usable: Callable[[Group], bool],
    size: int,
) -> list[Group]:
    """Return the groups of this process, played in rounds until all have enough usable ones.

    Args:
        tasks: Tasks of all rounds, the same in all processes.
        play: Plays one group per task.
        processes: All processes; each plays its share of a round.
        is_usable: Returns whether enough of a group was measured.
        size: Number of tasks per round, and of usable groups that are enough.

    Raises:
        RolloutError: In all processes, if it is raised in one.
    """
    here: list[Group] = []
    for start in range(0, len(tasks), size):
        own = own_share(tasks[start : start + size], processes)
        here += in_all(processes, partial(play, own))
        if start + size < len(tasks):
            num_usable = sum(map(is_usable, here))
            if sum(processes.all_gather([num_usable])) >= size:
                break
    return here


def gather_groups(
    by_process: Sequence[Sequence[Group]],
    processes: ProcessGroup,
    *,
    is_usable: Callable[[Group], bool],
    most: int,
) -> GatheredGroups:
    """Join the groups of all processes, which then train on the same ones.

    Args:
        by_process: Groups that each process has played, in the order of their ranks.
        processes: All processes.
        is_usable: Returns whether enough of a group was measured.
        most: Maximum number of groups to train on; more may have been played.
    """
    played = [group for own in by_process for group in own]
    first = sum(map(len, by_process[: processes.rank]))
    last = first + len(by_process[processes.rank])
    places = [place for place, group in enumerate(played) if is_usable(group)][:most]
    return GatheredGroups(
        played,
        [played[place] for place in places],
        [first <= place < last for place in places],
    )
