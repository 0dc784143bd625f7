"""The headline of an evaluation: its conclusions in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from baselines.common.stats import PairedDifference, p_text
from baselines.common.stats.paired import Test
from baselines.common.wording import plural, tie_note
from baselines.evaluate.guesses import Guess
from baselines.evaluate.paths import JOINT, TeamPath
from baselines.evaluate.rows import Row
from baselines.evaluate.summary import Summary
from ccpo_env.types import Topology

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
    total = plural(team.total, "task" if summary.num_samples == 1 else "sample")
    first = f"The whole team is right on {team.successes} of {total}: {team.estimate}."
    gains = gains_of(summary)
    guesses = [_guessing(summary.guesses)] if summary.guesses else []
    told = [_conclusion(summary, row) for row in gains[:MAX_TOLD]]
    rest = [f"The table has {len(gains) - MAX_TOLD} more."] if len(gains) > MAX_TOLD else []
    return [first, *guesses, *told, *rest]


def _guessing(guesses: Sequence[Guess]) -> str:
    """Return what guessing would score on the same tasks."""
    values = {guess.name: guess for guess in guesses}
    random, majority = values["random_guess"], values["majority_letter"]
    return (
        f"On these tasks a random guess is right with a probability of {random.value:.3f} on "
        f"average, and always answering {majority.letter}, their most frequent gold letter, on "
        f"{majority.num_right} of {majority.num_tasks} ({majority.value:.3f})."
    )


def notes_of(topology: Topology, removals: Sequence[TeamPath]) -> list[str]:
    """Return what a reader must know of the removals, as of those from a vote of three."""
    names = ["+".join(path.agents) for path in removals]
    note = tie_note(names) if topology.decision == "majority" else None
    return [] if note is None else [note]


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
    value = f"{found.text('+.3f')} ({test}); {counts(summary, row)}."
    subject, comparison = _subject(row.path)
    if row.verdict in ("helps", "hurts"):
        start = subject.replace("the message", "The message", 1)
        return f"{start}{comparison} {row.verdict}: {value}"
    return f"Whether {subject} helps{comparison} is inconclusive: {value}"


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
            f"{plural(found.only_second, 'task')} right {with_it}, {found.only_first} {other}, of "
            f"{found.num_units}"
        )
    if row.path.kind == "without":
        helped, hurt = (summary.find(quantity, row.path) for quantity in ("help", "hurt"))
        if helped and hurt and helped.estimate and hurt.estimate:
            return (
                f"{100 * helped.estimate.value:.1f} % of the pairs of samples right {with_it}, "
                f"{100 * hurt.estimate.value:.1f} % {other}, on {plural(found.num_units, 'task')}"
            )
    return f"on {plural(found.num_units, 'task')}"


def _subject(path: TeamPath) -> tuple[str, str]:
    """Return what may help, and with what it is compared."""
    who = "+".join(path.agents)
    match path.kind:
        case "empty":
            return f"the message of {who}", ", compared with an empty one,"
        case "shuffled":
            return f"the message of {who}", ", compared with one from another task,"
    return who, ""
