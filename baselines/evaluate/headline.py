"""The headline of an evaluation: its conclusions in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from baselines.common.stats import PairedDifference, p_text
from baselines.common.stats.paired import Test
from baselines.common.wording import named, plural, tie_note
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
    guesses = [_guessing(summary.guesses), *_below_guess(summary)] if summary.guesses else []
    kinds = dict.fromkeys(row.path.kind for row in gains)
    groups = [[row for row in gains if row.path.kind == kind] for kind in kinds]
    shared = [rows for rows in groups if len(rows) > 1 and len({*map(_verdict, rows)}) == 1]
    together = [_shared_conclusion(rows) for rows in shared]
    single = [row for rows in groups if rows not in shared for row in rows]
    told = [_conclusion(summary, row) for row in single[:MAX_TOLD]]
    rest = [f"The table has {len(single) - MAX_TOLD} more."] if len(single) > MAX_TOLD else []
    return [first, *guesses, *together, *told, *rest]


def _verdict(row: Row) -> str:
    return row.verdict or "inconclusive"


def _shared_conclusion(rows: Sequence[Row]) -> str:
    """Return one verdict on several agents, or controls of one kind, that all have it."""
    found = [row.estimate for row in rows if isinstance(row.estimate, PairedDifference)]
    pairs = zip(rows, found, strict=True)
    p_values = [own.p_value if row.adjusted is None else row.adjusted for row, own in pairs]
    low, high = (end(own.value for own in found) for end in (min, max))
    values = f"{low:+.3f}" if low == high else f"from {low:+.3f} to {high:+.3f}"
    who = named(["+".join(row.path.agents) for row in rows], MAX_TOLD)
    comparison = _subject(rows[0].path)[1]
    of = "the message of " if comparison else ""
    tests = " and ".join(dict.fromkeys(TESTS[own.test] for own in found))
    if _verdict(rows[0]) == "inconclusive":
        start = f"Whether {of}any of {who} helps{comparison} is inconclusive"
        p_value = f"smallest {p_text(min(p_values))}"
    else:
        start = (
            f"{of.capitalize()}{'each' if of else 'Each'} of {who}{comparison} {rows[0].verdict}"
        )
        p_value = f"largest {p_text(max(p_values))}"
    return f"{start}: {values} ({tests}, {p_value}, adjusted by Holm's method); the table has each."


def _below_guess(summary: Summary) -> list[str]:
    """Return how many answers held no option where a team scores less than a random guess."""
    team, unread = summary.find("accuracy", JOINT), summary.find("no_answer", JOINT)
    random = next(guess for guess in summary.guesses if guess.name == "random_guess")
    if team is None or team.estimate is None or unread is None:
        return []
    if team.estimate.high >= random.value:
        return []
    return [
        f"The accuracy is below that of a random guess; {unread.successes} of {unread.total} "
        f"answers held no readable option."
    ]


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
