"""Compare methods with the first one: paired differences, tests adjusted by Holm, and verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from baselines.common.evaluation_file import TaskKey
from baselines.common.stats import ALPHA, Estimate, holm, mean_rate
from baselines.compare.matching import Pairing, pairing_of
from baselines.compare.methods import Method, Run
from baselines.compare.moments import Moment, at_end, at_tokens, common_tokens, same_tokens
from baselines.compare.paired_tests import Tested, by_seed, by_task
from baselines.evaluate.summary import ALL

Verdict = Literal["better", "worse", "inconclusive"]
When = Literal["end", "equal tokens", "evaluation"]
"""After training; after an equal number of sampled tokens; in evaluations of their own."""
_STREAM = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A method compared with the reference: one row of the table.

    Args:
        method: Name of the method.
        reference: Name of the reference.
        when: The moment at which they are compared.
        benchmark: Name, or ALL for all benchmarks together.
        tokens: Tokens that the reference and the method had sampled in training, means over seeds;
            None for an evaluation of its own.
        tested: Both accuracies, their difference and its p-value.
        adjusted: p-value adjusted by Holm's method over all tests of the comparison; None without
            a test.
        reason: Why there is no test; empty if there is one.
        between: Whether a run has no evaluation at these tokens, so that those before and after it
            count.
    """

    method: str
    reference: str
    when: When
    benchmark: str
    tokens: tuple[float | None, float | None]
    tested: Tested
    adjusted: float | None = None
    reason: str = ""
    between: bool = False

    @property
    def verdict(self) -> Verdict | None:
        """Whether the method is better or worse than the reference; None without a test."""
        if self.adjusted is None:
            return None
        difference = self.tested.difference
        if self.adjusted < ALPHA and difference.is_above(0.0):
            return "better"
        if self.adjusted < ALPHA and difference.is_below(0.0):
            return "worse"
        return "inconclusive"

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return {
            "method": self.method,
            "reference": self.reference,
            "when": self.when,
            "benchmark": self.benchmark,
            "tokens_reference": self.tokens[0],
            "tokens_method": self.tokens[1],
            "between_evaluations": self.between,
            **asdict(self.tested),
            "p_value_holm": self.adjusted,
            "verdict": self.verdict,
            "reason": self.reason,
        }


def compare(methods: Sequence[Method], *, seed: int = 0) -> list[Comparison]:
    """Return each method compared with the first.

    Args:
        methods: At least two; the first is the reference.
        seed: Seed of the bootstrap and of the sign-flip test.

    Returns:
        For each method one row with a verdict, or one for each benchmark and one for all; where
        training runs ended after different numbers of tokens, also one for their ends, without a
        verdict.

    Raises:
        ValueError: If two methods cannot be compared.

    Note: The p-values of all rows form one family of Holm's method, so that the probability of any
        wrong verdict is at most 0.05.
    """
    reference, *others = methods
    rows = [row for other in others for row in _rows(reference, other, seed)]
    places = [i for i, row in enumerate(rows) if row.tested.p_value is not None]
    adjusted = holm([p for row in rows if (p := row.tested.p_value) is not None])
    for place, p_value in zip(places, adjusted, strict=True):
        rows[place] = replace(rows[place], adjusted=p_value)
    return rows


def _rows(reference: Method, other: Method, seed: int) -> Iterator[Comparison]:
    rng = np.random.default_rng([seed, _STREAM])
    pairing = pairing_of(reference, other)
    if not (reference.is_trained and other.is_trained):
        yield from _by_benchmark(pairing, rng)
        return
    runs = [run for pair in pairing.runs for run in pair]
    ends = [_mean_tokens(side) for side in zip(*pairing.runs, strict=True)]
    tokens = common_tokens(runs)
    if all(same_tokens(_end_of(run), tokens) for run in runs):
        yield _row(pairing, "end", (ends[0], ends[1]), [_pair(at_end, p) for p in pairing.runs], rng)
        return
    around = [(at_tokens(a, tokens), at_tokens(b, tokens)) for a, b in pairing.runs]
    known = [(a, b) for a, b in around if a is not None and b is not None]
    if len(known) == len(around):
        yield _row(pairing, "equal tokens", (tokens, tokens), known, rng)
    end = _row(pairing, "end", (ends[0], ends[1]), [_pair(at_end, p) for p in pairing.runs], rng)
    reason = "no verdict: not after an equal number of tokens"
    yield replace(end, tested=replace(end.tested, p_value=None), reason=reason)
