"""The verifier beside math-verify in the same process: answers per second, and which are right."""

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
from rich.console import Console
from rich.table import Table

from baselines.bench.measuring import BenchConfig, Case, print_rates
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from ccpo_env import verify

SLOW_S = 2.5
"""Seconds after which a call counts as slow,"""
HANG_S = 10.0
"""and after which it counts as a hang instead."""
TABLE_WIDTH = 120
HOSTILE = "host"
"""How the categories of hostile inputs begin; medians are over the others."""

Judge = Callable[[Any, Any], bool]
"""Says whether a response has the gold answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierBenchConfig(BenchConfig):
    """Measure answers verified per second; with --cases, also which are judged right."""

    cases: Path | None = None
    """Labelled cases, one JSON object per line: response, gold, expected, category."""


@dataclass(frozen=True, slots=True)
class LabelledCase:
    """One response with what a verifier must say of it.

    Args:
        response: What a model wrote; hostile cases hold anything.
        gold: The gold answer.
        expected: Whether the response is correct.
        category: The kind of case.
    """

    response: Any
    gold: Any
    expected: bool
    category: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a verifier said of one case.

    Args:
        case: The case.
        is_right: Whether it said what was expected; an exception is wrong.
        is_accepted: Whether it called the response correct.
        seconds: How long it took.
    """

    case: LabelledCase
    is_right: bool
    is_accepted: bool
    seconds: float


def main(arguments: Sequence[str]) -> int:
    """Run the verifier's bench."""
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
    """Right and wrong answers of each kind: math-verify called in this process, and ours."""
    pairs = [
        (rf"So it is \boxed{{{answer}}}.", gold)
        for gold in ("42", r"\frac{3}{4}", "0.125", r"2\sqrt{3}", "(1, 2)")
        for answer in (gold, "17")
    ]

    def judging(judge: Judge) -> Callable[[], int]:
        return lambda: len([judge(response, gold) for response, gold in pairs])

    return [Case(name, judging(judge)) for name, judge in judges().items()]


def judges() -> dict[str, Judge]:
    """Return what is compared, the reference first."""
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
        ValueError: If the file holds none, or a line is no case.
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
    """Judge the same cases with each verifier, one after the other, and print their table."""
    results = {}
    logging.disable()  # math-verify logs the text of each case that takes too long
    try:
        for name, judge in judges().items():
            judge(r"\boxed{x + 1}", "1 + x")  # what is loaded and started once
            results[name] = [judged(case, judge) for case in cases]
    finally:
        logging.disable(logging.NOTSET)
    Console(width=TABLE_WIDTH).print(score_table(results))


def judged(case: LabelledCase, judge: Judge) -> Judgement:
    """Return what a verifier says of a case, and how long it took."""
    started = time.perf_counter()
    try:
        accepted: bool | None = judge(case.response, case.gold)
    except Exception:  # whatever a verifier raises is a result of this bench
        accepted = None
    seconds = time.perf_counter() - started
    return Judgement(case, accepted == case.expected, accepted is True, seconds)


def score_table(results: dict[str, list[Judgement]]) -> Table:
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
    for name, judgements in results.items():
        per_second = _per_second(judgements)
        ratio = f"{per_second / reference:,.1f}"
        table.add_row(name, *_figures(judgements), f"{per_second:,.1f}", ratio)
    return table


def _figures(judgements: Sequence[Judgement]) -> list[str]:
    calm = [j.seconds * 1000 for j in judgements if not j.case.category.startswith(HOSTILE)]
    times = calm or [j.seconds * 1000 for j in judgements]
    num_hangs = sum(j.seconds > HANG_S for j in judgements)
    num_slow = sum(SLOW_S < j.seconds <= HANG_S for j in judgements)
    return [
        f"{_accuracy(judgements):.3f}",
        f"{macro_accuracy(judgements):.3f}",
        f"{sum(not j.is_right and j.is_accepted for j in judgements)}",
        f"{sum(not j.is_right and not j.is_accepted for j in judgements)}",
        f"{num_hangs} / {num_slow}",
        f"{statistics.median(times):.2f}",
        f"{np.quantile(times, 0.99):.1f}",
    ]


def macro_accuracy(judgements: Iterable[Judgement]) -> float:
    """Return the mean over categories of the accuracy in each."""
    categories: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        categories[judgement.case.category].append(judgement)
    return statistics.fmean(map(_accuracy, categories.values()))


def _accuracy(judgements: Sequence[Judgement]) -> float:
    return statistics.fmean(judgement.is_right for judgement in judgements)


def _per_second(judgements: Sequence[Judgement]) -> float:
    return len(judgements) / sum(judgement.seconds for judgement in judgements)
