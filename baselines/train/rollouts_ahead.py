"""Rollouts one step ahead: servers play the next step while the policies are updated."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from baselines.common.errors import RolloutError
from baselines.common.processes import ProcessGroup, in_all, shares
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group, expect_measured
from baselines.rollouts.stored_groups import from_text, to_text
from baselines.train.engines.rollout_servers import RolloutServers
from baselines.train.playing import StepPlayer, StepRollouts

T = TypeVar("T")
_Share = tuple[list[Group], CostTracker, float]
"""Groups of a process, their cost, and the seconds that they took."""


class RolloutsAhead:
    """Plays each step on servers while the step before it is updated.

        weights on the servers:  0     0     1     2
        rollouts of step:        1     2     3     4
        updated meanwhile:             1     2     3

    The rollouts of step t are of the weights after step t - 2, one update older than those that
    they are trained on; only those of the first step are not. Transfers of weights, evaluations
    and checkpoints wait until what is being played has ended, so that no sample is drawn during
    a transfer. The thread that plays waits for no other process.

    Args:
        player: Plays a step.
        servers: Sample all policies.
        processes: All processes of the run.
        last_step: Number of the last step.
    """

    def __init__(
        self,
        player: StepPlayer,
        servers: RolloutServers,
        processes: ProcessGroup,
        *,
        last_step: int,
    ) -> None:
        self._player = player
        self._servers = servers
        self._processes = processes
        self._last_step = last_step
        self._served = 0  # steps whose updates the weights on the servers have
        self._ready: dict[int, StepRollouts] = {}
        self._playing: tuple[int, _Background[_Share]] | None = None
        self._error: RolloutError | None = None

    def of(self, step: int) -> StepRollouts:
        """Return the rollouts of a step, and begin to play those of the next one.

        Raises:
            RolloutError: In all processes, if it was raised in one while playing or transferring
                weights, or nothing was measured.
        """
        self.settle()
        error, self._error = self._error, None
        if error is not None:
            raise error
        self.transfer(step - 1)
        if step not in self._ready:
            self._play(step)
        self._ready = {step: self._ready[step]}
        if step < self._last_step:
            self._begin(step + 1)
        return self._ready[step]

    def settle(self) -> None:
        """Wait in all processes until nothing is being played; an error is raised by `of`."""
        if self._playing is None:
            return
        (step, playing), self._playing = self._playing, None
        try:
            self._gather(step, playing.result)
        except RolloutError as error:
            self._error = error

    def transfer(self, steps_done: int) -> None:
        """Bring the weights after some steps to the servers, unless they have them.

        Raises:
            RolloutError: In all processes, if a server does not load them.
        """
        self.settle()
        if self._served == steps_done:
            return
        self._servers.sync()
        self._served = steps_done

    def to_text(self, steps_done: int) -> str | None:
        """Return the rollouts of the step after some steps, once settled; None if there are none.

        They are those of all processes, also where only one of them calls this.
        """
        rollouts = self._ready.get(steps_done + 1)
        if rollouts is None:
            return None
        return to_text((rollouts.groups, rollouts.costs, rollouts.seconds))

    def resume(self, steps_done: int, text: str | None) -> None:
        """Go on after some steps, whose weights the servers have, with a text from `to_text`."""
        self._served = steps_done
        if text is None:
            return
        rollouts = StepRollouts(*from_text(text))
        if len(rollouts.groups) != self._processes.world_size:
            dealt = shares(rollouts.played, self._processes.world_size)
            rollouts = replace(rollouts, groups=dealt)
        self._ready = {steps_done + 1: rollouts}

    def _begin(self, step: int) -> None:
        """Play a step in the background, and sample before it what the servers are checked with.

        The check compares these samples with the weights in this process, which the update changes.
        Where no prompt is known yet to sample, as after a resumption, they are those of the step.
        """
        in_all(self._processes, self._servers.probe)
        if not all(self._processes.all_gather([self._servers.is_sampled])):
            self._servers.check()  # of the processes that have samples, for all
            if not self._servers.is_checked:
                self._play(step)
                return
        self._playing = step, _Background(lambda: self._share(step))
        if not self._servers.is_checked:
            self._servers.check()

    def _play(self, step: int) -> None:
        self._gather(step, lambda: self._share(step))
        self._servers.check()

    def _share(self, step: int) -> _Share:
        started, costs = time.perf_counter(), CostTracker()
        played = self._player.play_share(step, costs)
        groups = [replace(group, version=self._served) for group in played]
        return groups, costs, time.perf_counter() - started

    def _gather(self, step: int, share: Callable[[], _Share]) -> None:
        own = in_all(self._processes, share)
        groups, costs, seconds = zip(*self._processes.all_gather([own]), strict=True)
        rollouts = StepRollouts(groups, CostTracker.total(costs), max(seconds))
        expect_measured(rollouts.played, f"step {step}")
        self._ready[step] = rollouts


class _Background(Generic[T]):
    """Calls a function in a thread that does not keep the interpreter from ending."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="rollouts ahead", daemon=True)
        self._thread.start()

    def result(self) -> T:
        """Wait for the function, and return or raise what it has."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as error:  # raised where the result is awaited
            self._error = error
