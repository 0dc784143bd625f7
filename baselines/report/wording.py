"""Numbers, names and p-values as the sentences and tables of a run print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from baselines.common.stats import Estimate
from baselines.common.stats.paired import PairedDifference
from baselines.common.stats.significance import p_text

MAX_NAMED = 5
"""Maximum number of agents that a sentence lists by name."""


def percent(rate: Estimate) -> str:
    """Return a rate as in "28.5 %"."""
    return f"{100.0 * rate.value:.1f} %"


def percent_with_interval(rate: Estimate) -> str:
    """Return a rate with its interval as in "28.5 % [24.3, 33.1]"."""
    return f"{percent(rate)} [{100.0 * rate.low:.1f}, {100.0 * rate.high:.1f}]"


def points(difference: Estimate) -> str:
    """Return a difference of rates in percentage points, as in "+2.3 points [+0.9, +4.1]"."""
    value, low, high = (
        format(round(100.0 * end, 1) + 0.0, "+.1f")  # + 0.0: no minus sign before a 0
        for end in (difference.value, difference.low, difference.high)
    )
    return f"{value} points [{low}, {high}]"


def p_words(difference: PairedDifference, *, at_most: bool = False, num_tests: int = 1) -> str:
    """Return the p-value as in "exact p = 0.004"; the sign-flip test is not exact.

    Args:
        difference: The tested difference.
        at_most: Whether the p-value is an upper bound, as in "p <= 0.004".
        num_tests: Tests that the p-value is adjusted for, which are named if there are several.
    """
    exact = "exact " if difference.test == "McNemar" else ""
    text = p_text(difference.p_value)
    holm = f" (Holm over {num_tests} tests)" if num_tests > 1 else ""
    return f"{exact}{text.replace(' = ', ' <= ') if at_most else text}{holm}"


def points_with_p(difference: PairedDifference, *, at_most: bool = False) -> str:
    """Return a difference as in "+2.3 points [+0.9, +4.1], exact p = 0.004"; see `p_words`."""
    return f"{points(difference)}, {p_words(difference, at_most=at_most)}"


def correlation(value: float, low: float | None = None, high: float | None = None) -> str:
    """Return a correlation, with its interval if it has one, as in "0.993 [0.990, 0.995]"."""
    interval = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
    return f"{value:.3f}{interval}"


def critic_weights(weights: Mapping[str, float]) -> str:
    """Return the sentence for agents whose credit is shared until their critic has its weight."""
    who = ", ".join(f"{weight:.2f} for {agent}" for agent, weight in weights.items())
    return (
        f"The critic has weight {who} so far, and the rest of the credit is the shared reward; see "
        f"docs/howto/critic.md."
    )


def names_of(removed: str) -> str:
    """Return the removed agents as a sentence names them."""
    return removed.replace("+", " and ")


def listed(names: Sequence[str], word: str = "and") -> str:
    """Return names as in "a, b and c", or their number if there are many."""
    if len(names) > MAX_NAMED:
        return f"{'any of ' if word == 'or' else ''}{len(names)} agents"
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), names[-1])))
