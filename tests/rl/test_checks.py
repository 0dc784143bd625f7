"""The checks at the borders: what passes, what is refused, and the sentence that says so."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from baselines.common.checks import (
    expect_between,
    expect_finite,
    expect_shape,
    flag_of,
    require_at_least,
    require_known,
    require_positive,
    require_roles,
    unread,
)

REMEDY = "pass another one"


def exactly(sentence: str) -> str:
    return f"^{re.escape(sentence)}$"


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((2, 3), (2, 3)), ((2, 3), ("G", 3)), ((1, 1), ("G", "A")), ((), ()), ((0, 4), (0, "T"))],
)
def test_expect_shape_takes_sizes_and_letters(shape, wanted):
    expect_shape("rewards", np.zeros(shape), wanted, remedy=REMEDY)


@pytest.mark.parametrize(
    ("shape", "wanted", "sentence"),
    [
        ((2, 3), (2, 4), "rewards must have shape (2, 4), got (2, 3)"),
        ((2, 3), (3, 3), "rewards must have shape (3, 3), got (2, 3)"),
        ((2,), ("G", 3), "rewards must have shape (G, 3), got (2,)"),
        ((2, 3), ("G",), "rewards must have shape (G,), got (2, 3)"),
        ((0,), ("G",), "rewards must have shape (G,), got (0,)"),
        ((), ("G",), "rewards must have shape (G,), got ()"),
    ],
)
def test_expect_shape_refuses_another_shape(shape, wanted, sentence):
    with pytest.raises(ValueError, match=exactly(f"{sentence}; {REMEDY}")):
        expect_shape("rewards", np.zeros(shape), wanted, remedy=REMEDY)


def test_expect_between_takes_both_ends():
    expect_between("shares", np.array([0.0, 0.5, 1.0]), 0.0, 1.0, remedy=REMEDY)
    expect_between("shares", np.array([]), 0.0, 1.0, remedy=REMEDY)


@pytest.mark.parametrize("value", [-0.25, 1.25, math.nan, math.inf, -math.inf])
def test_expect_between_names_the_first_number_outside(value):
    sentence = f"shares must lie in [0, 1], got {value:g}; {REMEDY}"
    with pytest.raises(ValueError, match=exactly(sentence)):
        expect_between("shares", np.array([0.5, value, 7.0]), 0.0, 1.0, remedy=REMEDY)


def test_expect_finite_counts_what_is_not():
    expect_finite("credit", np.array([[0.0, -1e300]]), remedy=REMEDY)
    sentence = f"credit must be finite, got 2 NaN or infinite of 5 numbers; {REMEDY}"
    with pytest.raises(ValueError, match=exactly(sentence)):
        expect_finite("credit", np.array([math.nan, 1.0, -math.inf, 2.0, 3.0]), remedy=REMEDY)


def test_require_known_and_roles_offer_the_nearest_name():
    require_known("allocator", "shared", {"shared": 1})
    require_roles("frozen_roles", ["solver", "thinker"], ("thinker", "solver"))
    require_roles("frozen_roles", [], ("solver",))
    with pytest.raises(ValueError, match=r"allocator.*'sharde'.*did you mean 'shared'\?"):
        require_known("allocator", "sharde", {"shared": 1, "branch": 2})
    with pytest.raises(ValueError, match=r"role.*'solvr'.*frozen_roles.*did you mean 'solver'\?"):
        require_roles("frozen_roles", ["thinker", "solvr"], ("thinker", "solver"))


def test_flag_of_a_name():
    assert flag_of("num_eval_tasks") == "--num-eval-tasks"


@pytest.mark.parametrize("value", [2, 3])
def test_require_at_least_takes_the_least(value):
    require_at_least("group_size", value, 2)


@pytest.mark.parametrize(
    ("why", "reason"), [("", ""), ("credit compares", " because credit compares")]
)
def test_require_at_least_says_what_to_pass(why, reason):
    sentence = f"group_size must be >= 2{reason}, got 1; pass --group-size 2 or more"
    with pytest.raises(ValueError, match=exactly(sentence)):
        require_at_least("group_size", 1, 2, why=why)


@pytest.mark.parametrize("value", [None, 1e-9, 3, 1e300])
def test_require_positive_takes_what_is_above_zero(value):
    require_positive("learning_rate", value, such_as=0.1)


@pytest.mark.parametrize("value", [0.0, -1e-9, math.inf, math.nan])
def test_require_positive_refuses_the_rest(value):
    sentence = f"learning_rate must be a number above 0, got {value}; pass e.g. --learning-rate 0.1"
    with pytest.raises(ValueError, match=exactly(sentence)):
        require_positive("learning_rate", value, such_as=0.1)


def test_unread_names_the_flag_and_what_it_needs():
    assert unread("num_voters", 3, "--topology vote") == (
        "num_voters must be left out where it has no effect, got 3; drop --num-voters, or pass "
        "--topology vote"
    )
