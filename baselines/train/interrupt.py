"""Stop a run between two steps instead of in the middle of one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from baselines.common.errors import SIGNALLED, Terminated
from baselines.common.signals import ENDING, handled


class StopRequest:
    """Whether a run shall stop after its step, and the signal that asked for it."""

    def __init__(self) -> None:
        self.number: int | None = None

    @property
    def exit_code(self) -> int:
        """Exit code of the program; 0 without a request."""
        return 0 if self.number is None else SIGNALLED + self.number


@contextmanager
def stop_requests(on_request: Callable[[], None]) -> Iterator[StopRequest]:
    """Turn the first Ctrl-C, SIGTERM or SIGHUP into a request; the second interrupts at once.

    Args:
        on_request: Called once, when the first signal arrives.

    Yields:
        The request, without a number until the first signal arrives.

    Raises:
        KeyboardInterrupt: On the second signal; `Terminated` if it is not Ctrl-C.

    Note: Only the main thread receives signals; in other threads, this has no effect. A signal that
        is ignored, as SIGHUP is under nohup, stays ignored, apart from Ctrl-C, which shells make
        scripts ignore that they start in the background.
    """
    request = StopRequest()

    def stop(number: int) -> None:
        if request.number is not None:
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)
        request.number = number
        on_request()

    heard = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    with handled([signal.SIGINT, *heard], stop):
        yield request
