"""The headline of an evaluation: its conclusions in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from baselines.common.stats import PairedDifference, p_text
from baselines.common.stats.paired import Test
from baselines.evaluate.paths import JOINT, TeamPath
from baselines.evaluate.summary import Row, Summary

MAX_TOLD = 5
"""Most agents and controls with a sentence of their own."""
TESTS: Mapping[Test, str] = {
    "McNemar": "exact McNemar",
    "sign flip": "sign-flip test",
    "sample exchange": "permutation of samples",
}


def sentences(summary: Summary) -> list[str]:
    """Return the accuracy of the team, and for each agent or control a verdict with its counts.

    Args:
        summary: Of all benchmarks together, from `summarize`.
    """
    team = summary.find("accuracy", JOINT)
    assert team is not None
    if team.estimate is None:
        return ["No answer of the whole team could be verified."]
    unit = "tasks" if summary.num_samples == 1 else "samples"
    first = f"The whole team is right on {team.successes} of {team.total} {unit}: {team.estimate}."
    gains = gains_of(summary)
    told = [_conclusion(summary, row) for row in gains[:MAX_TOLD]]
    rest = [f"The table has {len(gains) - MAX_TOLD} more."] if len(gains) > MAX_TOLD else []
    return [first, *told, *rest]


def gains_of(summary: Summary) -> list[Row]:
    """Return the measured net gains of a summary."""
    return [row for row in summary.rows if row.quantity == "net_gain" and row.estimate is not None]


def _conclusion(summary: Summary, row: Row) -> str:
    found = row.estimate
    assert isinstance(found, PairedDifference)
    p_value = found.p_value if row.adjusted is None else row.adjusted
    is_adjusted = len(gains_of(summary)) > 1 or p_value > found.p_value
    holm = ", adjusted by Holm's method" if is_adjusted else ""
    test = f"{TESTS[found.test]} {p_text(p_value)}{holm}"
    verdict = f" {row.verdict}:" if row.verdict in ("helps", "hurts") else f": {row.verdict},"
    value = found.text("+.3f")
    return f"{_subject(row.path)}{verdict} {value} ({test}); {counts(summary, row)}."


def counts(summary: Summary, row: Row) -> str:
    """Return in words how often only the team, and how often only the path is right."""
    found, who = row.estimate, "+".join(row.path.agents)
    assert found is not None
    other = {
        "without": "right only without it",
        "empty": "right only with an empty one",
        "shuffled": "right only with one from another task",
    }[row.path.kind]
    with_it = f"only with {who}" if row.path.kind == "without" else "only with its own message"
    if isinstance(found, PairedDifference) and found.only_second is not None:
        return (
            f"{found.only_second} tasks right {with_it}, {found.only_first} {other}, of "
            f"{found.num_units}"
        )
    if row.path.kind == "without":
        helped, hurt = (summary.find(quantity, row.path) for quantity in ("help", "hurt"))
        if helped and hurt and helped.estimate and hurt.estimate:
            return (
                f"{100 * helped.estimate.value:.1f} % of the pairs of samples right {with_it}, "
                f"{100 * hurt.estimate.value:.1f} % {other}, on {found.num_units} tasks"
            )
    return f"on {found.num_units} tasks"


def _subject(path: TeamPath) -> str:
    who = "+".join(path.agents)
    match path.kind:
        case "empty":
            return f"The message of {who}, compared with an empty one"
        case "shuffled":
            return f"The message of {who}, compared with one from another task"
    return who
