"""Worker processes that Ctrl-C ends at once and without a traceback."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import active_children, get_context, resource_tracker
from typing import TypeVar

from baselines.common.errors import WorkerError

Item = TypeVar("Item")
Result = TypeVar("Result")


def worker_pool(num_workers: int) -> ProcessPoolExecutor:
    """Return a pool whose processes have one thread each and have been started.

    Args:
        num_workers: Number of processes.

    Note: A starting process would raise KeyboardInterrupt in the middle of an import. SIGINT is
        therefore blocked until its imports are done; a pending one then ends the process.
    """
    context = get_context("spawn")  # a forked torch may wait for a thread that does not exist
    pool = ProcessPoolExecutor(num_workers, mp_context=context, initializer=_begin)
    resource_tracker.ensure_running()  # its start would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for _ in range(num_workers):
            pool.submit(int)  # starts a process, because no process is idle yet
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pool


@contextmanager
def waiting_for_workers() -> Iterator[None]:
    """End the worker processes at once if Ctrl-C or a signal ends the block.

    Without it, a signal to this process alone would leave it waiting for what they are at.

    Raises:
        WorkerError: If a worker process has been killed.
    """
    try:
        yield
    except KeyboardInterrupt:
        for process in active_children():
            process.terminate()
        raise
    except BrokenProcessPool:
        raise WorkerError(
            "worker processes must run to their end, got one that was killed, as when memory runs "
            "out; run the same command again with fewer workers: what is finished is kept"
        ) from None


def map_in_order(
    pool: ProcessPoolExecutor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    num_workers: int,
) -> Iterator[Result]:
    """Yield the results of a function in the order of its items.

    Args:
        pool: Calls the function.
        function: Picklable.
        items: Arguments, picklable.
        num_workers: Number of processes of the pool; one item more than that is submitted.

    Note: ``pool.map`` submits all items at once, and cancels them on an interrupt while the pool,
        whose workers have ended, marks them as failed: Python 3.11 then prints a traceback.
    """
    rest = iter(items)
    pending = deque(pool.submit(function, item) for item in islice(rest, num_workers + 1))
    while pending:
        with waiting_for_workers():
            result = pending.popleft().result()
        yield result
        pending.extend(pool.submit(function, item) for item in islice(rest, 1))


def _begin() -> None:
    # Read when torch is first imported: processes that share cores must use one thread each.
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
