"""An experiment as methods that `baselines.compare` shows on its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from baselines.common.evaluation_file import JOINT, TaskKey
from baselines.common.stats import MIN_TESTED
from baselines.compare.comparison import Comparison, why_untested
from baselines.compare.methods import HeldOut, Method, Run
from baselines.compare.paired_tests import Tested
from baselines.evaluate.summary import ALL
from baselines.experiment.aggregate import REFERENCE, Aggregate, Row
from baselines.experiment.runs import RunResult

HELD_OUT = "held-out tasks"
"""Name of the benchmark; its tasks are numbered, in the same order for all methods of a seed."""


def methods_of(
    results: Sequence[RunResult], found: Aggregate, settings: Mapping[str, Any]
) -> list[Method]:
    """Return the rows of an experiment as methods, in their order.

    Args:
        results: Results of its runs.
        found: What `aggregate` made of them.
        settings: Training settings that all runs have in common, as JSON values.
    """
    return [
        Method(
            name=found.name_of(row),
            runs=tuple(
                _run(result)
                for result in results
                if (result.key.optimizer, result.key.allocator) == (row.optimizer, row.allocator)
            ),
            settings={**settings, "allocator": row.allocator, "optimizer": row.optimizer},
        )
        for row in found.rows
    ]


def comparisons_of(found: Aggregate) -> list[Comparison]:
    """Return the accuracy of each method compared with shared credit, with the tests of its row."""
    gains = [gain for row in found.rows for gain in row.gains.values()]
    num_tests = sum(gain.num_units >= MIN_TESTED for gain in gains)
    references = {row.optimizer: row for row in found.rows if row.allocator == REFERENCE}
    return [
        _comparison(found, references[row.optimizer], row, num_tests)
        for row in found.rows
        if "joint" in row.gains
    ]


def _comparison(found: Aggregate, reference: Row, row: Row, num_tests: int) -> Comparison:
    gain = row.gains["joint"]
    return Comparison(
        method=found.name_of(row),
        reference=found.name_of(reference),
        when="equal tokens",
        benchmark=ALL,
        tokens=(float(found.tokens), float(found.tokens)),
        tested=Tested(
            unit="seeds",
            reference=reference.means["joint"],
            method=row.means["joint"],
            difference=gain,
            p_value=gain.p_value,
            test="paired t",
        ),
        adjusted=gain.p_value,
        reason=why_untested(gain) if gain.p_value is None else "",
        num_tests=num_tests,
    )


def _run(result: RunResult) -> Run:
    rates = {path: _rates(outcomes) for path, outcomes in result.outcomes.items()}
    return Run(
        points=tuple(HeldOut(accuracy=joint, tokens=tokens) for tokens, joint, _ in result.curve),
        seed=result.key.seed,
        team=rates.get(JOINT, {}),
        without={path: own for path, own in rates.items() if path != JOINT},
        credit=dict(result.credit),
        cost=result.cost,
    )


def _rates(outcomes: str) -> dict[TaskKey, float]:
    """Return the rate of each measured task, from one character per task."""
    return {
        (HELD_OUT, str(number)): float(outcome)
        for number, outcome in enumerate(outcomes)
        if outcome != "-"
    }
