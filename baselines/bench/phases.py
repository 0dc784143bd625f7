"""Seconds of the phases of a training step, of any trainer in this process."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias
from unittest import mock

SAMPLING, SCORING, GRADIENT, OPTIMIZER, OTHER = (
    "sampling",
    "scoring",
    "forward and backward",
    "optimizer",
    "other",
)
Phase: TypeAlias = str | Callable[[], str]
"""Name of a phase, or a function that returns it at the time of a call."""
PHASES = (SAMPLING, SCORING, GRADIENT, OPTIMIZER, OTHER)


class PhaseTimes:
    """Adds up the seconds inside of functions, by phase; an inner phase interrupts the outer one.

    Args:
        clock: Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seconds = dict.fromkeys(PHASES, 0.0)
        self._running: list[str] = []
        self._since = 0.0

    def timed(self, phase: Phase, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose calls count for a phase."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._begin(phase if isinstance(phase, str) else phase())
            try:
                return function(*args, **kwargs)
            finally:
                self._end()

        return call

    @contextmanager
    def watching(self, *places: tuple[Phase, Any, str]) -> Iterator[None]:
        """Count calls inside the block, and the steps of torch's optimizers.

        Args:
            places: Phase, class or module, and name of a function of it.
        """
        from torch.optim import optimizer

        with ExitStack() as stack:
            for phase, owner, name in places:
                call = self.timed(phase, getattr(owner, name))
                stack.enter_context(mock.patch.object(owner, name, call))
            before = optimizer.register_optimizer_step_pre_hook(lambda *_: self._begin(OPTIMIZER))
            stack.callback(before.remove)
            after = optimizer.register_optimizer_step_post_hook(lambda *_: self._end())
            stack.callback(after.remove)
            yield

    def take(self, whole: float) -> dict[str, float]:
        """Return the seconds of each phase since the last call; "other" is the rest of a whole."""
        seconds, self._seconds = self._seconds, dict.fromkeys(PHASES, 0.0)
        seconds[OTHER] = whole - sum(seconds[phase] for phase in PHASES if phase != OTHER)
        return seconds

    def _begin(self, phase: str) -> None:
        self._count()
        self._running.append(phase)

    def _end(self) -> None:
        self._count()
        self._running.pop()

    def _count(self) -> None:
        now = self._clock()
        if self._running:
            self._seconds[self._running[-1]] += now - self._since
        self._since = now
