"""Numbers, names and p-values as the sentences and tables of a run print them."""

from __future__ import annotations

from collections.abc import Sequence

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


def p_words(difference: PairedDifference, *, at_most: bool = False) -> str:
    """Return the p-value as in "exact p = 0.004"; the sign-flip test is not exact.

    Args:
        difference: The tested difference.
        at_most: Whether the p-value is an upper bound, as in "p <= 0.004".
    """
    exact = "exact " if difference.test == "McNemar" else ""
    text = p_text(difference.p_value)
    return f"{exact}{text.replace(' = ', ' <= ') if at_most else text}"


def p_number(difference: PairedDifference, *, at_most: bool = False) -> str:
    """Return the p-value without its name, as in "0.004", "< 0.001" or "<= 0.004"."""
    return p_words(difference, at_most=at_most).removeprefix("exact ")[2:].removeprefix("= ")


def points_with_p(difference: PairedDifference, *, at_most: bool = False) -> str:
    """Return a difference as in "+2.3 points [+0.9, +4.1], exact p = 0.004"."""
    return f"{points(difference)}, {p_words(difference, at_most=at_most)}"


def names_of(removed: str) -> str:
    """Return the removed agents as a sentence names them."""
    return removed.replace("+", " and ")


def listed(names: Sequence[str], word: str = "and") -> str:
    """Return names as in "a, b and c", or their number if there are many."""
    if len(names) > MAX_NAMED:
        return f"{'any of ' if word == 'or' else ''}{len(names)} agents"
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def plural(number: int, thing: str) -> str:
    """Return a number with its noun, as in "1 step" and "2 steps"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
