"""The garbage collector of Python, told that training leaves little for it to find."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (50_000, 20, 50)
"""New objects until the collector looks at them, and rounds until it looks at older ones.

A step makes some 100,000 objects that all live until its end, and none of them in a cycle: to look
at them 700 at a time is for nothing.
"""

_lock = threading.Lock()
_before: list[tuple[int, int, int]] = []
"""The thresholds before each run that is under way, first those of Python."""


@contextmanager
def infrequent_collections() -> Iterator[None]:
    """Let the collector look seldom, and never at what exists already, such as torch.

    Note: One look at all modules takes as long as a step of a small model. What exists is left
        alone until the end, so what becomes garbage of it in cycles stays until then.
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
