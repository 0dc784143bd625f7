"""Clusters of equal wrong answers, with few calls of the verifier."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable, Iterator
from fractions import Fraction

from ccpo_env.types import Verdict, Verifier
from ccpo_env.verifiers.calling import call_verifier, category_of
from ccpo_env.verifiers.extract import extract_boxed
from ccpo_env.verifiers.math.compare.ordering import PRECISION, sort_values
from ccpo_env.verifiers.number import number

MAX_NUMBERS_COMPARED = 16
"""Up to so many different answers that have a value, a new one is compared with all of them;
beyond, only with its neighbours in value: equal numbers are neighbours, also within a tolerance."""
SAME_VALUE = Fraction(1, PRECISION // 10**5)
"""Difference of values that may be rounding, as of two forms of a root: relative above 1."""

_DECIMAL = re.compile(
    r"[+-]?(?:\d{1,64}|\d{1,3}(?:,\d{3}){1,20})?(?:\.\d{1,64})?(?:[eE][+-]?\d{1,2})?", re.ASCII
)
_FRACTION = re.compile(
    r"([+-]?)(?:(\d{1,64})/(\d{1,64})|\\[dt]?frac\{(\d{1,64})\}\{(\d{1,64})\})", re.ASCII
)


class WrongAnswers:
    """The wrong answers so far, each with its cluster.

    Answers of the same text are equal. Other answers are compared by the verifier, each with the
    first answer of every cluster; the first cluster that it finds equal is the answer's. A verifier
    that names categories is not called: answers are equal if their categories are.

    Args:
        verify: Compares a response with an answer.

    Attributes:
        unmeasured: The verdict of the first comparison that failed, or None. After it the verifier
            is not called any more, so that only answers of the same text are equal.
    """

    def __init__(self, verify: Verifier) -> None:
        self.unmeasured: Verdict | None = None
        self._verify = verify
        self._category = category_of(verify)
        self._cluster_of_text: dict[str, int] = {}
        self._answers: list[tuple[int, str]] = []  # of the clusters, in their order
        self._numbers: list[tuple[Fraction, int, str]] = []  # those with a value, by value
        self._num_numbers = 0  # as above, but once each: a percentage has two values
        self._others: list[tuple[int, str]] = []  # those without

    def cluster_of(self, response: str, answer: str | None, *, unused: int) -> int:
        """Return the cluster of a wrong response, and remember its answer.

        Args:
            response: Full text.
            answer: The answer that the verifier extracted. None or blank: the last box of the
                response counts as its answer, else its last number, else the response as a whole,
                which is never compared with as an answer.
            unused: The cluster's number if no earlier answer is equal.
        """
        read = answer if answer and answer.strip() else stated_answer(response)
        text = " ".join(response.split()) if read is None else read
        if self._category is not None:
            return self._cluster_of_text.setdefault(self._category(text), unused)
        cluster = self._cluster_of_text.get(text)
        if cluster is None:
            cluster = self._first_equal(response, text)
        if cluster is None:
            cluster = unused
            if read is not None:
                self._add(cluster, text)
        self._cluster_of_text[text] = cluster
        return cluster

    def _add(self, cluster: int, answer: str) -> None:
        self._answers.append((cluster, answer))
        values = values_of(answer)
        if not values:
            self._others.append((cluster, answer))
            return
        self._num_numbers += 1
        for value in values:
            place = bisect(self._numbers, (value, cluster))
            self._numbers.insert(place, (value, cluster, answer))

    def _first_equal(self, response: str, answer: str) -> int | None:
        """Return the first cluster whose first answer the verifier finds equal."""
        few = self._num_numbers <= MAX_NUMBERS_COMPARED
        values = () if few else values_of(answer)
        if not values:
            return next((c for c, other in self._answers if self._is_equal(response, other)), None)
        equal = [cluster for cluster, other in self._others if self._is_equal(response, other)]
        for value in values:
            place = bisect(self._numbers, (value,))
            for neighbours in (self._numbers[:place][::-1], self._numbers[place:]):
                equal += self._equal_neighbours(response, value, neighbours)
        return min(equal, default=None)

    def _equal_neighbours(
        self, response: str, value: Fraction, neighbours: Iterable[tuple[Fraction, int, str]]
    ) -> Iterator[int]:
        """Yield the clusters of equal neighbours, up to the first of another value that differs."""
        for other_value, cluster, other in neighbours:
            if self._is_equal(response, other):
                yield cluster
            elif abs(value - other_value) > SAME_VALUE * max(Fraction(1), abs(value)):
                return

    def _is_equal(self, response: str, answer: str) -> bool:
        if self.unmeasured is not None:
            return False
        verdict = call_verifier(self._verify, response, answer)
        if verdict.reward is None:
            self.unmeasured = verdict
        return verdict.status == "correct"


def stated_answer(response: str) -> str | None:
    """Return the last box of a response, else its last number, else None."""
    return extract_boxed(response) or number(response, "0").answer


def values_of(answer: str) -> tuple[Fraction, ...]:
    """Return the values of an answer by which it is sorted; empty if it has none."""
    value = plain_number(answer)
    return sort_values(answer) if value is None else (value,)


def plain_number(answer: str) -> Fraction | None:
    """Return the value of a decimal number or a fraction of whole numbers; None for others.

    A decimal may have a sign, groups of thousands and an exponent: -1,003.5, .5, 2e3.
    """
    if any(map(str.isdigit, answer)) and _DECIMAL.fullmatch(answer) and answer[0] not in "eE":
        return Fraction(answer.replace(",", ""))
    parts = _FRACTION.fullmatch(answer)
    if parts is None:
        return None
    sign, *numbers = parts.groups()
    above, below = (int(number) for number in numbers if number is not None)
    return Fraction(-above if sign == "-" else above, below) if below else None
