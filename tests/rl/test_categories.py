from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from baselines.credit import GroupOutcomes, regression_credit
from baselines.rollouts.categories import (
    CATEGORIES,
    by_answer,
    by_text,
    categories_of,
    find_categorize,
    message_categories,
)
from baselines.rollouts.costs import CostTracker
from ccpo_env.types import Task, Verdict
from ccpo_env.verifiers.registry import VERIFIERS
from ccpo_env.voting import count_votes
from tests.rl.teams import PAIR, TASK, judge, rollout

GOLD = Task("t/0", "What is a half?", "1/2")
NUMBER = VERIFIERS["number"]
ADDING = ["Add up all of the numbers.", "We sum all numbers.", "Sum: add every number up."]
UNSURE = ["I am not sure, sorry.", "Sorry, I have no idea.", "No idea, I am unsure, sorry."]


def same(categories) -> list[list[bool]]:
    array = np.asarray(categories)
    return (array[:, None] == array).tolist()


def stating(*answers: str) -> list[str]:
    return [f"It is, as {n} shows, {answer}." for n, answer in enumerate(answers)]


def test_messages_with_equal_answers_are_one_category_however_they_are_written():
    texts = stating("1/2", "0.5", "3", r"\frac{1}{2}", "3.0", "-3")
    assert same(by_answer(texts, GOLD, NUMBER)) == same([0, 0, 1, 0, 1, 2])


def test_a_thought_that_states_an_answer_is_categorised_by_it_and_the_others_by_meaning():
    leaks = stating("0.5", "7")
    categories = by_answer([leaks[0], *ADDING, *UNSURE, leaks[1]], GOLD, NUMBER)
    assert same(categories) == same([0, 1, 1, 1, 2, 2, 2, 3])


def test_what_the_verifier_fails_to_read_is_categorised_by_text():
    # "?" is a timeout of this verifier, and the empty text no answer.
    assert same(by_answer(["?", "2", "?", "", "", "9"], TASK, judge)) == same([0, 1, 0, 2, 2, 3])


def test_a_verifier_without_answers_tells_correct_from_wrong_and_the_wrong_by_text():
    def opinion(response: str, _: str) -> Verdict:
        return Verdict("correct" if response == "fine" else "wrong")

    texts = ["fine", "bad", "bad", "worse", "worse", "fine"]
    assert same(by_answer(texts, TASK, opinion)) == same([0, 1, 1, 2, 2, 0])


def test_answers_that_cannot_be_compared_are_categorised_by_text():
    def shy(response: str, gold: str) -> Verdict:
        if gold != TASK.answer:
            return Verdict("timeout", detail="too long")
        return judge(response, gold)

    assert same(by_answer(["7", "8", "8", "7"], TASK, shy)) == same([0, 1, 1, 0])


def test_each_different_message_is_verified_once():
    calls = []

    def counting(response: str, gold: str) -> Verdict:
        calls.append((response, gold))
        return judge(response, gold)

    by_answer(["2", "7", "2", "", "7", "", "7", "2"], TASK, counting)
    assert [call for call in calls if call[1] == TASK.answer] == [("", "2"), ("2", "2"), ("7", "2")]


def test_by_text_is_a_category_per_text():
    assert by_text(["b", "a", "b", "c"], TASK, judge).tolist() == [1, 0, 1, 2]


@pytest.mark.parametrize("name", CATEGORIES)
def test_categories_follow_the_rollouts_when_they_are_reordered(name):
    texts = [*ADDING, *UNSURE, *stating("2", "7", "2"), "", ADDING[0]]
    categories = np.asarray(CATEGORIES[name](texts, TASK, NUMBER))
    order = np.random.default_rng(3).permutation(len(texts))
    reordered = np.asarray(CATEGORIES[name]([texts[place] for place in order], TASK, NUMBER))
    assert same(reordered) == same(categories[order])
    assert categories[0] == categories[-1]


def test_categories_of_number_each_turn_from_zero_without_surrounding_space():
    columns = [["a", " a\n", "b"], ["x", "y", "x"]]
    found = categories_of(columns, TASK, judge, lambda texts, *_: [len(texts)] * 3)
    assert found.tolist() == [[0, 0]] * 3
    assert categories_of(columns, TASK, judge, by_text).tolist() == [[0, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([0, 1], r"shape \(3,\), got int64 of shape \(2,\)"),
        ([[0], [1], [2]], r"got int64 of shape \(3, 1\)"),
        ([0.0, 1.0, 2.0], "got float64 of shape"),
        (["a", "b", "c"], "got <U1 of shape"),
        ([True, False, True], "got bool of shape"),
        (None, r"got object of shape \(\)"),
    ],
)
def test_what_is_no_integer_for_each_message_is_refused(returned, message):
    with pytest.raises(ValueError, match=message):
        categories_of([["a", "b", "c"]], TASK, judge, lambda *_: returned)


def test_message_categories_count_the_verifier_calls_and_know_the_verdict_of_the_team():
    calls = []

    def counting(response: str, gold: str) -> Verdict:
        calls.append((response, gold))
        return judge(response, gold)

    costs = CostTracker()
    texts = [("thought", "2"), ("other", "9"), ("thought", "8 ")]
    rollouts = [rollout(judge(own[1], "2").status, texts=own) for own in texts]
    categories = message_categories(TASK, rollouts, counting, by_answer, costs=costs)
    assert same(categories[:, 0]) == same([0, 1, 0])
    assert same(categories[:, 1]) == same([0, 1, 2])
    # The different thoughts with the gold answer, then wrong answers with each other.
    assert calls == [("other", "2"), ("thought", "2"), ("thought", "other"), ("9", "8 ")]
    assert (costs.verified["category"], costs.verifier_calls) == (4, 4)
    assert costs.verify_s > 0.0


def test_the_verdict_of_a_chain_is_that_of_its_last_message():
    chain = ("thinker_0", "thinker_1", "solver_0")
    texts = [("start", "2", "9"), ("start", "7", "2")]
    rollouts = [rollout(judge(own[2], "2").status, texts=own, agents=chain) for own in texts]
    costs = CostTracker()
    categories = message_categories(TASK, rollouts, judge, by_answer, costs=costs)
    assert [len(set(column)) for column in categories.T.tolist()] == [1, 2, 2]
    assert costs.verifier_calls == 2  # "start" and "7"; "2" and "9" are known


def test_the_verdict_of_a_vote_is_not_that_of_its_last_voter():
    texts = [("7", "7", "2"), ("2", "2", "2")]
    voters = ("voter_0", "voter_1", "voter_2")
    rollouts = [
        replace(
            rollout(status, texts=own, agents=voters), ballot=count_votes(own, TASK.answer, judge)
        )
        for own, status in zip(texts, ("wrong", "correct"), strict=True)
    ]
    categories = message_categories(TASK, rollouts, judge, by_answer, costs=CostTracker())
    assert categories[:, 2].tolist() == [0, 0]
    assert categories[0, 0] != categories[1, 0]


def test_messages_of_rollouts_with_equal_rewards_are_one_category_and_cost_nothing():
    costs = CostTracker()
    rollouts = [rollout("wrong", texts=(text, "9")) for text in "abc"]
    categories = message_categories(TASK, rollouts, judge, by_answer, costs=costs)
    assert categories.tolist() == [[0, 0]] * 3
    assert costs.verifier_calls == 0


def test_find_categorize_imports_a_function_from_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "own_kinds.py").write_text(
        "def first(texts, task, verifier):\n    return [len(text) for text in texts]\nNONE = None\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    found = find_categorize("own_kinds:first")
    assert categories_of([["aa", "b", "cc"]], TASK, judge, found).tolist() == [[1], [0], [1]]
    with pytest.raises(ValueError, match="must be a function, got None from 'own_kinds:NONE'"):
        find_categorize("own_kinds:NONE")
    with pytest.raises(ValueError, match="got 'own_kinds:second' and AttributeError"):
        find_categorize("own_kinds:second")
    monkeypatch.delitem(sys.modules, "own_kinds")


def test_find_categorize_names_what_is_wrong():
    with pytest.raises(ValueError, match=r"unknown message_categories 'anser'.*did you mean 'answ"):
        find_categorize("anser")
    with pytest.raises(ValueError, match=r"got 'no_such_module:f' and ModuleNotFoundError"):
        find_categorize("no_such_module:f")
    assert find_categorize("text") is by_text
    assert find_categorize("answer") is by_answer


KINDS = (
    "multiply the boxes by the apples",
    "I have no idea what to do, sorry",
)
OPENINGS = ("Well, {}.", "So: {}!", "Let us see, {}", "{}, I think.", "My plan: {}.", "Okay, {}")


def test_regression_credits_the_meaning_of_thoughts_that_are_all_different():
    """P(right | good) = .9, P(right | bad) = .1: the advantage of a thought is +-.8."""
    rng = np.random.default_rng(0)
    credit, truth, by_equality = [], [], []
    for _ in range(20):
        kinds = rng.integers(2, size=64)
        texts = [
            f"{OPENINGS[rng.integers(6)].format(KINDS[kind])} (draft {n})"
            for n, kind in enumerate(kinds)
        ]
        rewards = np.where(rng.random(64) < np.where(kinds == 0, 0.9, 0.1), 1.0, -1.0)
        group = GroupOutcomes(PAIR[:1], rewards)
        features = categories_of([texts], TASK, judge_nothing, by_answer)
        credit.append(regression_credit(group, features=features)[:, 0])
        equal = categories_of([texts], TASK, judge_nothing, by_text)
        by_equality.append(regression_credit(group, features=equal)[:, 0])
        truth.append(np.where(kinds == 0, 0.8, -0.8))
    x, y = np.concatenate(truth), np.concatenate(credit)
    assert x @ y / (x @ x) > 0.75
    np.testing.assert_allclose(np.concatenate(by_equality), 0.0, rtol=0, atol=1e-9)


def judge_nothing(*_: str) -> Verdict:
    return Verdict("no_answer")


def test_letters_are_categories_without_comparing_answers_with_one_another():
    task = Task("t/1", "Which?", "C", choices=("x1", "x2", "x3", "x4"))
    texts = [
        ("So B.", "C"),
        ("It is x2.", "D"),
        ("Answer: D", "D"),
        ("A or B", "The x4."),
        ("b", "C"),
    ]
    rollouts = [
        rollout("correct" if own[1] == "C" else "wrong", texts=own, task=task) for own in texts
    ]
    costs = CostTracker()
    categories = message_categories(task, rollouts, VERIFIERS["choice"], by_answer, costs=costs)
    assert same(categories[:, 0]) == same([0, 0, 1, 2, 0])
    assert costs.verifier_calls == 5  # the thoughts, each once; the answers are known
