"""The conclusions of a comparison in sentences, as far as its paired tests support them."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.common.evaluation_file import EVALUATIONS_FILE
from baselines.common.stats import p_text
from baselines.common.wording import plural, tie_note
from baselines.compare.comparison import Comparison
from baselines.compare.measuring import how_to_measure
from baselines.compare.methods import Method, differing_settings
from baselines.compare.tables import amount, difference_text, num_pairs, p_bound
from baselines.evaluate.summary import ALL
from baselines.report.run_audit import PRACTICALLY_SHARED
from baselines.report.wording import critic_weights

TEAM_SETTINGS = ("topology", "num_thinkers", "num_voters", "num_debaters")
"""Settings by which teams differ in their agents."""


def conclusions(found: Sequence[Comparison]) -> list[str]:
    """Return one conclusion per method, or per method and benchmark; `found` is from `compare`."""
    return [_conclusion(own, found) for own in found if _counts(own, found)]


def _counts(own: Comparison, found: Sequence[Comparison]) -> bool:
    """Return whether a comparison has a verdict, or is the first of a method that has none."""
    same = [other for other in found if other.method == own.method]
    return own.verdict is not None or (own is same[0] and all(o.verdict is None for o in same))


def _conclusion(own: Comparison, found: Sequence[Comparison]) -> str:
    where = "" if own.benchmark == ALL else f" on {own.benchmark}"
    pair = f"{own.method} and {own.reference}{where}"
    if not own.tested.is_measured:
        return f"{_not_measured(own, pair)}.{_at_the_end(own, found)}"
    value = f"{difference_text(own)} over {num_pairs(own)}{_when(own)}"
    if own.verdict is None:
        return f"The difference between {pair}: {value}; {_why_none(own)}."
    if own.verdict == "inconclusive":
        return f"The difference between {pair} is inconclusive: {value}{_test(own)}."
    return f"{own.method} is {own.verdict} than {own.reference}{where}: {value}{_test(own)}."


def _why_none(own: Comparison) -> str:
    """Return why there is no verdict, and how many seeds would give one."""
    if own.tested.seeds_needed is None:
        return own.reason
    seeds = plural(own.tested.seeds_needed, "seed")
    return f"{own.reason}; to find a difference of this size takes about {seeds}"


def _not_measured(own: Comparison, pair: str) -> str:
    """Return what the evaluations before and after the moment show, with the condition first."""
    found = {None: _why_none(own), "inconclusive": "inconclusive"}.get(
        own.verdict, f"{own.method} is {own.verdict} than {own.reference}{_test(own)}"
    )
    return (
        f"The difference between {pair}{_when(own)} was not measured, because a run was not "
        f"evaluated there. If accuracy does not fall between the evaluations before and after, it "
        f"lies in {difference_text(own)} over {num_pairs(own)}: {found}"
    )


def _at_the_end(own: Comparison, found: Sequence[Comparison]) -> str:
    """Return the difference that was measured at the ends of the same runs, if there is one."""
    pair = (own.method, own.reference, "end")
    for end in found:
        if (end.method, end.reference, end.when) == pair and end.tested.is_measured:
            before, after = map(amount, end.tokens)
            return (
                f" At the ends, at unequal tokens ({before} of {own.reference}, {after} of "
                f"{own.method}), it is {difference_text(end)} over {num_pairs(end)}."
            )
    return ""


def _test(own: Comparison) -> str:
    """Return the test in brackets."""
    assert own.adjusted is not None
    holm = f", Holm over {own.num_tests} tests" if own.num_tests > 1 else ""
    if own.tested.is_measured:
        return f" ({own.tested.test} {p_text(own.adjusted)}{holm}{_counted(own)})"
    return f" ({p_bound(own)} in both{holm})"


def _counted(own: Comparison) -> str:
    """Return how many tasks only one of the two solved, if each task is right or wrong."""
    if own.tested.only_method is None:
        return ""
    return (
        f"; {plural(own.tested.only_method, 'task')} right only with {own.method}, "
        f"{own.tested.only_reference} only with {own.reference}"
    )


def _when(own: Comparison) -> str:
    match own.when:
        case "end":
            before, after = map(amount, own.tokens)
            return f" at the end, {after} tokens" if before == after else " at the end"
        case "equal tokens":
            return f" after {amount(own.tokens[0])} tokens each"
    return ""


def limits(methods: Sequence[Method], found: Sequence[Comparison]) -> list[str]:
    """Return what the reader must know to read the verdicts."""
    notes = []
    compared = {own.tested.unit for own in found}
    trained = [method for method in methods if method.is_trained]
    if "tasks" in compared and len(trained) > 1:
        notes.append(
            "One seed each: this compares two runs, not two methods; with other seeds it may turn "
            "out differently. Train each method with 5 seeds or more to compare methods."
            if len(methods) == 2
            else "Pairs with one seed in common compare runs, not methods; with other seeds they "
            "may turn out differently. Train each method with 5 seeds or more to compare methods."
        )
    notes += filter(None, [how_to_measure(methods, found), _other_teams(methods)])
    notes += dict.fromkeys(note for own in found if (note := _unpaired(own)) is not None)
    for method in methods:
        waiting = {
            agent: own.critic_weight
            for agent, own in method.runs[0].credit.items()
            if own.critic_weight is not None and own.critic_weight < 1.0
        }
        if waiting:
            notes.append(f"{method.name}: {critic_weights(waiting)}")
        elif _is_practically_shared(method):
            notes.append(
                f"{method.name}: the credit of every agent is practically the shared reward "
                f"(correlation of its advantage with the shared one above {PRACTICALLY_SHARED})."
            )
        if method.settings.get("topology") == "vote":
            removed = [path.removeprefix("without ") for path in method.runs[0].without]
            note = tie_note(removed)
            notes += [f"{method.name}: {note}"] if note else []
        if any(run.is_torn and run.status == "finished" for run in method.runs):
            notes.append(
                f"{method.name}: the last line of {EVALUATIONS_FILE} is incomplete and left out, "
                f"although the run has finished; restore the file."
            )
        going = [run for run in method.runs if run.status != "finished"]
        if going and len(method.runs) == 1:
            notes.append(f"{method.name} is {going[0].status}; it is compared on what it has.")
        elif going:
            notes.append(
                f"{len(going)} of {len(method.runs)} runs of {method.name} are unfinished; they "
                f"are compared on what they have."
            )
    return notes


def _other_teams(methods: Sequence[Method]) -> str | None:
    """Return how the teams differ, if they have other topologies or numbers of agents."""
    parts = [
        f"{name} is "
        + ", ".join(f"{value} in {own.name}" for own, value in zip(methods, values, strict=True))
        for name, values in differing_settings(methods).items()
        if name in TEAM_SETTINGS
    ]
    return f"The teams differ as well: {'; '.join(parts)}." if parts else None


def _unpaired(own: Comparison) -> str | None:
    """Return how many tasks are paired, if one of the two measured more than those."""
    num_pairs, measured = own.tested.difference.num_units, own.tested.num_measured
    if measured is None or max(measured) == num_pairs:
        return None
    where = "" if own.benchmark == ALL else f" on {own.benchmark}"
    return (
        f"{own.method} and {own.reference}{where}: {plural(num_pairs, 'task')} are paired, of "
        f"{measured[1]:,} that {own.method} and {measured[0]:,} that {own.reference} measured; the "
        f"others do not count."
    ).replace(" 1 task are", " 1 task is")


def _is_practically_shared(method: Method) -> bool:
    """Return whether a credit other than the shared reward has hardly another effect."""
    found = [own.correlation for run in method.runs for own in run.credit.values()]
    is_shared = method.settings.get("allocator") == "shared"
    known = [correlation for correlation in found if correlation is not None]
    return bool(known) and not is_shared and min(known) > PRACTICALLY_SHARED
