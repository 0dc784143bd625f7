"""What advice says: cells of its tables, the recommendation and warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from baselines.advise.advice import LOW_COSINE, MIN_TASKS_ADVISED, Advice
from baselines.advise.candidates import REFERENCE
from baselines.advise.efficiency import Efficiency
from baselines.advise.intervals import Joint
from baselines.advise.rows import Row
from baselines.common.wording import plural

if TYPE_CHECKING:
    from baselines.advise.pilot import Played

MUCH = 99.0
"""Efficiency above which a table says only that it is larger."""
PRACTICALLY_SHARED = 0.98
"""Correlation with the shared advantages from which a table gives no number."""
LEGEND = (
    "audit: correlation r with shared advantages; degenerate: equal up to a factor",
    "cosine: with the true gradient; cost share: tokens that only the credit needs",
)
"""What the columns of the first table mean, for the terminal."""


def efficiency_text(found: Efficiency) -> str:
    """Return an efficiency with its interval, or how many tasks would measure it."""
    if found.value is None or found.low is None or found.high is None:
        return f"needs ~{tasks_text(found.tasks_needed)} tasks"
    if found.value == found.low == found.high:
        return "0: lowers the reward"
    return f"{_number(found.value)} [{_number(found.low)}, {_number(found.high)}]"


def tasks_text(count: int | None) -> str:
    """Return a number of tasks, rounded to two digits."""
    if count is None:
        return "more"
    if count >= 1_000_000:
        return "a million or more"
    digits = max(0, len(str(count)) - 2)
    return f"{-(-count // 10**digits) * 10**digits:,}"


def cosine_text(found: Efficiency) -> str:
    """Return the cosine with the true gradient, marked where it is low."""
    if found.cosine is None:
        return "-"
    mark = " !" if found.cosine < LOW_COSINE else ""
    return f"{found.cosine:.2f}{mark}"


def verdict_text(row: Row) -> str:
    """Return what the audit says of a row."""
    if row.variant.allocator == REFERENCE:
        return "reference"
    if row.degenerate:
        return "degenerate"
    if row.correlation is None:
        return "no signal"
    if row.correlation >= PRACTICALLY_SHARED:
        return "practically shared"
    return f"differs, r {row.correlation:.2f}"


def setup_text(row: Row) -> str:
    """Return a combination as a phrase; M is left out where replays are recounts of votes."""
    variant = row.variant
    credit = "the shared reward" if variant.allocator == REFERENCE else f"{variant.credit} credit"
    group = "one rollout per task" if variant.group_size == 1 else f"groups of {variant.group_size}"
    samples = [f"M = {variant.num_samples}"] if variant.num_samples and row.cost_share else []
    return f"{credit} ({', '.join([variant.optimizer, group, *samples])})"


def recommendation(advice: Advice) -> str:
    """Return the recommendation, as far as the simultaneous tests support it."""
    than = setup_text(advice.row(advice.reference))
    best = setup_text(advice.row(advice.best))
    rest = _unmeasured(advice)
    if advice.num_tasks < MIN_TASKS_ADVISED:
        return (
            f"Keep {than}: {advice.num_tasks} tasks are too few to recommend anything else; raise "
            f"--groups to {MIN_TASKS_ADVISED} or more{rest}."
        )
    if advice.beats_shared:
        found = [f"{joint_text(advice.than_reference)} times as efficient per token as {than}"]
        if advice.than_shared is not None:
            found.append(
                f"{joint_text(advice.than_shared)} times as efficient as "
                f"{setup_text(advice.row(advice.best_shared))}, the best of the shared rewards here"
            )
        return f"Train with {best}: {', and '.join(found)}; {_tests(advice)}{rest}."
    could = " that this pilot could measure" if rest else ""
    nothing = f"Nothing{could} beats the shared reward significantly"
    if advice.beats_reference:
        fewer = advice.best.group_size < advice.reference.group_size
        return (
            f"{nothing}{'; more tasks per step do' if fewer else ''}: {best} is "
            f"{joint_text(advice.than_reference)} times as efficient per token as {than}; "
            f"{_tests(advice)}{rest}."
        )
    return f"{nothing}: keep {than}; {_tests(advice)}{rest}."


def _tests(advice: Advice) -> str:
    """Return what the tested intervals hold for."""
    count = advice.num_compared
    return f"simultaneous 95 % interval{'s' if count != 1 else ''} of {plural(count, 'comparison')}"


def joint_text(found: Joint | None) -> str:
    """Return an efficiency with its joint interval."""
    assert found is not None
    return f"{_number(found.value)} [{_number(found.low)}, {_number(found.high)}]"


def _unmeasured(advice: Advice) -> str:
    """Return how many rows are not measurable, and how many tasks would do; empty if all are."""
    needed = [row.efficiency.tasks_needed for row in advice.rows if row.efficiency.value is None]
    if not needed:
        return ""
    counts = sorted(count for count in needed if count is not None)
    ends = list(dict.fromkeys(map(tasks_text, [counts[0], counts[-1]]))) if counts else []
    if len(counts) < len(needed):  # what is unknown counts as no number
        ends = [f"{ends[0]} or more"] if ends else ["more"]
    is_one = len(needed) == 1
    return (
        f"; {len(needed)} of {len(advice.rows)} rows {'is' if is_one else 'are'} not measurable "
        f"with this pilot, for which about {' to '.join(ends)} tasks would do"
    )


def warnings(advice: Advice, played: Played) -> list[str]:
    """Return what the reader must know before trusting the numbers."""
    said = []
    if not played.has_gradients:
        said.append(
            "The policy is an endpoint without gradients: only the size of the advantages is "
            "compared (every completion counts as one direction of its own), and biased credit "
            "cannot be measured."
        )
    if played.estimated_tokens:
        said.append("The endpoint reports no tokens: four characters are counted as one.")
    if played.num_policies > 1:
        said.append(
            f"The recorded rollouts are of {played.num_policies} policies, one for each step, and "
            f"the gradients are those of the newest checkpoint: off-policy, so that all numbers "
            f"are biased by what changed in between. Lower --groups to the last step, or play new "
            f"rollouts: --policy in place of --from."
        )
    said += low_cosines(advice)
    if played.num_left_out:
        were = "was" if played.num_left_out == 1 else "were"
        said.append(
            f"{plural(played.num_left_out, 'group')} {were} not measured completely and left out."
        )
    return said


def low_cosines(advice: Advice) -> list[str]:
    """Return a warning of the printed rows that optimize something else in part, if any do."""
    low = [
        f"{row.variant.credit} with {row.variant.optimizer}"
        for row in (*advice.credit_rows, advice.row(advice.best))
        if row.efficiency.cosine is not None and row.efficiency.cosine < LOW_COSINE
    ]
    names = list(dict.fromkeys(low))
    if not names:
        return []
    *first, last = names
    verb, whose = ("optimize", "their") if first else ("optimizes", "its")
    return [
        f"! Cosine with the true gradient below {LOW_COSINE}: "
        f"{' and '.join([', '.join(first), last] if first else [last])} {verb} something else in "
        f"part; {whose} efficiency counts only the part along the true gradient."
    ]


def source_text(played: Played) -> str:
    """Return where the pilot was taken, which its numbers depend on."""
    data = played.data
    return (
        f"{len(data.outcomes)} tasks of {played.tasks}, {data.group_size} rollouts each "
        f"({played.source}) of {played.policy}; {played.tokens:,} tokens. A pilot speaks for the "
        f"policy that it was taken from, and efficiencies change in training: look again later."
    )


def _number(value: float) -> str:
    if value >= MUCH:
        return f">{MUCH:.0f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
