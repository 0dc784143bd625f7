"""Signals that end a command: handled in the main thread, and as before once a block has ended."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from baselines.common.errors import Terminated


def existing(*names: str) -> list[signal.Signals]:
    """Return the signals of these names that the system has."""
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


ENDING = existing("SIGTERM", "SIGHUP")
"""Signals of schedulers and closed terminals."""


@contextmanager
def handled(numbers: Iterable[int], handle: Callable[[int], None]) -> Iterator[None]:
    """Call a function with the number of each of these signals that arrives inside the block.

    Only the main thread receives signals; in other threads, this has no effect.
    """

    def receive(number: int, _frame: FrameType | None) -> None:
        handle(number)

    before = {}
    with suppress(ValueError):  # not the main thread
        for number in numbers:
            before[number] = signal.signal(number, receive)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ending_signals() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM and SIGHUP, so that locks and workers end with the command.

    A signal that is ignored, as SIGHUP is under nohup, stays ignored.
    """

    def end(number: int) -> None:
        raise Terminated(number)

    untouched = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    with handled(untouched, end):
        yield
