"""One worker process, as the process that started it sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# By path, because -m would import all of this package; -P keeps this folder off sys.path.
WORKER_COMMAND = (
    sys.executable,
    *("-P", "-W", "ignore"),
    str(Path(__file__).with_name("process.py")),
)


class WorkerDied(Exception):
    """A worker ended before it replied; the message holds the reason."""


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
            process_group=None if sys.platform == "win32" else 0,  # to kill it with its fork
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
            WorkerDied: If it ended by itself, or replied with anything but a JSON object.
        """
        is_over = threading.Event()

        def end() -> None:
            is_over.set()
            self._end()

        timer = threading.Timer(limit_s, end)
        timer.daemon = True
        timer.start()
        try:
            reply = self._send_and_receive(request)
        finally:
            timer.cancel()
        if not reply.endswith(b"\n"):
            if is_over.is_set():
                raise TimeoutError
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

    def _end(self) -> None:
        """Kill the process and the comparison that it runs."""
        if sys.platform != "win32" and self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):  # it has just ended
                os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()

    def kill(self) -> None:
        """Kill the process. A thread that waits for its reply gets WorkerDied."""
        self._end()
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
