"""One verdict: start the program and its tests apart from each other, and watch the time."""

from __future__ import annotations

import json
import math
import mmap
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from ccpo_env.verifiers.code.sandbox import isolation, program_side, sources  # noqa: F401  # P reads
from ccpo_env.verifiers.code.sandbox.watch import Clock
from ccpo_env.verifiers.code.sandbox.wire import Json, Lines

START_LIMIT_S = 60.0
"""Time limit for the start of both processes, in seconds: for busy machines."""
GRACE_S = 2.0
"""Seconds for the tests to end after the program was ended."""


class Settings:
    """Limits of one verdict; see `CodeVerifier`.

    Args:
        timeout_s: Seconds that the program and its tests may take.
        memory_mb: Address space of each, in MiB.
        mount_point: Folder to cover with the new root; None: without namespaces.
        work_folder: Folder to work in without namespaces.
    """

    def __init__(
        self, *, timeout_s: float, memory_mb: int, mount_point: str | None, work_folder: str
    ) -> None:
        self.timeout_s = timeout_s
        self.memory_mb = memory_mb
        self.mount_point = mount_point
        self.work_folder = work_folder


class Side:
    """One of the two processes: it reports on a pipe, and it is killed through a descriptor."""

    def __init__(self, settings: Settings, run: Callable[[int], None], files: list[int]) -> None:
        self.reports, report = os.pipe()
        leash, self._leash = os.pipe()
        self._rest = b""
        self._waited = os.fork()
        if self._waited == 0:
            _become(settings, run, [*files, report], report, leash)
        os.close(report)
        os.close(leash)
        self.process = -1
        self.pid = 0
        self.in_force: Json = []

    def has_report(self, limit_s: float) -> bool:
        """Wait for a report, or for the end of the process; return whether one of them is there."""
        return b"\n" in self._rest or bool(select.select([self.reports], [], [], limit_s)[0])

    def read(self) -> dict[str, Json] | None:
        """Return the next report, which is there or nearly so; None if the process has ended."""
        while b"\n" not in self._rest:
            chunk = os.read(self.reports, 1 << 16)
            if not chunk:
                return None
            self._rest += chunk
        line, self._rest = self._rest.split(b"\n", 1)
        report: dict[str, Json] = json.loads(line)
        return report

    def is_isolated(self) -> str:
        """Wait for the process to leave everything behind; return why it could not, or nothing."""
        report = self.read() if self.has_report(START_LIMIT_S) else None
        if report is None:
            return f"the process must start within {START_LIMIT_S} s, got none"
        if "error" in report:
            return str(report["error"])
        self.pid = int(str(report["pid"]))
        self.in_force = report["in_force"]
        self.process = os.pidfd_open(self.pid)
        return ""

    def end(self) -> None:
        """Kill the process and wait until it has gone."""
        if self.process >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.process, signal.SIGKILL)
        elif self._waited:
            os.kill(self._waited, signal.SIGKILL)
        if self._waited:
            os.close(self._leash)
            os.waitpid(self._waited, 0)
            self._waited = 0


def _become(
    settings: Settings, run: Callable[[int], None], files: list[int], report: int, leash: int
) -> None:
    """Turn this fork into one of the two processes, or into the one that waits for it; exits.

    The latter keeps the number of the process from use by another until the leash is let go.
    """
    try:
        isolation.die_with_parent()
        isolation.keep_only([*files, leash])
        if settings.mount_point is not None:
            isolation.new_namespaces()
            first = os.fork()  # the first process of the new PID namespace: with it, all end
            if first:
                for file in files:
                    os.close(file)
                os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
                os.read(leash, 1)
                os.waitpid(first, 0)
                os._exit(0)
        else:
            os.chdir(settings.work_folder)
        os.close(leash)
        pid = int(os.readlink("/proc/self"))
        isolation.leave(settings.mount_point)
        cpu_s = math.ceil(settings.timeout_s) + 1
        in_force = isolation.limit(cpu_s=cpu_s, memory_mb=settings.memory_mb)
        message = {"pid": pid, "in_force": in_force}
        os.write(report, json.dumps(message).encode() + b"\n")
    except Exception as error:
        os.write(report, json.dumps({"error": str(error)}).encode() + b"\n")
        os._exit(1)
    try:
        run(report)
    finally:
        os._exit(0)


def main() -> None:
    """Reach one verdict: settings in the arguments, the job on standard input, JSON out."""
    isolation.die_with_parent()
    isolation.hide_memory()
    settings = Settings(**json.loads(sys.argv[1]))
    try:
        isolation.check_proc()
    except OSError as error:
        os.write(1, json.dumps({"outcome": "not_isolated", "reason": str(error)}).encode())
        return
    calls, asks = os.pipe()
    answers, replies = os.pipe()

    def program(report: int) -> None:
        os.close(report)
        program_side.serve(Lines(calls, replies))

    # Before the job is read: the tests are in no memory from which the program is forked.
    tested = Side(settings, program, [calls, replies])
    os.close(calls)
    os.close(replies)

    from ccpo_env.verifiers.code.sandbox import checker_side

    moved = mmap.mmap(-1, mmap.PAGESIZE)  # which the program, started before, has no part in
    stdin = os.dup(0)
    job = checker_side.Job(**json.loads(_read_all(stdin)))

    def tests(report: int) -> None:
        def send(message: dict[str, Json]) -> None:
            os.write(report, json.dumps(message).encode() + b"\n")

        def count(num_bytes: int) -> None:
            moved[:8] = (_count(moved) + num_bytes).to_bytes(8, "little")

        send(checker_side.check(job, Lines(answers, asks, count), send))

    checker = Side(settings, tests, [answers, asks])
    os.close(answers)
    os.close(asks)
    reason = tested.is_isolated() or checker.is_isolated()
    if reason:
        result: dict[str, Json] = {"outcome": "not_isolated", "reason": reason}
    else:
        result = {**_watch(settings, tested, checker, moved), "in_force": tested.in_force}
    tested.end()
    checker.end()
    os.write(1, json.dumps(result).encode())


def _read_all(file: int) -> bytes:
    chunks = []
    while chunk := os.read(file, 1 << 20):
        chunks.append(chunk)
    return b"".join(chunks)


def _count(moved: mmap.mmap) -> int:
    return int.from_bytes(moved[:8], "little")


def _watch(settings: Settings, tested: Side, checker: Side, moved: mmap.mmap) -> dict[str, Json]:
    """Wait for the result of the tests; end the program when its time is over.

    The tests have a while to say what they have found by then. Whatever they do from the start of
    the program on, also with its answers, is the program's.
    """
    clock = Clock(settings.timeout_s, (tested.pid, checker.pid))
    result: dict[str, Json] = {}
    is_over = is_starved = False
    left_s = settings.timeout_s
    while True:
        if checker.has_report(left_s):
            report = checker.read()
            if report is None or "outcome" in report:
                result.update(report or {})
                break
            result.update(report)
        elif is_over:
            checker.end()
            while (report := checker.read()) is not None:
                result.update(report)
            break
        if not is_over:
            left_s, is_starved = clock.look(_count(moved))
            if left_s <= 0:
                is_over = True
                tested.end()
        left_s = GRACE_S if is_over else left_s
    return _final(result, is_over=is_over, is_starved=is_starved)


def _final(result: dict[str, Json], *, is_over: bool, is_starved: bool) -> dict[str, Json]:
    """Return the result of tests that may not have come to their end, or too late."""
    if is_starved:
        return {**result, "outcome": "timeout"}
    if "outcome" in result and not (is_over and result["outcome"] == "passed"):
        return result
    if "block" not in result:
        return {"outcome": "error", "reason": "the tests must start, got no report from them"}
    return {**result, "outcome": "failed"}
