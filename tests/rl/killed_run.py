"""Train in a process that kills itself with SIGKILL at a moment given by its first arguments.

``python -m tests.rl.killed_run AFTER WAIT_S FLAG...`` trains with the flags and is killed
WAIT_S seconds after the AFTER-th fsync; with ``checkpoint`` in place of a number, at the first
fsync while the second checkpoint is written.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from baselines.train.command import main


def die() -> None:
    """Kill this process without cleanup."""
    os.kill(os.getpid(), signal.SIGKILL)


def train(after: str, wait_s: float, flags: Sequence[str]) -> int:
    """Train with the flags, and be killed on the way."""
    fsync, pushes = os.fsync, count(1)
    checkpoints = Path(flags[flags.index("--out-dir") + 1]) / "checkpoints"

    def is_due() -> bool:
        if after == "checkpoint":
            return any(checkpoints.glob("part_*")) and any(checkpoints.glob("step_*"))
        return next(pushes) == int(after)

    def push(handle: int) -> None:
        if is_due():
            die() if wait_s == 0.0 else threading.Timer(wait_s, die).start()
        fsync(handle)

    os.fsync = push
    return main(flags)


if __name__ == "__main__":
    sys.exit(train(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
