"""A pool of worker processes, each of which can be killed without affecting other calls."""

from __future__ import annotations

import atexit
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["correct", "wrong", "unreadable", "spent", "timeout", "error"]
"""Result of a comparison; "unreadable": the gold answer cannot be parsed; "spent": it reached its
limit of CPU time."""

START_LIMIT_S = 60.0
"""Time limit for the start of a worker, in seconds: generous, for cold disks."""
ORPHAN_GRACE_S = 2.0
"""Seconds past the time limit after which an orphaned worker ends itself."""
MAX_CALLS = 1000
"""Calls after which a worker is replaced, so that caches cannot fill its memory limit."""
NUM_ATTEMPTS = 2
"""Attempts per call: the first worker may have died for an unrelated reason."""

# By path, because -m would import all of this package; -P keeps this folder off sys.path.
WORKER_COMMAND = (
    sys.executable,
    *("-P", "-W", "ignore"),
    str(Path(__file__).with_name("process.py")),
)


class WorkerDied(Exception):
    """A worker ended before it replied; the message holds the reason."""


class CpuTimeSpent(Exception):
    """A worker reached its limit of CPU time."""


class Worker:
    """One process that answers one request at a time."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command,
            bufsize=0,  # without a lock, which a fork could copy while it is held
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": "0"},  # the order of terms must not vary
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._pipes = (self._process.stdin, self._process.stdout)
        self.pid = self._process.pid
        self.is_ready = False  # until it reports that it is ready
        self.num_calls = 0

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def exchange(self, request: bytes, *, limit_s: float) -> dict[str, Any]:
        """Send a request and return the reply.

        Args:
            request: One line, or nothing to wait for the first message.
            limit_s: Seconds after which the process is killed.

        Raises:
            TimeoutError: If the process was killed at the time limit.
            CpuTimeSpent: If it ended at its limit of CPU time.
            WorkerDied: If it ended by itself, or replied with anything but a JSON object.
        """
        is_over = threading.Event()

        def end() -> None:
            is_over.set()
            self._process.kill()

        timer = threading.Timer(limit_s, end)
        timer.daemon = True
        timer.start()
        try:
            reply = self._send_and_receive(request)
        finally:
            timer.cancel()
        if is_over.is_set():
            raise TimeoutError
        if not reply.endswith(b"\n"):
            if self._has_spent_its_time():
                raise CpuTimeSpent
            raise WorkerDied("it ended")
        try:
            message = json.loads(reply)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise WorkerDied(f"it replied {reply[:80]!r}")
        return message

    def _send_and_receive(self, request: bytes) -> bytes:
        """Return one line, or less if the process ended before it wrote one."""
        stdin, stdout = self._pipes
        reply = b""
        try:
            while request:
                request = request[os.write(stdin.fileno(), request) :]
            while not reply.endswith(b"\n"):
                chunk = os.read(stdout.fileno(), 1 << 16)
                if not chunk:
                    break
                reply += chunk
        except OSError:  # a broken pipe means the same as an early end
            return b""
        return reply

    def _has_spent_its_time(self) -> bool:
        """Return whether the process, whose pipe is closed, ended at its limit of CPU time."""
        if sys.platform == "win32":
            return False
        self._process.kill()  # no effect on an ended process
        return self._process.wait() == -signal.SIGPROF

    def kill(self) -> None:
        """Kill the process. A thread that waits for its reply gets WorkerDied."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Kill the process and close the pipes, which no other thread may be using."""
        self.kill()
        self.close_pipes()

    def close_pipes(self) -> None:
        """Close this process's ends of the pipes."""
        for pipe in self._pipes:
            pipe.close()

    def disown(self) -> None:
        """Give up a worker that belongs to the parent of this forked process."""
        self._process.returncode = 0  # neither wait for it nor warn that it is running
        self.close_pipes()


class WorkerPool:
    """Starts workers on demand, reuses them, and replaces those that end.

    Thread-safe; calls beyond the number of workers wait, and waiting does not count against
    their time limit. A forked child starts without workers.

    Args:
        command: Program and arguments of one worker.
        max_workers: Most processes at a time. None for one per CPU.
        start_limit_s: Time limit until a worker reports that it is ready, in seconds.
    """

    def __init__(
        self,
        command: Sequence[str] = WORKER_COMMAND,
        *,
        max_workers: int | None = None,
        start_limit_s: float = START_LIMIT_S,
    ) -> None:
        self._command = command
        self._max_workers = max_workers or os.cpu_count() or 1
        self._start_limit_s = start_limit_s
        self._ids = itertools.count()
        self._forget_workers()

    def _forget_workers(self) -> None:
        self._lock = threading.Lock()  # guards the next three, and is held while forking
        self._workers: set[Worker] = set()
        self._idle: list[Worker] = []
        self._is_closed = False
        self._slots = threading.BoundedSemaphore(self._max_workers)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers, busy and idle."""
        with self._lock:
            return sorted(worker.pid for worker in self._workers)

    def compare(
        self, gold: str, answer: str, *, timeout_s: float, cpu_limit_s: float = 0.0
    ) -> tuple[Outcome, str]:
        """Compare two answers in a worker.

        Args:
            gold: LaTeX of the gold answer, without delimiters.
            answer: LaTeX of the model's answer, without delimiters.
            timeout_s: Seconds from the moment a ready worker gets the request.
            cpu_limit_s: Limit of CPU time in seconds, independent of the load of the machine; 0:
                none. Not supported on Windows.

        Returns:
            The outcome, and one sentence that explains "unreadable", "timeout" and "error".
        """
        request = {
            "gold": gold,
            "answer": answer,
            "limit_s": timeout_s + ORPHAN_GRACE_S,
            "cpu_limit_s": cpu_limit_s,
        }
        reason = ""
        with self._slots:
            for attempt in range(NUM_ATTEMPTS):
                try:
                    reply = self._request(request, timeout_s, is_retry=attempt > 0)
                except CpuTimeSpent:
                    self._start_spare()
                    return "spent", ""
                except TimeoutError:
                    self._start_spare()
                    return "timeout", (
                        f"comparison must end within {timeout_s} s, got no result; "
                        f"raise timeout_s or drop the rollout"
                    )
                except (WorkerDied, OSError) as error:
                    reason = str(error)
                else:
                    return reply["status"], reply["detail"]
        return "error", f"worker must reply, got none from {NUM_ATTEMPTS} in a row: {reason}"

    def _request(
        self, request: Mapping[str, object], timeout_s: float, *, is_retry: bool
    ) -> dict[str, Any]:
        """Return the reply of one worker, which is reused only if the reply is valid."""
        worker = self._take(is_retry=is_retry)
        has_replied = False
        try:
            call_id = next(self._ids)
            line = json.dumps({"id": call_id, **request}).encode() + b"\n"
            reply = worker.exchange(line, limit_s=timeout_s)
            if reply.get("id") != call_id:
                raise WorkerDied(f"it replied to call {reply.get('id')} instead of {call_id}")
            has_replied = True
            return reply
        finally:  # also when the caller is interrupted
            worker.num_calls += 1
            self._give_back(worker, is_usable=has_replied and worker.num_calls < MAX_CALLS)

    def _take(self, *, is_retry: bool) -> Worker:
        """Return a ready worker; for a retry, a new one."""
        with self._lock:
            if self._is_closed:
                raise WorkerDied("the pool is closed")
            worker = self._idle.pop() if self._idle else None
            if worker is not None and not (
                worker.is_alive and (worker.num_calls == 0 or not is_retry)
            ):
                self._workers.remove(worker)
                worker.close()
                worker = None
            if worker is None:
                worker = self._start()
        if not worker.is_ready:
            self._greet(worker)
        return worker

    def _start(self) -> Worker:
        """Return a new worker, which may take a second to be ready. The lock must be held."""
        worker = Worker(self._command)
        self._workers.add(worker)
        return worker

    def _start_spare(self) -> None:
        """Start the successor of a killed worker, so that the next call need not wait for it."""
        with self._lock:
            if not self._is_closed and len(self._workers) < self._max_workers:
                try:
                    self._idle.append(self._start())
                except OSError:
                    return  # the next call tries again and reports the reason

    def _greet(self, worker: Worker) -> None:
        """Wait until a new worker reports that it is ready."""
        try:
            hello = worker.exchange(b"", limit_s=self._start_limit_s)
            if hello.get("status") != "ready":
                raise WorkerDied(f"it could not start: {hello.get('detail')}")
            worker.is_ready = True
        except TimeoutError:
            raise WorkerDied(f"it did not start within {self._start_limit_s} s") from None
        finally:
            if not worker.is_ready:
                self._give_back(worker, is_usable=False)

    def _give_back(self, worker: Worker, *, is_usable: bool) -> None:
        with self._lock:
            if is_usable and not self._is_closed:
                self._idle.append(worker)
                return
            self._workers.discard(worker)
        worker.close()

    def close(self) -> None:
        """End all workers. Calls that wait for one get an "error", and so do later calls."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
            self._workers.difference_update(idle)
            busy = list(self._workers)  # each is given back, and closed, by its own thread
        for worker in idle:
            worker.close()
        for worker in busy:
            worker.kill()

    def disown_workers(self) -> None:
        """Start without workers in a forked child: they belong to its parent."""
        for worker in self._workers:
            worker.disown()
        self._forget_workers()


POOL = WorkerPool()
"""The workers of this process."""

atexit.register(POOL.close)
if sys.platform != "win32":
    # Holding the lock during a fork ensures that the child knows every pipe it inherits:
    # one left open would keep a worker alive after its parent.
    os.register_at_fork(
        before=lambda: POOL._lock.acquire(),
        after_in_parent=lambda: POOL._lock.release(),
        after_in_child=POOL.disown_workers,
    )
