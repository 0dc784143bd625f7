"""Whether the code in a model's folder or hub repository may run: only if it is trusted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_IS_TRUSTED: ContextVar[bool] = ContextVar("_IS_TRUSTED", default=False)


@contextmanager
def remote_code(*, trusted: bool) -> Iterator[None]:
    """Allow, or refuse, the code of the models that are loaded in the block.

    This includes the base models that adapters name. Outside of such a block it is refused.
    """
    token = _IS_TRUSTED.set(trusted)
    try:
        yield
    finally:
        _IS_TRUSTED.reset(token)


def is_trusted() -> bool:
    """Return whether the code of a model may run."""
    return _IS_TRUSTED.get()
