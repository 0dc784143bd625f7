"""Options in another order: the gold answer moves with its option, and some orders are kept."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env import Task, load_tasks
from ccpo_env.prompts import LETTERS
from ccpo_env.tasks import shuffle_choices

ROWS = [{"question": f"q{n}", "choices": ["w", "x", "y", "z"], "answer": n % 4} for n in range(600)]


def gold_text(task: Task) -> str:
    return task.choices[LETTERS.index(task.answer)]


@given(seed=st.integers(0, 2**64), num_options=st.integers(2, 26), gold=st.integers(0, 25))
def test_options_are_permuted_and_the_gold_answer_moves_with_its_option(
    seed: int, num_options: int, gold: int
) -> None:
    choices = tuple(f"text {n}" for n in range(num_options))
    letter, other = LETTERS[gold % num_options], LETTERS[(gold + 1) % num_options]
    task = Task("t", "q", letter, choices=choices, answers=(other,), context=("p",))
    [shuffled] = shuffle_choices([task], seed)
    assert sorted(shuffled.choices) == sorted(choices)
    assert gold_text(shuffled) == gold_text(task)
    assert shuffled.choices[LETTERS.index(shuffled.answers[0])] == choices[LETTERS.index(other)]
    assert (shuffled.id, shuffled.question, shuffled.context) == ("t", "q", ("p",))
    assert shuffle_choices([task], seed) == [shuffled]


def test_every_order_is_as_likely_and_depends_on_seed_and_id_alone() -> None:
    tasks = load_tasks(ROWS)
    shuffled = load_tasks(ROWS, shuffle_choices=3)
    assert shuffled == shuffle_choices(tasks, 3) != shuffle_choices(tasks, 4)
    assert shuffle_choices(tasks[100:200], 3) == shuffled[100:200]
    counts = Counter(task.choices for task in shuffled)
    assert len(counts) == 24
    # 600 draws of 24 orders: 25 each, chi-squared of 23 degrees of freedom below 50 (p = .001).
    assert sum((count - 25) ** 2 / 25 for count in counts.values()) < 50


@pytest.mark.parametrize(
    "option",
    [
        *["All of the above", "none of the above.", "None of these", "Both of the above"],
        *["A and B", "Both A and B", "A, B, and C", "(A) and (C) only", "A only", "Only B"],
        *[
            "A & B",
            "Neither A nor B",
            "Both A and B are correct",
            "Options A and C",
            "all are true",
        ],
        *["The answers B and C are both right", "either of them"],
    ],
)
def test_a_task_whose_options_name_others_keeps_its_order(option: str) -> None:
    tasks = [Task(f"t/{n}", "q", "A", choices=("w", "x", "y", option)) for n in range(8)]
    assert shuffle_choices(tasks, 0) == tasks


@pytest.mark.parametrize(
    "option",
    [
        *[
            "Vitamin A and vitamin B",
            "Hepatitis A",
            "A",
            "a and b",
            "All patients",
            "A or the other",
        ],
        *["none", "Both kidneys", "I am", "one of his choices"],
    ],
)
def test_other_options_are_shuffled(option: str) -> None:
    tasks = [Task(f"t/{n}", "q", "A", choices=("w", "x", "y", option)) for n in range(8)]
    assert shuffle_choices(tasks, 0) != tasks


def test_tasks_without_options_or_gold_answer() -> None:
    tasks = [Task("a", "q", "B"), Task("b", "q", "", choices=("x", "y"))]
    first, second = shuffle_choices(tasks, 5)
    assert (first, second.answer) == (tasks[0], "")


@pytest.mark.parametrize(
    ("seed", "error"), [(-1, ValueError), (True, TypeError), ("3", TypeError), (1.0, TypeError)]
)
def test_a_seed_is_a_whole_number(seed: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"shuffle_choices must be .*, got {seed!r}; pass e.g. 0"):
        load_tasks(ROWS, shuffle_choices=seed)
