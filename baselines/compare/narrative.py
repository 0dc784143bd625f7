"""The conclusions of a comparison in sentences, as far as its paired tests support them."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.common.stats import p_text
from baselines.compare.comparison import Comparison
from baselines.compare.methods import Method
from baselines.compare.tables import amount
from baselines.evaluate.summary import ALL


def conclusions(found: Sequence[Comparison]) -> list[str]:
    """Return one conclusion per method, or per method and benchmark; `found` is from `compare`."""
    num_tests = sum(own.verdict is not None for own in found)
    return [_conclusion(own, num_tests) for own in found if _counts(own, found)]


def _counts(own: Comparison, found: Sequence[Comparison]) -> bool:
    """Return whether a comparison has a verdict, or is the only one of its method."""
    return own.verdict is not None or sum(other.method == own.method for other in found) == 1


def _conclusion(own: Comparison, num_tests: int) -> str:
    difference = own.tested.difference
    where = "" if own.benchmark == ALL else f" on {own.benchmark}"
    size = f"{difference.num_units} {own.tested.unit}"
    value = f"{difference.text('+.3f')} over {size}{_when(own)}"
    if own.verdict is None:
        return f"{own.method} compared with {own.reference}{where}: {value}; {own.reason}."
    assert own.adjusted is not None
    holm = f", Holm over {num_tests} tests" if num_tests > 1 else ""
    test = f"({own.tested.test} {p_text(own.adjusted)}{holm}{_counted(own)})"
    if own.verdict == "inconclusive":
        return (
            f"{own.method} compared with {own.reference}{where} is inconclusive: {value} {test}."
        )
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
            "A run was not evaluated at that number of tokens: its accuracy there is between those "
            "of the evaluations before and after, and a verdict needs both to agree."
        )
    for method in methods:
        going = [run for run in method.runs if run.status != "finished"]
        if going:
            which = f"{len(going)} of {len(method.runs)} runs" if len(method.runs) > 1 else "the run"
            notes.append(f"{method.name}: {which} {going[0].status}; compared on what it has.")
    return notes
