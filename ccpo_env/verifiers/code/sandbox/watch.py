"""The time of a program and its tests: what counts, and when it is over."""

from __future__ import annotations

import time
from typing import NamedTuple

from ccpo_env.verifiers.code.sandbox.wire import PIECE

WALL_RATIO = 30
"""Limit of wall-clock time, as a multiple of the time limit: for a process kept from running."""
FREE_SLEEPS = 300
"""Sleeps of a process, such as for the disk, that need no message as their reason."""
LOOK_S = 0.03
"""Seconds between two looks at a process that may be waiting: several ticks of the kernel."""


class Usage(NamedTuple):
    """What the kernel says of a process; see proc(5).

    Args:
        cpu_s: Seconds on a core.
        waited_s: Seconds for which it could have run and got no core, without the present wait.
        num_sleeps: How many times it gave up its core to wait for anything else.
        can_run: Whether it is running or waits for a core.
    """

    cpu_s: float = 0.0
    waited_s: float = 0.0
    num_sleeps: int = 0
    can_run: bool = False


def usage_of(pid: int) -> Usage:
    """Return the usage of a process of one thread; zeros if it has ended or is not told."""
    try:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            cpu_ns, waited_ns, _ = map(int, file.read().split())
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            status = dict(line.split(":", 1) for line in file if ":" in line)
        num_sleeps = int(status["voluntary_ctxt_switches"])
    except (OSError, KeyError, ValueError):
        return Usage()
    return Usage(cpu_ns / 1e9, waited_ns / 1e9, num_sleeps, status["State"].split()[0] == "R")


def credit_s(wall_s: float, program: Usage, tests: Usage, num_bytes: int) -> float:
    """Return for how many seconds the machine kept a program and its tests from running.

    Waits of the tests count while the program sleeps, so that none counts twice. Those of a process
    that sleeps more often than its messages explain do not count: it would wait after each sleep,
    and could so pass its time without using it.

    Args:
        wall_s: Seconds since both started.
        program: Usage of the program since then.
        tests: Usage of its tests since then.
        num_bytes: Bytes that they have exchanged, and a piece more for each message to the program.
    """
    num_sleeps = FREE_SLEEPS + 2 * num_bytes // PIECE
    of_program, of_tests = (
        used.waited_s if used.num_sleeps <= num_sleeps else 0.0 for used in (program, tests)
    )
    slept_s = max(wall_s - program.cpu_s - program.waited_s, 0.0)
    return of_program + min(of_tests, slept_s)


class Clock:
    """The time of a program and its tests, from now on.

    Time counts unless one of the two waits for a core: a program that sleeps or has stopped ends at
    its limit, and a busy machine changes no verdict.

    Args:
        timeout_s: Their time limit, in seconds.
        pids: Numbers of the processes of the program and of the tests.
    """

    def __init__(self, timeout_s: float, pids: tuple[int, int]) -> None:
        self._timeout_s = timeout_s
        self._pids = pids
        self._started = time.monotonic()
        self._first = tuple(map(usage_of, pids))
        self._cpu_s: float | None = None  # at the last look, if the time seemed to be over

    def look(self, num_bytes: int) -> tuple[float, bool]:
        """Return the seconds until the next look, 0 at the end, and whether too few were given.

        A wait is known only when it is over: at the limit, a process that could run and has not run
        since the last look is waited for.

        Args:
            num_bytes: See `credit_s`.
        """
        wall_s = time.monotonic() - self._started
        used = tuple(map(usage_of, self._pids))
        program, tests = (
            now._replace(
                cpu_s=now.cpu_s - first.cpu_s,
                waited_s=max(now.waited_s - first.waited_s, 0.0),
                num_sleeps=now.num_sleeps - first.num_sleeps,
            )
            for now, first in zip(used, self._first, strict=True)
        )
        left_s = self._timeout_s - (wall_s - credit_s(wall_s, program, tests, num_bytes))
        if wall_s > WALL_RATIO * self._timeout_s:
            return 0.0, left_s > 0
        if left_s > 0:
            self._cpu_s = None
            return left_s, False
        before, self._cpu_s = self._cpu_s, program.cpu_s + tests.cpu_s
        is_kept = before == self._cpu_s and (program.can_run or tests.can_run)
        return (LOOK_S if before is None or is_kept else 0.0), False
