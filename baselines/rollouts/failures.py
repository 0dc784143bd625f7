"""Why episodes were not measured, and the error if that is so of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from baselines.common.errors import RolloutError
from ccpo_env.types import Verdict


def failures_of(verdicts: Iterable[Verdict]) -> Counter[str]:
    """Return why episodes were not measured, each reason with its number of episodes."""
    return Counter(map(_reason, (own for own in verdicts if own.reward is None)))


def nothing_measured(where: str, failures: Counter[str], num_episodes: int) -> RolloutError:
    """Return the error that no episode of the whole team was measured.

    Args:
        where: Which episodes, as "step 3".
        failures: Why episodes were not measured, at least one; see `failures_of`.
        num_episodes: Number of episodes, measured ones without some agents included.
    """
    ((reason, most),) = failures.most_common(1)
    return RolloutError(
        f"{where} must measure at least one episode of the whole team, got none, with "
        f"{failures.total()} of {num_episodes} episodes not measured; the reason of {most} of "
        f"them: {reason}; check the server or the verifier"
    )


def _reason(verdict: Verdict) -> str:
    """Return the reason of a failure, on one line and without the period at its end."""
    said = " ".join(verdict.detail.split()).rstrip(". ")
    return said or f"the verifier says {verdict.status!r} and not why"
