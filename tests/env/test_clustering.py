"""Which wrong answers are one, and how often the verifier is called to find out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccpo_env import Verdict, vote_v0
from ccpo_env.clustering import MAX_NUMBERS_COMPARED, SAME_VALUE, plain_number, stated_answer
from ccpo_env.types import Verifier
from ccpo_env.verifiers import exact, number, verify
from ccpo_env.verifiers.math.compare.ordering import sort_values
from ccpo_env.voting import ABSTAINED, cluster_answers, count_votes
from tests.env.test_verifier_rules import RULES
from tests.env.test_verifier_typed import RULES as TYPED_RULES

GOLD = "1000"
ALL_RULES = TYPED_RULES | RULES


class Counted:
    """Calls a verifier and counts the calls."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self.num_calls = 0

    def __call__(self, response: str, answer: str) -> Verdict:
        self.num_calls += 1
        return self._verifier(response, answer)


def boxed(answers: Iterable[object]) -> list[str]:
    return [f"\\boxed{{{answer}}}" for answer in answers]


def within_a_tenth(response: str, gold: str) -> Verdict:
    """Find numbers equal that differ by 0.1 or less."""
    is_near = abs(float(response) - float(gold)) <= 0.1
    return Verdict("correct" if is_near else "wrong", response)


def clusters_by_comparing_all(responses: Sequence[str], verifier: Verifier) -> tuple[int, ...]:
    """Compare each response with the first answer of every cluster, whatever they are."""
    answers: list[str | None] = []
    clusters = []
    for response in responses:
        verdict = verifier(response, GOLD)
        cluster = ABSTAINED
        if verdict.status == "correct":
            cluster = answers.index(None) if None in answers else len(answers)
        elif verdict.status == "wrong":
            equal = (
                place
                for place, answer in enumerate(answers)
                if answer is not None and verifier(response, answer).status == "correct"
            )
            cluster = next(equal, len(answers))
        if cluster == len(answers):
            answers.append(None if verdict.status == "correct" else verdict.answer)
        clusters.append(cluster)
    return tuple(clusters)


whole_numbers = st.integers(0, 60).map(str)
spelled = st.sampled_from(
    ["7", "7.0", "07", "14/2", r"\frac{14}{2}", "-7", "x", GOLD, "1e3", "50%"]
)
hundredths = st.integers(0, 800).map(lambda n: f"{n / 100:.2f}")


@pytest.mark.parametrize("verifier", [exact, number, verify])
@settings(max_examples=40)
@given(answers=st.lists(whole_numbers | spelled, max_size=50))
def test_clusters_are_those_of_comparing_every_answer(
    verifier: Verifier, answers: list[str]
) -> None:
    responses = boxed(answers)
    found = count_votes(responses, GOLD, verifier).clusters
    assert found == clusters_by_comparing_all(responses, verifier)


@settings(max_examples=40)
@given(answers=st.lists(hundredths | st.just(GOLD), min_size=60, max_size=60))
def test_numbers_within_a_tolerance_are_found_among_many(answers: list[str]) -> None:
    found = count_votes(answers, GOLD, within_a_tenth).clusters
    assert found == clusters_by_comparing_all(answers, within_a_tenth)


@pytest.mark.parametrize(("answer", "cluster"), [("6.95", 7), ("7.05", 7), ("7.5", 20)])
def test_among_many_numbers_the_neighbours_on_both_sides_are_compared(
    answer: str, cluster: int
) -> None:
    answers = [*map(str, range(20)), answer]
    assert count_votes(answers, GOLD, within_a_tenth).clusters == (*range(20), cluster)


@given(answers=st.lists(st.integers(0, 99).map(str), max_size=MAX_NUMBERS_COMPARED))
def test_any_verifier_decides_which_of_few_numbers_are_equal(answers: list[str]) -> None:
    def last_digit(response: str, gold: str) -> Verdict:
        return Verdict("correct" if response[-1] == gold[-1] else "wrong", response)

    found = count_votes(answers, GOLD, last_digit).clusters
    assert found == clusters_by_comparing_all(answers, last_digit)


def test_of_equal_clusters_the_first_counts_among_many_numbers() -> None:
    first = ["2.00", "2.18", "word"]  # 2.09 is within a tenth of both numbers
    rest = [str(10 * n) for n in range(1, MAX_NUMBERS_COMPARED + 1)]
    for start in (first, first[::-1]):
        answers = [*start, *rest, "2.09"]

        def near_or_any_word(response: str, gold: str) -> Verdict:
            if "word" in (response, gold):
                return Verdict("correct" if response == gold else "wrong", response)
            return within_a_tenth(response, gold)

        clusters = cluster_answers(
            answers, [Verdict("wrong", answer) for answer in answers], near_or_any_word
        ).clusters
        assert clusters[-1] == min(start.index("2.00"), start.index("2.18"))


def test_a_number_may_equal_an_answer_that_is_none_among_many_numbers() -> None:
    answers = [r"\frac{1}{2}", *range(100, 140), "0.5"]
    clusters = count_votes(boxed(answers), GOLD, verify).clusters
    assert clusters == (*range(41), 0)


def test_two_hundred_different_numbers_take_few_calls() -> None:
    counted = Counted(verify)
    ballot = count_votes(boxed(range(200)), GOLD, counted)
    assert ballot.clusters == tuple(range(200))
    # One each on the gold answer; the first 17 with one another, the rest with the one below.
    assert counted.num_calls == 200 + 17 * 16 // 2 + 183


def test_equal_texts_are_not_compared() -> None:
    counted = Counted(exact)
    responses = [f"voter {n}: \\boxed{{{n % 3}}}" for n in range(60)]
    assert count_votes(responses, GOLD, counted).clusters == tuple(n % 3 for n in range(60))
    assert counted.num_calls == 60 + 3  # three different answers, compared once each


def test_a_response_that_several_voters_give_is_verified_once() -> None:
    counted = Counted(exact)
    assert count_votes(boxed([1, 2, 1, 1]), "2", counted).clusters == (0, 1, 0, 0)
    assert counted.num_calls == 2


def test_comparisons_end_with_the_first_that_fails() -> None:
    late = Verdict("timeout", detail="no worker")
    counted = Counted(lambda response, gold: Verdict("wrong", response) if gold == GOLD else late)
    ballot = count_votes(["a", "b", "c", "a", "b"], GOLD, counted)
    assert ballot.verdict() == late
    assert ballot.clusters == (0, 1, 2, 0, 1)  # answers of the same text are equal all the same
    assert counted.num_calls == 3 + 1


def unreported(response: str, gold: str) -> Verdict:
    """Look for the gold answer in the response, and never report an answer."""
    return Verdict("correct" if gold in response else "wrong")


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("form", ["{}", "I say {}.", "\\boxed{{{}}}", "Step {place}: so {}"])
def test_wrong_answers_that_are_not_reported_are_votes(place: int, form: str) -> None:
    answers = ["7", "7", "7", "7"]
    answers.insert(place, "42")
    responses = [form.format(answer, place=chr(97 + n)) for n, answer in enumerate(answers)]
    env = vote_v0([("q", "42")], num_voters=5, verifier=unreported)
    env.reset(seed=0)
    for response in responses:
        env.step(response)
    assert set(env.rewards.values()) == {-1.0}
    assert env.unwrapped.verdict == Verdict("wrong")
    ballot = env.unwrapped.ballot
    assert ballot.verdict(left_out=[n for n in range(5) if n != place]) == Verdict("correct")


def test_different_wrong_answers_that_are_not_reported_are_different_votes() -> None:
    ballot = count_votes(["so 7", "it is 8", "42", "42!"], "42", unreported)
    assert (ballot.clusters, ballot.correct) == ((0, 1, 2, 2), 2)
    assert ballot.verdict() == Verdict("correct")


def test_words_that_are_not_reported_are_compared_as_a_whole_and_never_as_an_answer() -> None:
    asked = []

    def record(response: str, gold: str) -> Verdict:
        asked.append(gold)
        return unreported(response, gold)

    ballot = count_votes(["to  be", "not to be", "to be\n", "Rome"], "Rome", record)
    assert ballot.clusters == (0, 1, 0, 2)
    assert asked == ["Rome"] * 4


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_answer_is_none(blank: str) -> None:
    responses = boxed([7, 8, 7])
    verdicts = [Verdict("wrong", blank)] * 3
    assert cluster_answers(responses, verdicts, exact).clusters == (0, 1, 0)


def test_the_first_answer_that_is_reported_is_the_answer_of_its_cluster() -> None:
    responses = ["7", "so 7", "8", "so 8"]
    verdicts = [
        Verdict("wrong"),
        Verdict("wrong", "7"),
        Verdict("correct"),
        Verdict("correct", "8"),
    ]
    assert cluster_answers(responses, verdicts, exact).answers == ("7", "8")


def test_clusters_of_messages_that_need_not_be_answers() -> None:
    texts = [r"\boxed{1}", "carry the two", r"\boxed{1.0}", "a timeout", r"\boxed{2}"]
    verdicts = [verify(text, "2") for text in texts]
    verdicts[3] = Verdict("timeout", detail="too slow")
    ballot = cluster_answers(texts, verdicts, verify)
    assert ballot.clusters == (0, ABSTAINED, 0, ABSTAINED, 1)
    assert (ballot.correct, ballot.unmeasured) == (1, None)


def test_each_response_needs_a_verdict() -> None:
    with pytest.raises(ValueError, match="shorter"):
        cluster_answers(["a", "b"], [Verdict("wrong")], exact)


def test_a_verifier_that_returns_no_verdict_is_refused() -> None:
    message = "a verifier must return a Verdict, got True; return Verdict('correct')"
    with pytest.raises(TypeError, match=re.escape(message)):
        count_votes(["a"], "1", lambda *_: True)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"3, so \boxed{4} and 5", "4"),
        ("first 3, then -4.5", "-4.5"),
        (r"\boxed{} 6", "6"),
        ("no idea", None),
    ],
)
def test_stated_answer_is_the_last_box_else_the_last_number(
    response: str, answer: str | None
) -> None:
    assert stated_answer(response) == answer


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        *[("-7", -7), ("+0.50", 0.5), ("007", 7), (".5", 0.5), ("1e3", 1000), ("-2.5E-1", -0.25)],
        *[("1,003", 1003), ("12,345,678.5", 12345678.5), ("1,00", None), ("1000,000", None)],
        *[("1/2", 0.5), ("-3/4", -0.75), (r"\frac{1}{4}", 0.25), (r"-\dfrac{1}{2}", -0.5)],
        *[("1/0", None), ("1/2/3", None), (r"\frac{x}{2}", None), ("1.5/2", None)],
        *[("", None), ("x", None), ("e3", None), (".", None), ("-", None), ("1e400", None)],
        *[("1" * 65, None), ("٣", None), ("5.", None), (" 5", None), ("5 cm", None)],
    ],
)
def test_plain_numbers_are_decimals_and_fractions(answer: str, value: float | None) -> None:
    assert plain_number(answer) == value


@pytest.mark.parametrize("form", ["{},003", ".{:03}1", "{}e3", "{}/7", "\\frac{{{}}}{{7}}"])
def test_two_hundred_different_numbers_take_few_calls_in_every_form(form: str) -> None:
    counted = Counted(exact)
    answers = [form.format(number) for number in range(1, 201)]
    assert count_votes(boxed(answers), GOLD, counted).clusters == tuple(range(200))
    assert counted.num_calls < 600


VALUED_FORMS = (
    *("{} cm", "{}\\%", "x+{}", "{}\\pi", "\\sqrt{{{}}}+1", "{}x^2-1", "3^{{{}}}", "e^{{{}}}"),
    *("{}\\text{{ apples}}", "\\frac{{{}}}{{7}}\\text{{ kg}}", "1+{}i", "\\log {}", "2^{{{}}}y"),
)


@pytest.mark.parametrize("form", VALUED_FORMS)
def test_many_different_values_take_few_calls_in_every_form(form: str) -> None:
    counted = Counted(verify)
    responses = boxed(form.format(number) for number in range(1001, 1051))
    assert count_votes(responses, GOLD, counted).clusters == tuple(range(50))
    # One each on the gold answer; the first 17 with one another, the rest with neighbours.
    assert counted.num_calls <= 50 + 17 * 16 // 2 + 33 * 4


@settings(max_examples=5)
@given(
    start=st.integers(0, 9),
    answers=st.lists(
        st.tuples(st.sampled_from((*VALUED_FORMS, "{}", "{}m", "{}/100", "x")), st.integers(1, 9)),
        min_size=20,
        max_size=30,
    ),
)
def test_clusters_of_values_are_those_of_comparing_every_answer(
    start: int, answers: list[tuple[str, int]]
) -> None:
    responses = boxed(
        [
            *(form.format(n) for form, n in answers[:start]),
            *(f"{n}/7" for n in range(100, 120)),  # enough for comparisons with neighbours only
            *(form.format(n) for form, n in answers[start:]),
        ]
    )
    found = count_votes(responses, GOLD, verify).clusters
    assert found == clusters_by_comparing_all(responses, verify)


@pytest.mark.parametrize("rule", ALL_RULES)
def test_equal_answers_have_a_value_in_common_or_one_has_none(rule: str) -> None:
    answer, gold, _ = ALL_RULES[rule]
    first, second = sort_values(answer), sort_values(gold)
    is_shared = any(abs(a - b) <= SAME_VALUE * max(1, abs(a)) for a in first for b in second)
    assert is_shared or not first or not second


@pytest.mark.parametrize(
    ("answer", "values"),
    [
        *[("5", [5]), ("5 cm", [5]), (r"\frac{1}{4}", [0.25]), ("1.5e3", [1500]), ("2^{3}", [8])],
        *[(r"50\%", [50, 0.5]), (r"\sqrt{2}", [2**0.5]), (r"\ln 10", [math.log(10)])],
        *[(r"\log 10", [math.log(10), 1]), ("ten", []), (r"\text{B}", []), ("(A) 42", [])],
        *[("1,2", []), ("x=5", []), ("x", []), ("x^2+C", []), ("(1,2]", []), ("1:2", [])],
        *[(r"5 \pm 1", []), (r"\int_0^1 x dx", []), ("7^{7^{7^7}}", []), ("0/0", []), ("", [])],
        *[("1" * 5000, []), (r"\sqrt{1-x^2}", []), ("blue 5", []), (r"\vec{i}+2", [])],
    ],
)
def test_values_by_which_answers_are_sorted(answer: str, values: list[float]) -> None:
    assert [float(value) for value in sort_values(answer)] == pytest.approx(values, rel=1e-15)


def test_value_of_a_symbol_depends_on_its_name_only() -> None:
    (alone,), (among,) = sort_values("2x+1"), sort_values("1+2x+a-a")
    assert abs(alone - among) < SAME_VALUE
    assert sort_values("2y+1") != sort_values("2x+1")
