"""Stop a run between two steps instead of in the middle of one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_requests(on_request: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C (or SIGTERM) into a request; the second interrupts at once.

    Args:
        on_request: Called once, when the first signal arrives.

    Yields:
        A function that returns whether a stop was requested.

    Note: Only the main thread receives signals; in other threads, this has no effect.
    """
    requested = False

    def request(_signal: int, _frame: FrameType | None) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True
        on_request()

    try:
        previous = {number: signal.signal(number, request) for number in _SIGNALS}
    except ValueError:  # not the main thread
        previous = {}
    try:
        yield lambda: requested
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
