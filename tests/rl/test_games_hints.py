"""The game of hints: which recorded answers count, and the chances made of them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from baselines.bench.credit.games import enumeration
from baselines.bench.credit.games.chain import CORRECT
from baselines.bench.credit.games.hints import make_hints
from baselines.bench.credit.games.recorded_answers import (
    MESSAGES,
    MIN_CLEAR,
    RecordedProblem,
    is_stated,
    recorded_problems,
)
from baselines.bench.credit.games.turn_game import IDLE
from ccpo_env.tasks import champ

QUESTION = "How many triples are there such that a+b+c=99 and m, n are in {1, ..., 10}?"


@pytest.mark.parametrize(
    ("answer", "summary", "stated"),
    [
        ("5050", "There are 5050 triples such that a+b+c=99.", True),
        ("5050", "There are 5,050 triples.", True),
        ("5050", r"The number of triples is \(\boxed{5050}\).", True),
        ("3/2", r"The value is $\frac{3}{2}$.", True),
        ("7", "The smallest value is 7, which occurs when m = 4 and n = 4.", True),
        ("89", "The number of permutations, a_{12}, equals 89.", True),
        ("7744", "The perfect square aabb is 7744, which is 88^2.", True),
        ("0", "The remainder when it is divided by 10 is 0.", True),
        ("50", "At least 26 questions are needed for the 50 numbers.", False),
        ("76", "The numbers are 00, 01 and 76.", False),
        ("1", r"The minimum is \(\frac{1}{\sqrt{2}}\).", False),
        ("512", r"The answer is 512 or \binom{9}{2}.", False),
        ("5050", "There are 99 triples.", False),
        ("No", "No, there is none.", True),
        ("No", "Yes, there is one.", False),
        ("No", "The sequence cannot contain it.", None),
    ],
)
def test_which_sentences_state_the_answer(answer, summary, stated):
    assert is_stated(answer, summary, QUESTION) is stated


def test_chances_follow_the_recorded_answers():
    correct, answered = np.array([4.0, 2.0, 0.0, 1.0]), np.array([4.0, 4.0, 3.0, 3.0])
    game = make_hints(RecordedProblem("P", "?", "1", ("a hint",), correct, answered))
    values = enumeration.prefix_values(game)
    np.testing.assert_allclose(values[1], 2 * np.array([0.9, 0.5, 0.125]) - 1)
    np.testing.assert_allclose(values[0], (2 * np.array([0.9, 0.5, 0.125]) - 1).mean())
    message = np.array([0, CORRECT])
    for removed in ({0}, {1}):  # the solver alone, and a thinker that has to answer
        alone = enumeration.coalition_value(game, message, frozenset(removed))
        assert alone == pytest.approx(2 * 0.375 - 1)
    assert game.without(message, frozenset({0}))[0] == IDLE


def test_recorded_problems_are_of_the_data_set():
    pytest.importorskip("champ_dataset", reason="the package champ-dataset is not installed")
    problems = recorded_problems()
    assert len({problem.id for problem in problems}) == len(problems) > 50
    for problem in problems:
        assert problem.hints
        assert problem.correct.shape == problem.answered.shape == (len(MESSAGES) + 1,)
        assert ((problem.correct >= 0) & (problem.correct <= problem.answered)).all()
        assert problem.answered.min() >= MIN_CLEAR
    # What the data set was made for: most of a solution helps, on average.
    rates = np.array([problem.correct / problem.answered for problem in problems]).mean(axis=0)
    assert rates[list(MESSAGES).index("two thirds of the solution")] > rates[-1]


def test_a_missing_package_is_named(monkeypatch):
    champ.dataset.cache_clear()
    recorded_problems.cache_clear()
    monkeypatch.setitem(sys.modules, "champ_dataset", None)
    with pytest.raises(ImportError, match=r"champ-dataset, got none; run pip install"):
        recorded_problems()
