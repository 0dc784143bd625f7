"""Delays that servers request in the header Retry-After."""

from __future__ import annotations

import math
from email.utils import parsedate_to_datetime


def retry_after_s(header: str | None, *, now_s: float) -> float:
    """Return the delay of a Retry-After header in seconds, 0 without a valid one.

    Args:
        header: A number of seconds, or an HTTP date.
        now_s: The time, in seconds since 1970.
    """
    if header is None:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - now_s
        except (ValueError, OverflowError, OSError, TypeError, IndexError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0
