"""Tell verifications that wait for another process from those that end at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_MAY_WAIT = ContextVar("_MAY_WAIT", default=True)


class WouldWait(Exception):
    """A verification needs another process where it must not wait; verify anew elsewhere."""


@contextmanager
def without_waiting() -> Iterator[None]:
    """In its block, a verification that needs another process raises `WouldWait` instead."""
    token = _MAY_WAIT.set(False)
    try:
        yield
    finally:
        _MAY_WAIT.reset(token)


def check_may_wait() -> None:
    """Raise WouldWait in a block of `without_waiting`; called before another process is used."""
    if not _MAY_WAIT.get():
        raise WouldWait
