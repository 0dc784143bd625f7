"""Verify many responses in parallel, on the workers of all cores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from ccpo_env.types import Verdict
from ccpo_env.verifiers.math.verifier import check_timeout, verify

THREADS_PER_CPU = 2
"""More threads than workers, so that answers without need of a worker do not wait."""


def verify_many(
    responses: Sequence[str], golds: Sequence[str], *, timeout_s: float = 5.0
) -> list[Verdict]:
    """Return the verdict on each response; see `verify`.

    Args:
        responses: Full responses of a model.
        golds: One gold answer per response.
        timeout_s: Time limit of one comparison in a worker, in CPU seconds.

    Returns:
        One verdict per response, in order.

    Raises:
        ValueError: If there are not as many golds as responses, or timeout_s is out of range.

    Note: Threads wait for the workers; comparisons that need no worker run in this process, one
        after the other. A pair that cannot be compared gets its own "no_answer", "timeout" or
        "error" and does not affect the others.
    """
    check_timeout(timeout_s)
    if len(responses) != len(golds):
        raise ValueError(
            f"golds must be as many as responses, got {len(golds)} for {len(responses)}; give "
            f"each response its gold answer"
        )
    with ThreadPoolExecutor(THREADS_PER_CPU * (os.cpu_count() or 1)) as threads:
        return list(threads.map(partial(verify, timeout_s=timeout_s), responses, golds))
