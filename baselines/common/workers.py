"""Worker processes that Ctrl-C ends at once and without a traceback."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context, resource_tracker
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
        for _ in range(num_workers):
            pool.submit(int)  # starts a process, as none has begun to wait for work
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pool


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
        num_workers: Processes of the pool; one item more than that is under way.

    Note: ``pool.map`` hands over all items at once, and cancels them when it is interrupted, while
        the pool, whose workers have ended, reports them as failed: a traceback of Python 3.11.
    """
    rest = iter(items)
    going = deque(pool.submit(function, item) for item in islice(rest, num_workers + 1))
    while going:
        yield going.popleft().result()
        going.extend(pool.submit(function, item) for item in islice(rest, 1))


def _begin() -> None:
    # Read when torch is first imported: processes that share cores must not start more.
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
