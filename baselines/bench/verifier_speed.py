"""Speed and accuracy of the verifier against math-verify in the same process."""

from __future__ import annotations

import json
import logging
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from baselines.bench.measuring import BenchConfig, Case, print_rates
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.terminal import Terminal
from ccpo_env import verify

SLOW_S = 2.5
"""Seconds after which a call counts as slow,"""
HANG_S = 10.0
"""and after which it counts as a hang instead."""
TABLE_WIDTH = 120
HOSTILE = "host"
"""Prefix of the categories of hostile inputs, which medians exclude."""

Accepts = Callable[[Any, Any], bool]
"""Returns whether a response has the gold answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierBenchConfig(BenchConfig):
    """Measure answers verified per second; with --cases, also the accuracy of the verdicts."""

    cases: Path | None = None
    """Labelled cases, one JSON object per line: response, gold, expected, category."""


@dataclass(frozen=True, slots=True)
class LabelledCase:
    """A response with the expected verdict.

    Args:
        response: Response of a model; arbitrary in hostile cases.
        gold: The gold answer.
        expected: Whether the response is correct.
        category: Category of the case.
    """

    response: Any
    gold: Any
    expected: bool
    category: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The result of a verifier on one case.

    Args:
        case: The case.
        is_right: Whether the verdict is as expected; False after an exception.
        is_accepted: Whether it accepted the response.
        seconds: Duration of the call.
    """

    case: LabelledCase
    is_right: bool
    is_accepted: bool
    seconds: float


def main(arguments: Sequence[str]) -> int:
    """Run the bench of the verifier."""
    config = parse(VerifierBenchConfig, arguments, "ccpo bench verifier")
    with exit_on_bad_input():
        cases = None if config.cases is None else read_cases(config.cases)
    if cases is None:
        run(config)
    else:
        score(cases)
    return 0


def run(config: BenchConfig) -> None:
    """Print the speed of the verifier."""
    print_rates("Verifier, answers", verifier_cases(), config)


def verifier_cases() -> list[Case]:
    """Return the cases: math-verify in this process, and ours, on right and wrong answers."""
    pairs = [
        (rf"So it is \boxed{{{answer}}}.", gold)
        for gold in ("42", r"\frac{3}{4}", "0.125", r"2\sqrt{3}", "(1, 2)")
        for answer in (gold, "17")
    ]

    def repeated(accepts: Accepts) -> Callable[[], int]:
        return lambda: len([accepts(response, gold) for response, gold in pairs])

    return [Case(name, repeated(accepts)) for name, accepts in compared_verifiers().items()]


def compared_verifiers() -> dict[str, Accepts]:
    """Return the verifiers to compare, the reference first."""
    from math_verify import parse
    from math_verify import verify as math_verify

    def reference(response: Any, gold: Any) -> bool:
        return bool(math_verify(parse(f"${gold}$"), parse(response)))

    def ours(response: Any, gold: Any) -> bool:
        return verify(response, gold).status == "correct"

    return {"math-verify": reference, "ccpo_env.verify": ours}


def read_cases(path: Path) -> list[LabelledCase]:
    """Return the labelled cases of a file.

    A field may be run-length coded: `response_expand` holds [[text, count], ...] in its place.

    Raises:
        ValueError: If the file holds no case, or a line is invalid.
    """
    cases = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            text = {field: _expanded(row, field) for field in ("response", "gold")}
            cases.append(
                LabelledCase(text["response"], text["gold"], row["expected"], row["category"])
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"a case must be an object with response, gold, expected and category, got "
                f"{line[:60]!r} in {path}, line {number}; correct the line"
            ) from error
    if not cases:
        raise ValueError(f"cases must be at least one, got none in {path}; give another file")
    return cases


def _expanded(row: dict[str, Any], field: str) -> Any:
    runs = row.get(f"{field}_expand")
    return row[field] if runs is None else "".join(text * count for text, count in runs)


def score(cases: Sequence[LabelledCase]) -> None:
    """Run all cases with each verifier in turn, and print a table."""
    results = {}
    logging.disable()  # math-verify logs the text of each case that takes too long
    try:
        for name, accepts in compared_verifiers().items():
            accepts(r"\boxed{x + 1}", "1 + x")  # warm-up
            results[name] = [run_case(case, accepts) for case in cases]
    finally:
        logging.disable(logging.NOTSET)
    Terminal(width=TABLE_WIDTH).print(score_table(results))


def run_case(case: LabelledCase, accepts: Accepts) -> CaseResult:
    """Return the result of a verifier on a case, with its duration."""
    started = time.perf_counter()
    try:
        accepted: bool | None = accepts(case.response, case.gold)
    except Exception:  # an exception is a result of this bench
        accepted = None
    seconds = time.perf_counter() - started
    return CaseResult(case, accepted == case.expected, accepted is True, seconds)


def score_table(results: dict[str, list[CaseResult]]) -> Table:
    """Return one row per verifier; the last column is its speed relative to the first one's."""
    num_cases = len(next(iter(results.values())))
    table = Table(title=f"Verifiers on {num_cases:,} labelled cases", title_justify="left")
    for column in (
        "verifier",
        "accuracy",
        "macro",
        "false +",
        "false -",
        "hangs / slow",
        "median ms",
        "p99 ms",
        "cases/s",
        "ratio",
    ):
        table.add_column(column, justify="left" if column == "verifier" else "right")
    reference = _per_second(next(iter(results.values())))
    for name, own in results.items():
        per_second = _per_second(own)
        ratio = f"{per_second / reference:,.1f}"
        table.add_row(name, *_figures(own), f"{per_second:,.1f}", ratio)
    return table


def _figures(results: Sequence[CaseResult]) -> list[str]:
    calm = [r.seconds * 1000 for r in results if not r.case.category.startswith(HOSTILE)]
    times = calm or [r.seconds * 1000 for r in results]
    num_hangs = sum(r.seconds > HANG_S for r in results)
    num_slow = sum(SLOW_S < r.seconds <= HANG_S for r in results)
    return [
        f"{_accuracy(results):.3f}",
        f"{macro_accuracy(results):.3f}",
        f"{sum(not r.is_right and r.is_accepted for r in results)}",
        f"{sum(not r.is_right and not r.is_accepted for r in results)}",
        f"{num_hangs} / {num_slow}",
        f"{statistics.median(times):.2f}",
        f"{np.quantile(times, 0.99):.1f}",
    ]


def macro_accuracy(results: Iterable[CaseResult]) -> float:
    """Return the mean over categories of the accuracy in each."""
    categories: dict[str, list[CaseResult]] = defaultdict(list)
    for result in results:
        categories[result.case.category].append(result)
    return statistics.fmean(map(_accuracy, categories.values()))


def _accuracy(results: Sequence[CaseResult]) -> float:
    return statistics.fmean(result.is_right for result in results)


def _per_second(results: Sequence[CaseResult]) -> float:
    return len(results) / sum(result.seconds for result in results)
