from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.stats import Proportion, proportion


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    total = draw(st.integers(1, 5000))
    return draw(st.integers(0, total)), total


# Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)],
)
def test_proportion_gives_the_published_intervals(successes, total, low, high):
    found = proportion(successes, total)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(count=counts(), confidence=st.floats(0.5, 0.999))
def test_proportion_ends_where_the_score_test_starts_to_reject(count, confidence):
    # The interval holds the rates p with |successes / n - p| <= z * sqrt(p (1 - p) / n).
    successes, total = count
    found = proportion(successes, total, confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    for end in (found.low, found.high):
        deviation = abs(found.rate - end)
        if 0.0 < end < 1.0:
            assert deviation == pytest.approx(z * math.sqrt(end * (1 - end) / total), abs=1e-7)


@given(count=counts())
def test_proportion_holds_its_rate_and_stays_within_zero_and_one(count):
    found = proportion(*count)
    assert 0.0 <= found.low <= found.rate <= found.high <= 1.0
    assert found.low < found.high


def test_proportion_mirrors_when_successes_become_failures():
    rises, falls = proportion(7, 40), proportion(33, 40)
    assert (rises.low, rises.high) == pytest.approx((1 - falls.high, 1 - falls.low))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0), "total must be >= 1, got 0; a rate of nothing is not measured, so leave it out"),
        ((4, 3), r"successes must lie in \[0, 3\], got 4; count each trial once"),
        ((-1, 3), r"successes must lie in \[0, 3\], got -1"),
        ((1, 3, 1.0), "confidence must lie between 0 and 1, got 1.0"),
        ((1, 3, math.nan), "confidence must lie between 0 and 1, got nan"),
    ],
)
def test_proportion_refuses_counts_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        proportion(*arguments)


def test_proportion_reads_as_a_rate_with_an_interval():
    # 46 of 90: z = 1.96, so (0.5111 + 0.0213 ± 0.1055) / 1.0427 = 0.51 ± 0.10.
    assert str(proportion(46, 90)) == "0.511 [0.41, 0.61]"


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.1, 0.2, True), (0.1, 0.3, False), (0.25, 0.5, False)]
)
def test_is_above_needs_a_gap_between_the_intervals(low, high, expected):
    assert Proportion(4, 10, 0.3, 0.5).is_above(Proportion(2, 10, low, high)) is expected
