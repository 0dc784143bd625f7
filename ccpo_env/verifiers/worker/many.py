"""Compare many answers at once: the workers of all cores are kept busy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from ccpo_env.types import Verdict
from ccpo_env.verifiers.math.verifier import check_timeout, verify

THREADS_PER_CPU = 2
"""More than workers, so that answers which need none go on while others wait for theirs."""


def verify_many(
    responses: Sequence[str], golds: Sequence[str], *, timeout_s: float = 5.0
) -> list[Verdict]:
    """Return the verdict on each response; see `verify`.

    Args:
        responses: Full texts of a model.
        golds: One gold answer per response.
        timeout_s: Seconds that one comparison may take in a worker.

    Returns:
        One verdict per response, in order.

    Raises:
        ValueError: If there are not as many golds as responses, or timeout_s is out of range.

    Note: Threads wait for the workers; what is decided without a worker is decided here, one
        after the other. A pair that cannot be compared has its own "no_answer", "timeout" or
        "error" and changes nothing for the others.
    """
    check_timeout(timeout_s)
    if len(responses) != len(golds):
        raise ValueError(
            f"golds must be as many as responses, got {len(golds)} for {len(responses)}; give "
            f"each response its gold answer"
        )
    with ThreadPoolExecutor(THREADS_PER_CPU * (os.cpu_count() or 1)) as threads:
        return list(threads.map(partial(verify, timeout_s=timeout_s), responses, golds))
