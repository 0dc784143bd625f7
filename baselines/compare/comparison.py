"""Compare methods with the first one: paired differences, tests adjusted by Holm, and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from baselines.common.evaluation_file import TaskKey
from baselines.common.stats import ALPHA, MIN_TESTED, Estimate, holm
from baselines.compare.matching import Pairing, pairing_of
from baselines.compare.methods import Method, Run
from baselines.compare.moments import at_end, at_tokens, common_tokens, same_tokens
from baselines.compare.paired_tests import Pair, Tested, by_seed, by_task
from baselines.evaluate.summary import ALL

Verdict = Literal["better", "worse", "inconclusive"]
When = Literal["end", "equal tokens", "evaluation"]
"""After training; after an equal number of sampled tokens; in evaluations of their own."""
UNEQUAL = "no verdict: after different numbers of tokens"
NO_SPREAD = "no verdict: all seeds differ by the same amount"
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
        num_tests: Tests that the p-value is adjusted for.
    """

    method: str
    reference: str
    when: When
    benchmark: str
    tokens: tuple[float | None, float | None]
    tested: Tested
    adjusted: float | None = None
    reason: str = ""
    num_tests: int = 1

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
            "between_evaluations": not self.tested.is_measured,
            **self._tested_json(),
            "p_value_holm": self.adjusted,
            "verdict": self.verdict,
            "reason": self.reason,
        }

    def _tested_json(self) -> dict[str, Any]:
        """Return the test; without a value and the name of a test where nothing was measured."""
        found = asdict(self.tested)
        if not self.tested.is_measured:
            found |= {"difference": {**found["difference"], "value": None}, "test": None}
        return found


def compare(
    methods: Sequence[Method],
    *,
    reference_of: Callable[[Method], Method] | None = None,
    seed: int = 0,
) -> list[Comparison]:
    """Return each method compared with its reference.

    Args:
        methods: At least two.
        reference_of: Maps a method to its reference, and a reference to itself. None: the first
            method is the reference of all others.
        seed: Seed of the bootstrap and of the sign-flip test.

    Returns:
        For each method one row with a verdict, or one for each benchmark and one for all; where
        training runs ended after different numbers of tokens, also one for their ends, without a
        verdict.

    Raises:
        ValueError: If two methods cannot be compared.

    Note: The p-values of all rows form one family of Holm's method, so that the probability of any
        wrong verdict is at most 0.05. A row whose seeds all differ by the same amount has no
        p-value, but counts as a test with p-value 1, so that chance does not choose the size of the
        family; a row with too few seeds, or after different numbers of tokens, is never tested and
        does not count.
    """
    pairs = [(reference_of(own) if reference_of else methods[0], own) for own in methods]
    rows = [row for one, two in pairs if one is not two for row in _rows(one, two, seed)]
    p_values = {
        place: 1.0 if row.reason == NO_SPREAD else row.tested.p_value
        for place, row in enumerate(rows)
    }
    tested = {place: p_value for place, p_value in p_values.items() if p_value is not None}
    for place, adjusted in zip(tested, holm(list(tested.values())), strict=True):
        if rows[place].tested.p_value is not None:
            rows[place] = replace(rows[place], adjusted=adjusted, num_tests=len(tested))
    return rows


def _rows(reference: Method, other: Method, seed: int) -> Iterator[Comparison]:
    rng = np.random.default_rng([seed, _STREAM])
    pairing = pairing_of(reference, other)
    ends = [(at_end(one), at_end(two)) for one, two in pairing.runs]
    if not (reference.is_trained and other.is_trained):
        yield from _by_benchmark(pairing, ends, rng)
        return
    tokens = common_tokens([run for pair in pairing.runs for run in pair])
    if tokens <= 0.0:
        raise ValueError(
            f"runs must have been evaluated since training began, got only evaluations before it "
            f"in {reference.name} or {other.name}; wait for the next one"
        )
    first, second = (
        float(np.mean([_tokens(pair[side]) for pair in pairing.runs])) for side in (0, 1)
    )
    end = _row(pairing, "end", (first, second), ends, rng)
    if all(same_tokens(_tokens(run), tokens) for pair in pairing.runs for run in pair):
        yield end
        return
    around = [(at_tokens(one, tokens), at_tokens(two, tokens)) for one, two in pairing.runs]
    known = [(one, two) for one, two in around if one is not None and two is not None]
    if len(known) == len(around) and (pairing.unit == "seeds" or _tasks(*known)):
        yield _row(pairing, "equal tokens", (tokens, tokens), known, rng)
    yield replace(end, tested=replace(end.tested, p_value=None), reason=UNEQUAL)


def _row(
    pairing: Pairing,
    when: When,
    tokens: tuple[float, float],
    pairs: Sequence[Pair],
    rng: np.random.Generator,
) -> Comparison:
    if pairing.unit == "seeds":
        tested = by_seed(pairs)
    else:
        (pair,) = pairs
        tested = by_task(pair, _tasks(pair), rng=rng)
    return Comparison(
        method=pairing.method,
        reference=pairing.reference,
        when=when,
        benchmark=ALL,
        tokens=tokens,
        tested=tested,
        reason=why_untested(tested.difference) if tested.p_value is None else "",
    )


def why_untested(difference: Estimate) -> str:
    """Return why a difference over seeds has no p-value."""
    if difference.num_units < MIN_TESTED:
        return f"no verdict: a test over seeds needs at least {MIN_TESTED}"
    return NO_SPREAD


def _by_benchmark(
    pairing: Pairing, pairs: Sequence[Pair], rng: np.random.Generator
) -> Iterator[Comparison]:
    """Yield a row for each benchmark and, with several, one for all of them."""
    (pair,) = pairs
    tasks = _tasks(pair)
    names = list(dict.fromkeys(benchmark for benchmark, _ in tasks))
    groups = {name: [task for task in tasks if task[0] == name] for name in names}
    if len(groups) > 1:
        groups[ALL] = tasks
    for benchmark, own in groups.items():
        yield Comparison(
            method=pairing.method,
            reference=pairing.reference,
            when="evaluation",
            benchmark=benchmark,
            tokens=(pair[0].before.tokens, pair[1].before.tokens),
            tested=by_task(pair, own, rng=rng),
        )


def _tasks(pair: Pair) -> list[TaskKey]:
    """Return the tasks that both measured in all evaluations of a pair."""
    return sorted(pair[0].tasks() & pair[1].tasks())


def _tokens(run: Run) -> float:
    assert run.last.tokens is not None  # of a training run
    return run.last.tokens
