"""The conclusions of a comparison in sentences, as far as its paired tests support them."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.common.stats import p_text
from baselines.compare.comparison import Comparison
from baselines.compare.methods import Method
from baselines.compare.tables import amount
from baselines.evaluate.summary import ALL
from baselines.report.run_audit import PRACTICALLY_SHARED


def conclusions(found: Sequence[Comparison]) -> list[str]:
    """Return one conclusion per method, or per method and benchmark; `found` is from `compare`."""
    num_tests = sum(own.verdict is not None for own in found)
    return [_conclusion(own, own.num_tests or num_tests) for own in found if _counts(own, found)]


def _counts(own: Comparison, found: Sequence[Comparison]) -> bool:
    """Return whether a comparison has a verdict, or is the first of a method that has none."""
    same = [other for other in found if other.method == own.method]
    return own.verdict is not None or (own is same[0] and all(o.verdict is None for o in same))


def _conclusion(own: Comparison, num_tests: int) -> str:
    difference = own.tested.difference
    where = "" if own.benchmark == ALL else f" on {own.benchmark}"
    size = f"{difference.num_units} {own.tested.unit}"
    value = f"{difference.text('+.3f')} over {size}{_when(own)}"
    needed = ""
    if own.tested.seeds_needed is not None:
        needed = f"; to find a difference of this size takes about {own.tested.seeds_needed} seeds"
    if own.verdict is None:
        return f"{own.method} compared with {own.reference}{where}: {value}; {own.reason}{needed}."
    assert own.adjusted is not None
    holm = f", Holm over {num_tests} tests" if num_tests > 1 else ""
    test = f"({own.tested.test} {p_text(own.adjusted)}{holm}{_counted(own)})"
    if own.verdict == "inconclusive":
        return f"{own.method} compared with {own.reference}{where} is inconclusive: {value} {test}."
    return f"{own.method} is {own.verdict} than {own.reference}{where}: {value} {test}."


def _counted(own: Comparison) -> str:
    """Return how many tasks only one of the two solved, if each task is right or wrong."""
    if own.tested.only_method is None:
        return ""
    return (
        f"; {own.tested.only_method} tasks right only with {own.method}, "
        f"{own.tested.only_reference} only with {own.reference}"
    )


def _when(own: Comparison) -> str:
    match own.when:
        case "end":
            before, after = map(amount, own.tokens)
            return f" at the end, {after} tokens" if before == after else " at the end"
        case "equal tokens":
            return f" at an equal number of tokens ({amount(own.tokens[0])})"
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
    if any(own.between for own in found):
        notes.append(
            "A run was not evaluated at that number of tokens: its accuracy there was not "
            "measured, but read off the line between the evaluations before and after. The "
            "interval covers both, and a verdict needs both to agree. Train all runs with the same "
            "--eval-every-tokens to measure it."
        )
    for method in methods:
        if _is_practically_shared(method):
            notes.append(
                f"{method.name}: the credit of every agent is practically the shared reward "
                f"(correlation of its advantage with the shared one above {PRACTICALLY_SHARED})."
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


def _is_practically_shared(method: Method) -> bool:
    """Return whether a credit other than the shared reward has hardly another effect."""
    found = [own.correlation for run in method.runs for own in run.credit.values()]
    is_shared = method.settings.get("allocator") == "shared"
    known = [correlation for correlation in found if correlation is not None]
    return bool(known) and not is_shared and min(known) > PRACTICALLY_SHARED
