"""The curves of a report: averages, bins, and what tables and captions say of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from baselines.common.stats import proportion
from baselines.pages.series import (
    MAX_POINTS,
    MAX_TABLE_ROWS,
    MISSING,
    Point,
    Series,
    amounts,
    binned,
    column,
    course,
    duration,
    number_text,
    running_mean,
    smoothed,
    spread,
    table,
    window_of,
)

NAN = math.nan


def test_column_and_amounts_read_a_metric_of_every_step():
    rows = [{"x": 1}, {"x": None}, {}, {"x": math.inf}, {"x": -2.5}]
    np.testing.assert_array_equal(column(rows, "x"), [1, NAN, NAN, NAN, -2.5])
    np.testing.assert_array_equal(amounts(rows, "x"), [1, 0, 0, 0, -2.5])


@pytest.mark.parametrize(
    ("values", "max_bins", "expected"),
    [
        ([1.0, 3.0, 5.0, 7.0], 2, [2, 6]),
        ([1.0, 3.0, 5.0], 2, [2, 5]),  # the last bin is shorter
        ([1.0, NAN, NAN, NAN], 2, [1, NAN]),
        ([0.0, 0.0, 0.0, 6.0], 1, [1.5]),
        ([1.0, 2.0], 2, [1, 2]),
        ([1.0, 2.0], 5, [1, 2]),
        ([], 3, []),
    ],
)
def test_binned_by_hand(values, max_bins, expected):
    np.testing.assert_array_equal(binned(np.array(values), max_bins), expected)


@pytest.mark.parametrize(
    ("values", "window", "expected"),
    [
        ([0.0, 3.0, 6.0, 0.0], 3, [1.5, 3, 3, 3]),
        ([0.0, NAN, 6.0, NAN, NAN, NAN], 3, [0, 3, 6, 6, NAN, NAN]),
        ([1.0, 2.0, 5.0], 1, [1, 2, 5]),
        ([1.0, 2.0, 6.0], 3, [1, 2, 6]),  # the window is not shorter than the curve
        ([1.0, 2.0, 6.0, 2.0], 3, [1.5, 3, 10 / 3, 4]),
    ],
)
def test_smoothed_by_hand(values, window, expected):
    np.testing.assert_allclose(smoothed(np.array(values), window), expected)


@pytest.mark.parametrize(("num_steps", "window"), [(1, 1), (23, 1), (24, 3), (47, 3), (240, 21)])
def test_window_of_a_run_is_odd(num_steps, window):
    assert window_of(num_steps) == window


def test_running_mean_has_at_most_so_many_points():
    assert len(running_mean(np.arange(MAX_POINTS + 1.0))) == (MAX_POINTS + 2) // 2
    np.testing.assert_array_equal(running_mean(np.array([1.0, 5.0])), [1, 5])


@pytest.mark.parametrize(
    ("number", "limit", "indices"),
    [
        (10, 4, [0, 3, 6, 9]),
        (3, 5, [0, 1, 2]),
        (3, 3, [0, 1, 2]),
        (1, 5, [0]),
        (9, 2, [0, 8]),
        (0, 5, []),
    ],
)
def test_spread_takes_both_ends(number, limit, indices):
    assert spread(number, limit) == indices


def test_course_compares_the_first_with_the_last_tenth():
    values = np.array([NAN, 1.0, 3.0, *np.full(16, 9.0), 4.0, 6.0, NAN])
    assert course(Series("x", values)) == "2 in the first and 5 in the last tenth of the steps"


def test_course_names_the_first_and_the_last_held_out_point():
    points = [Point(0, 0.25), Point(5, 0.5), Point(9, 0.5, proportion(10, 20))]
    said = course(Series("x", np.array([NAN]), points))
    assert said == (
        "0.250 on held-out tasks after 0 steps, 0.500 [0.30, 0.70] on held-out tasks after 9 steps"
    )
    assert course(Series("x", np.array([NAN]), points[:1])) == (
        "0.250 on held-out tasks after 0 steps"
    )


def test_table_has_a_row_per_step_and_per_held_out_point():
    one = Series("a", np.array([0.5, NAN, 2.0]), [Point(0, 0.25), Point(3, 0.75)])
    two = Series("b", np.array([1.0, 2.0, 3.0]))
    assert table(np.array([1.0, 2.0, 3.0]), [one, two]) == [
        ("0", MISSING, "0.250", MISSING),
        ("1", "0.5", MISSING, "1"),
        ("2", MISSING, MISSING, "2"),
        ("3", "2", "0.750", "3"),
    ]


def test_table_of_a_long_run_is_a_selection():
    steps = np.arange(1.0, 1001.0)
    rows = table(steps, [Series("a", steps)])
    assert len(rows) == MAX_TABLE_ROWS
    assert (rows[0], rows[-1]) == (("1", "1"), ("1000", "1,000"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (999.0, "999"),
        (1000.0, "1,000"),
        (-1234567.0, "-1,234,567"),
        (0.0, "0"),
        (NAN, MISSING),
        (math.inf, MISSING),
    ],
)
def test_number_text_has_three_digits(value, text):
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (119.0, "119 s"),
        (120.0, "2 min"),
        (7199.0, "120 min"),
        (7200.0, "2.0 h"),
        (9000.0, "2.5 h"),
    ],
)
def test_duration_takes_the_unit_that_reads_best(seconds, text):
    assert duration(seconds) == text
