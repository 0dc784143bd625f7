"""Statistics of an evaluation: every quantity with its interval, per benchmark and tag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from baselines.common.stats import (
    Estimate,
    PairedDifference,
    holm,
    mean_rate,
    paired_difference,
    pass_at_k,
)
from baselines.common.types import FloatArray
from baselines.evaluate.correctness import Correctness, fraction, joined
from baselines.evaluate.guesses import Guess, guesses_of
from baselines.evaluate.paths import JOINT, TeamPath
from baselines.evaluate.rows import Quantity, Row
from baselines.evaluate.scores import Score

ALL = "all benchmarks"
MAX_TAG_VALUES = 60
"""Maximum number of values of a reported tag, such as the 57 subjects of MMLU; with more, a tag is
treated as an id."""
FEW_TAG_VALUES = 20
"""Number of values of a tag beyond which it is also treated as an id if a value has too few tasks
on average: less than MIN_TAG_TASKS."""
MIN_TAG_TASKS = 5
_BOOTSTRAP_STREAM = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All quantities of a group of tasks.

    Args:
        benchmark: Name, or ALL for all benchmarks together.
        tag: Tag of the tasks, such as ("level", "5"); None: all tasks.
        num_tasks: Number of tasks.
        num_samples: Episodes per task and path.
        num_unmeasured: Number of episodes without a verdict; they are excluded from all other
            values.
        rows: The quantities.
        guesses: What guessing would score, if all tasks are multiple choice.
    """

    benchmark: str
    tag: tuple[str, str] | None
    num_tasks: int
    num_samples: int
    num_unmeasured: int
    rows: tuple[Row, ...]
    guesses: tuple[Guess, ...] = ()

    def find(self, quantity: Quantity, path: TeamPath, k: int | None = None) -> Row | None:
        """Return the row of a quantity, with any k if k is None; None if there is no such row."""
        wanted = (row for row in self.rows if (row.quantity, row.path) == (quantity, path))
        return next((row for row in wanted if k in (None, row.k)), None)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "benchmark": self.benchmark,
            "tag": None if self.tag is None else list(self.tag),
            "num_tasks": self.num_tasks,
            "num_samples": self.num_samples,
            "unmeasured": self.num_unmeasured,
            "rows": [row.to_json() for row in self.rows],
            "guesses": [guess.to_json() for guess in self.guesses],
        }


def summarize(benchmarks: Mapping[str, Correctness], *, seed: int = 0) -> list[Summary]:
    """Return summaries of each benchmark, of each value of its tags, and of all benchmarks.

    Args:
        benchmarks: Maps the name of a benchmark to its results.
        seed: Seed of the bootstrap; the same episodes and seed give the same intervals.

    Note: The net gains of all benchmarks, and of all of them together, are one family of Holm's
        method, so that the probability of any wrong verdict is at most 0.05.
    """
    summaries = []
    for name, own in benchmarks.items():
        summaries.append(summary_of(own, benchmark=name, seed=seed))
        for tag in tags_of(own):
            chosen = np.array([tag in task.tags for task in own.tasks])
            group = own.of(chosen)
            summaries.append(summary_of(group, benchmark=name, tag=tag, seed=seed))
    if len(benchmarks) > 1:
        summaries.append(summary_of(joined(list(benchmarks.values())), benchmark=ALL, seed=seed))
    return _adjusted(summaries)


def _adjusted(summaries: Sequence[Summary]) -> list[Summary]:
    """Return the summaries with the p-values of their net gains adjusted by Holm's method."""
    tested = [
        (place, number, row.estimate.p_value)
        for place, summary in enumerate(summaries)
        for number, row in enumerate(summary.rows)
        if summary.tag is None and isinstance(row.estimate, PairedDifference)
    ]
    p_values = holm([p_value for *_, p_value in tested])
    rows = [list(summary.rows) for summary in summaries]
    for (place, number, _), adjusted in zip(tested, p_values, strict=True):
        rows[place][number] = replace(rows[place][number], adjusted=adjusted)
    return [replace(summary, rows=tuple(own)) for summary, own in zip(summaries, rows, strict=True)]


def tags_of(correctness: Correctness) -> list[tuple[str, str]]:
    """Return the reported tags, sorted by name, with numbers before words."""
    values: dict[str, set[str]] = {}
    for task in correctness.tasks:
        for name, value in task.tags:
            values.setdefault(name, set()).add(value)
    enough = len(correctness.tasks) // MIN_TAG_TASKS
    most = min(MAX_TAG_VALUES, max(FEW_TAG_VALUES, enough))
    return [
        (name, value)
        for name, known in values.items()
        if 1 < len(known) <= most
        for value in sorted(known, key=lambda v: (not v.isdecimal(), len(v) * v.isdecimal(), v))
    ]


def summary_of(
    correctness: Correctness, *, benchmark: str, tag: tuple[str, str] | None = None, seed: int = 0
) -> Summary:
    """Return the summary of a group of tasks."""
    rng = np.random.default_rng([seed, _BOOTSTRAP_STREAM])
    rows: list[Row] = []
    for path in correctness.paths:
        rows += _rows_of(correctness, path)
        if path != JOINT:
            rows += _effects(correctness, path, rng)
    num_tasks, num_samples = correctness.rewards[JOINT].shape
    unmeasured = sum(int(np.isnan(rewards).sum()) for rewards in correctness.rewards.values())
    return Summary(
        benchmark=benchmark,
        tag=tag,
        num_tasks=num_tasks,
        num_samples=num_samples,
        num_unmeasured=unmeasured,
        rows=tuple(rows),
        guesses=guesses_of(correctness.tasks),
    )


def _rows_of(correctness: Correctness, path: TeamPath) -> Iterator[Row]:
    """Yield accuracy and, with several samples, pass@2, 4, 8, ... k and maj@k of a path."""
    right, measured = correctness.num_right(path), correctness.num_measured(path)
    num_samples = correctness.rewards[path].shape[1]
    yield Row(
        quantity="accuracy",
        path=path,
        k=num_samples,
        estimate=rate_of(correctness.rates(path)),
        successes=int(right.sum()),
        total=int(measured.sum()),
    )
    for name, values in correctness.scores.get(path, {}).items():
        measured_scores = (~np.isnan(values)).sum(axis=1)
        yield Row(
            quantity=name,
            path=path,
            k=num_samples,
            estimate=rate_of(fraction(np.nansum(values, axis=1), measured_scores)),
            successes=_num_successes(name, known(values)),
            total=int(measured_scores.sum()),
        )
    if path not in correctness.majority:
        return
    for k in pass_sizes(num_samples):
        enough = measured >= k
        chances = pass_at_k(measured[enough], right[enough], k)
        found = (right[enough] > 0).sum()
        yield Row(
            quantity="pass",
            path=path,
            k=k,
            estimate=rate_of(chances),
            successes=int(found),
            total=int(enough.sum()),
        )
    votes = correctness.majority[path]
    yield Row(
        quantity="majority",
        path=path,
        k=num_samples,
        estimate=rate_of(votes),
        successes=int(np.nansum(votes)),
        total=int((~np.isnan(votes)).sum()),
    )


def _num_successes(name: Score, values: FloatArray) -> int | None:
    """Return the number of samples with a score of 1; None for a score that is no count."""
    is_count = name in ("no_answer", "option_accuracy") and bool(np.isin(values, (0.0, 1.0)).all())
    return int(values.sum()) if is_count else None


def pass_sizes(num_samples: int) -> list[int]:
    """Return the k of pass@k: powers of 2 below num_samples, and num_samples; 1 is avg@k."""
    powers = [2**i for i in range(1, num_samples.bit_length()) if 2**i < num_samples]
    return [*powers, num_samples]


def _effects(correctness: Correctness, path: TeamPath, rng: np.random.Generator) -> Iterator[Row]:
    """Yield help, hurt and net gain of the whole team compared with a path."""
    helped, hurt, pairs = (int(counts.sum()) for counts in correctness.pairs(path))
    k = correctness.rewards[JOINT].shape[1]
    if path.kind == "without":
        for quantity, rates, successes in (
            ("help", correctness.helped(path), helped),
            ("hurt", correctness.hurt(path), hurt),
        ):
            yield Row(
                quantity=quantity,  # type: ignore[arg-type]
                path=path,
                k=k,
                estimate=rate_of(rates),
                successes=successes,
                total=pairs,
            )
    lost, gained, num_samples = correctness.sides(path)
    yield Row(
        quantity="net_gain",
        path=path,
        k=k,
        estimate=(
            paired_difference(lost, gained, rng=rng, num_samples=num_samples) if pairs else None
        ),
        successes=helped - hurt,
        total=pairs,
    )


def rate_of(values: FloatArray) -> Estimate | None:
    """Return the mean of rates per task with its interval; None if none was measured."""
    measured = known(values)
    return mean_rate(measured) if len(measured) else None


def known(values: FloatArray) -> FloatArray:
    """Return the values that were measured."""
    return values[~np.isnan(values)]
