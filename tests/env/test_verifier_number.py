"""The verifier that reads the last number: what it reads, and what it refuses."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env import think_solve_v0, vote_v0
from ccpo_env.prompts import THINK_SOLVE
from ccpo_env.verifiers import exact, number
from ccpo_env.verifiers.registry import ANSWER_FORMS, VERIFIERS, answer_form

SAME = [
    ("10 + 5 = 15.", "15"),
    (r"It is \boxed{18}.", "18"),
    ("$18$", r"\boxed{18}"),
    ("**18.00**", "$18"),
    ("#### 1,234,567", "1234567"),
    ("$1,234.50", "1234.5"),
    (".5", "1/2"),
    ("3/4", "0.75"),
    ("1 3/4", "7/4"),
    (r"-\dfrac{3}{4}", "-0.75"),
    (r"1\frac{1}{2}", "1.5"),
    ("-5", "-5"),
    ("x=-5", "-5"),
    ("a loss of -$5", "-5"),
    ("= \N{MINUS SIGN}5", "-5"),
    ("50%", "50"),
    (r"50 \%", "0.5"),
    ("50%", "50%"),
    ("1%", "1"),
    ("-1%", "-1"),
    ("0.5%", "0.005"),
    (r"2 \times 10^{3}", "2000"),
    ("2x10^3", "2000"),
    ("2e-3", "0.002"),
    ("<think>4</think> 7", "7"),
]
LAST = [
    ("first 3, then 4", "4"),
    ("10-5", "5"),
    ("(10)-5", "5"),
    ("10%-5", "5"),
    ("3-4 apples", "4"),
    ("1,2345", "2345"),
    ("1,234,56", "56"),
    ("3.14.15", "3.14"),
    ("11/28/2026", "2026"),
    ("the 3rd", "3"),
    ("5 of thinker_0 and x2.5", "5"),
]
DIFFERENT = [
    ("15 is 10 + 5", "15"),
    ("0.33", "1/3"),
    ("50", "0.5"),
    ("0.5%", "0.5"),
    ("50%", "5000%"),
    ("-5", "5"),
    ("1.5", "15"),
    ("1,5", "1.5"),
]


@pytest.mark.parametrize(("response", "gold"), [*SAME, *LAST])
def test_number_reads_the_last_number_exactly(response: str, gold: str) -> None:
    assert number(response, gold).status == "correct"


@pytest.mark.parametrize(("response", "gold"), DIFFERENT)
def test_number_refuses_another_number(response: str, gold: str) -> None:
    assert number(response, gold).status == "wrong"


@pytest.mark.parametrize(
    "response", ["", "five", "thinker_0", "<think>5", "1, then 3/0", "9" * 300, "\u0665", None]
)
def test_number_finds_no_answer(response: str) -> None:
    verdict = number(response, "5")
    assert (verdict.status, verdict.answer, verdict.reward) == ("no_answer", None, -1.0)


@pytest.mark.parametrize("gold", ["", "five", "3 apples", "3/0", "1,2345", None, 5])
def test_number_does_not_measure_without_a_gold_number(gold: str) -> None:
    verdict = number("5", gold)
    assert (verdict.status, verdict.reward) == ("error", None)
    assert verdict.detail.startswith("gold must be a number, got ")


@given(value=st.fractions(), before=st.text(), after=st.sampled_from(["", ".", " eggs", "$", "**"]))
def test_number_reads_any_fraction_behind_any_text(
    value: Fraction, before: str, after: str
) -> None:
    written = str(value)
    response = f"{before}</think> so {written}{after}"
    assert number(response, written).status == "correct"
    assert number(response, str(value + Fraction(1, 7))).status == "wrong"


@given(
    value=st.decimals(
        allow_nan=False, allow_infinity=False, places=3, min_value=-1e9, max_value=1e9
    )
)
def test_number_reads_any_decimal_with_or_without_commas(value: object) -> None:
    assert number(f"{value:,}", f"{value:f}").status == "correct"


@given(response=st.text(alphabet="0123456789.,-+/%$\\fracdeE{}x*^ \n"))
def test_answer_of_a_response_is_a_gold_answer_that_it_equals(response: str) -> None:
    # A vote compares the answers with one another; one that no gold can be would stop it.
    answer = number(response, "1").answer
    if answer is not None:
        assert number(response, answer).status == "correct"
        assert number(answer, answer).status == "correct"


@given(response=st.text(), gold=st.text())
def test_number_gives_a_verdict_on_any_text(response: str, gold: str) -> None:
    assert number(response, gold).status in ("correct", "wrong", "no_answer", "error")


def test_votes_for_equal_numbers_are_counted_together() -> None:
    env = vote_v0(tasks=[("q", "3")], num_voters=3, verifier="number")
    env.reset()
    for text in ("it is 0.50", "so 3", "1/2"):
        env.step(text)
    assert (env.ballot.clusters, env.verdict.answer) == ((0, 1, 0), "0.50")


def test_number_asks_for_a_number_and_not_for_a_box() -> None:
    env = think_solve_v0(tasks=[("q", "3")], verifier="number")
    env.reset(options={"prefix": ["a thought"]})
    prompt = env.observe("solver_0")["prompt"]
    assert "end with the final answer as a number.\n" in prompt
    assert "boxed" not in prompt
    boxed = think_solve_v0(tasks=[("q", "3")], verifier="math")
    boxed.reset(options={"prefix": ["a thought"]})
    assert prompt == boxed.observe("solver_0")["prompt"].replace(r"in \boxed{}", "as a number")


def test_instructions_of_ones_own_stay_as_they_are() -> None:
    env = think_solve_v0(tasks=[("q", "3")], verifier="number", prompts=THINK_SOLVE)
    env.reset(options={"prefix": ["a thought"]})
    assert r"the final answer in \boxed{}." in env.observe("solver_0")["prompt"]


def test_answer_form_follows_from_the_verifier_by_name_and_as_a_function() -> None:
    assert set(ANSWER_FORMS) <= set(VERIFIERS)
    assert answer_form("number") == answer_form(number) == "as a number"
    for verifier in ("math", "exact", exact, lambda _response, _gold: None):
        assert answer_form(verifier) == r"in \boxed{}"
