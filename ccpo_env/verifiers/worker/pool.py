"""A pool of worker processes, each of which can be killed without affecting other calls."""

from __future__ import annotations

import atexit
import itertools
import json
import math
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import parent_process
from typing import Any, Literal

from ccpo_env.verifiers.worker.handle import WORKER_COMMAND, Worker, WorkerDied
from ccpo_env.verifiers.worker.waiting import check_may_wait

Outcome = Literal["correct", "wrong", "unreadable", "spent", "timeout", "error"]
"""Result of a comparison; "unreadable": the gold answer cannot be parsed; "spent": it reached its
limit of CPU time; "timeout": it got too little CPU time to reach either an end or that limit."""

WALL_RATIO = 10
"""Limit of wall-clock time, as a multiple of that of CPU time: a process that others keep from
running is not slow. On Windows, where CPU time cannot be limited, both are the same."""
START_LIMIT_S = 600.0
"""Time limit for the start of a worker, in seconds: for cold disks and busy machines."""
ORPHAN_GRACE_S = 2.0
"""Seconds past the time limit after which an orphaned comparison ends itself."""
MAX_CALLS = 1000
"""Calls after which a worker is replaced, in case that it cannot fork and its caches grow."""
NUM_ATTEMPTS = 2
"""Attempts per call: the first worker may have died for an unrelated reason."""


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
        self._is_forked = False
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

    def start_early(self) -> None:
        """Start a worker in the background if there is none: the first call need not wait for it.

        Does nothing in a child of `multiprocessing` or of a fork, which may never verify, and if
        no process can be started: the first call tries again and reports the reason.
        """
        if self._is_forked or parent_process() is not None:
            return
        with self._lock, suppress(OSError):
            if not self._is_closed and not self._workers:
                self._idle.append(self._start())

    def compare(
        self, gold: str, answer: str, *, timeout_s: float, max_cpu_s: float = math.inf
    ) -> tuple[Outcome, str]:
        """Compare two answers in a worker.

        Args:
            gold: LaTeX of the gold answer, without delimiters.
            answer: LaTeX of the model's answer, without delimiters.
            timeout_s: CPU seconds of the comparison. WALL_RATIO times as many seconds of
                wall-clock time end it as well, from the moment a ready worker gets the request.
            max_cpu_s: Upper bound of the CPU seconds only.

        Returns:
            The outcome, and one sentence that explains "unreadable", "timeout" and "error".
        """
        check_may_wait()
        cpu_limit_s = min(timeout_s, max_cpu_s)
        wall_s = cpu_limit_s if sys.platform == "win32" else WALL_RATIO * timeout_s
        request = {
            "gold": gold,
            "answer": answer,
            "cpu_limit_s": cpu_limit_s,
            "limit_s": wall_s + ORPHAN_GRACE_S,
        }
        reason = ""
        with self._slots:
            for attempt in range(NUM_ATTEMPTS):
                try:
                    reply = self._request(request, wall_s, is_retry=attempt > 0)
                except TimeoutError:
                    self._start_spare()
                    return "timeout", (
                        f"comparison must get {cpu_limit_s} s of CPU time, got less within "
                        f"{wall_s} s; drop the rollout, or run less beside it"
                    )
                except (WorkerDied, OSError) as error:
                    reason = str(error)
                else:
                    return reply["status"], reply["detail"]
        return "error", f"worker must reply, got none from {NUM_ATTEMPTS} in a row: {reason}"

    def _request(
        self, request: Mapping[str, object], limit_s: float, *, is_retry: bool
    ) -> dict[str, Any]:
        """Return the reply of one worker, which is reused only if the reply is valid."""
        worker = self._take(is_retry=is_retry)
        has_replied = False
        try:
            call_id = next(self._ids)
            line = json.dumps({"id": call_id, **request}).encode() + b"\n"
            reply = worker.exchange(line, limit_s=limit_s)
            if reply.get("id") != call_id:
                raise WorkerDied(f"it replied to call {reply.get('id')} instead of {call_id}")
            has_replied = True
            if reply["status"] == "died":
                raise WorkerDied(reply["detail"])
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
        self._is_forked = True
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
