"""Worker processes that Ctrl-C ends at once and without a traceback."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, resource_tracker


def worker_pool(num_workers: int) -> ProcessPoolExecutor:
    """Return a pool whose processes have one thread each and have been started.

    Args:
        num_workers: Processes.

    Note: A process that is starting raises KeyboardInterrupt in the middle of an import. The
        signal is blocked until then, and what has come meanwhile ends the process.
    """
    context = get_context("spawn")  # a forked torch may wait for a thread that does not exist
    pool = ProcessPoolExecutor(num_workers, mp_context=context, initializer=_begin)
    resource_tracker.ensure_running()  # its start would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pool.submit(int)  # starts the processes
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pool


def _begin() -> None:
    # Read when torch is first imported: processes that share cores must not start more.
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
