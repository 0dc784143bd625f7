"""Settings of Python's garbage collector for training, which creates few cycles."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (50_000, 20, 50)
"""Thresholds of the three generations, see `gc.set_threshold`.

A step creates about 100,000 objects that live until its end, none of them in a cycle, so collecting
after every 700 objects, the default, has no benefit.
"""

_lock = threading.Lock()
_before: list[tuple[int, int, int]] = []
"""The previous thresholds of each active run; the first are Python's defaults."""


@contextmanager
def infrequent_collections() -> Iterator[None]:
    """Collect less often inside the block, and never objects that exist already, such as torch.

    Note: A full collection takes as long as a step of a small model. Existing objects are frozen
        until the end, so cycles among them are not collected before.
    """
    with _lock:
        _before.append(gc.get_threshold())
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        with _lock:
            last = _before.pop()
            if not _before:
                gc.set_threshold(*last)
                gc.unfreeze()
