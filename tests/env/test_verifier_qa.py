"""The verifier of short answers in words: normalisation, F1 and where an answer is found."""
# ruff: noqa: RUF001 - letters and signs of other scripts

from __future__ import annotations

import random
import re
import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env import Task, think_solve_v0, verify, vote_v0
from ccpo_env.verifiers.number_words import with_digits
from ccpo_env.verifiers.qa import (
    MAX_FORM_CHARS,
    MAX_SURPLUS_CHARS,
    QaVerifier,
    canonical,
    normalized,
    token_f1,
)
from ccpo_env.verifiers.registry import VERIFIERS
from ccpo_env.verifiers.stated import MAX_PLAIN_CHARS

GOLDS = (
    *("Denver Broncos", "Saint Bernadette Soubirous", "1858"),
    *("the Main Building", "yes", "no"),
    *("$3.5 million", "U.S. Army", "a golden statue of the Virgin Mary"),
    *("St. Louis", "O'Neil", "Robert Louis Stevenson (1850-1894)"),
    *("A and B", "May 5, 1998", "3,677 seated"),
    *("Beyoncé", "World's Best Goalkeeper", "Chief of Protocol"),
    *("twenty-one", "Zoë"),
)


def published(text: str) -> list[str]:
    """The tokens of the published normalisation, by another route: character by character."""
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return [word for word in re.split(r"\s+", kept) if word not in ("", "a", "an", "the")]


def published_f1(prediction: str, gold: str) -> float:
    tokens, left = published(prediction), published(gold)
    lengths = len(tokens), len(left)
    special = [" ".join(own) in ("yes", "no", "noanswer") for own in (tokens, left)]
    if any(special) and tokens != left:
        return 0.0
    common = 0
    for token in tokens:
        if token in left:
            left.remove(token)
            common += 1
    return 2 * common / sum(lengths) if common else 0.0  # = 2 p r / (p + r)


def pairs() -> list[tuple[str, str]]:
    rng = random.Random(0)
    edits = (
        lambda gold: gold,
        str.upper,
        lambda gold: f"The {gold}.",
        lambda gold: f'"{gold}"',
        lambda gold: gold.replace(" ", "  "),
        lambda gold: f"{gold} city",
        lambda gold: gold[:-2] or gold,
        lambda gold: f"an {gold}!",
        lambda _gold: rng.choice(GOLDS),
        lambda gold: " ".join(reversed(gold.split())),
    )
    return [(rng.choice(edits)(gold), gold) for gold in GOLDS * 15]


def test_verdicts_and_f1_of_ordinary_pairs_are_the_published_ones() -> None:
    for prediction, gold in pairs():
        is_equal = published(prediction) == published(gold)
        verdict = verify(prediction, gold, verifier="qa")
        assert (verdict.status == "correct") == is_equal, (prediction, gold)
        assert normalized(prediction).split() == published(prediction)
        assert token_f1(prediction, gold) == pytest.approx(published_f1(prediction, gold))


@given(st.text(), st.text())
def test_texts_of_one_published_form_have_one_category(first: str, second: str) -> None:
    for other in (second, f" The {first}. ", first.lower()):
        if normalized(first) == normalized(other):
            assert canonical(first) == canonical(other)
    assert 0.0 <= token_f1(first, second) <= 1.0


@pytest.mark.parametrize(
    ("prediction", "gold"),
    [
        ("twenty-one", "21"),
        ("Two hundred and five", "205"),
        ("one thousand two hundred", "1,200"),
        ("seven dwarfs", "7 dwarfs"),
        ("twelfth century", "12th century"),
        ("ＤＥＮＶＥＲ", "denver"),
        ("“Zoë”", "Zoë"),
        ("1850–1894", "1850-1894"),
        ("¿Qué?", "qué"),
        ("fifty percent", "50 percent"),
        ("CO₂", "CO2"),
        (r"\boxed{\text{CO₂}}", "CO2"),
        ("5 km²", "5 km2"),
        ("10²", "10²"),
    ],
)
def test_numbers_in_words_and_signs_of_any_script_are_equal(prediction: str, gold: str) -> None:
    assert verify(prediction, gold, verifier="qa").status == "correct"


@pytest.mark.parametrize(("first", "second"), [("The", "The The"), ("a", "an"), ("A a", "the")])
def test_answers_of_articles_only_are_equal_as_published(first: str, second: str) -> None:
    for response in (first, f"\\boxed{{{first}}}", f"Answer: {first}"):
        assert verify(response, second, verifier="qa").status == "correct"
    assert verify(" ", second, verifier="qa").status == "no_answer"
    assert verify("Paris", second, verifier="qa").status == "wrong"


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("zero", "0"),
        ("nineteen", "19"),
        ("fortytwo", "42"),
        ("forty two cats", "42 cats"),
        ("one hundred", "100"),
        ("nine hundred ninety nine thousand", "999000"),
        ("nineteen ten", "nineteen ten"),
        ("two million", "2 million"),
        ("five and six", "five and six"),
        ("bone tent", "bone tent"),
        ("first", "1st"),
        ("twelfth century", "12th century"),
        ("one", "1"),
        ("one percent", "1 percent"),
        ("two million people", "2 million people"),
        ("no one", "no one"),
        ("one direction", "one direction"),
        ("one of them", "one of them"),
        ("first blood", "first blood"),
        ("two broke girls", "two broke girls"),
        ("two " * 20, "two " * 20),
    ],
)
def test_words_of_numbers_are_digits(words: str, digits: str) -> None:
    assert with_digits(words) == digits


@pytest.mark.parametrize(
    ("prediction", "gold"),
    [
        ("café", "cafe"),
        ("21st", "21"),
        ("5 million", "5"),
        ("not Paris", "Paris"),
        ("10²", "102"),
        ("2¹⁰", "210"),
        ("1½", "11⁄2"),
        (r"\boxed{10²}", "102"),
        ("No one", "no 1"),
        ("One Direction", "1 Direction"),
        ("…", "the"),
        ("“", "”"),
    ],
)
def test_other_words_differ(prediction: str, gold: str) -> None:
    assert verify(prediction, gold, verifier="qa").reward in (-1.0, None)


@pytest.mark.parametrize(
    "response",
    [
        r"\boxed{Denver Broncos}",
        r"It was \boxed{X}, no, \boxed{\text{the Denver Broncos}}.",
        "The answer is Denver Broncos.",
        "So the answer is: the Denver Broncos, who won Super Bowl 50.",
        "<answer>denver broncos</answer>",
        "<think>Answer: Carolina</think>Answer: The Denver Broncos",
        "**Answer:** Denver Broncos",
        "**Final Answer**: **Denver Broncos**",
        "Answer:\nDenver Broncos",
        "Answer: Carolina. Wait.\nAnswer: Denver Broncos",
        '{"answer": "Denver Broncos"}',
        "The passage says so.\n#### Denver Broncos",
        "The final answer is Denver Broncos because they won.",
        "答案是Denver Broncos。",
        "Réponse : Denver Broncos",
        "The answer to the question is Denver Broncos. Carolina lost.",
        "Answer: Denver Broncos\n\nThis answer is supported by the passage.",
        "正确答案是：Denver Broncos",
    ],
)
def test_an_answer_is_found_where_it_is_stated(response: str) -> None:
    assert verify(response, "Denver Broncos", verifier="qa").status == "correct"


@pytest.mark.parametrize("response", ["", "  ", "<think>Denver", "It rained. " * 30, None])
def test_a_response_without_a_statement_has_no_answer(response: str) -> None:
    verdict = QaVerifier()(response, "Denver")
    assert (verdict.status, verdict.answer) == ("no_answer", None)


def test_each_gold_answer_of_the_task_is_right_and_stands_for_the_others() -> None:
    task = Task("a", "Who?", "Ada", answers=("Ada Lovelace", "Countess of Lovelace"))
    verifier = QaVerifier().for_task(task)
    assert verifier("the Countess of Lovelace", "Ada").status == "correct"
    assert verifier("Ada Lovelace", "Countess of Lovelace").status == "correct"
    assert verifier("Ada Lovelace", "Byron").status == "wrong"
    assert verifier.f1("Countess Lovelace", "Ada") == pytest.approx(4 / 5)
    assert verifier.f1("It rained. " * 30, "Ada") == 0.0
    env = think_solve_v0(tasks=[task])
    env.reset(options={"prefix": ["a thought"]})
    assert r"answer as a short phrase in \boxed{}." in env.observe("solver_0")["prompt"]
    env.step("It is said. The answer is the Countess of Lovelace.")
    assert env.rewards["solver_0"] == 1.0


def test_answers_of_a_vote_are_sorted_by_their_form() -> None:
    task = Task("a", "How many?", "5", context=("There were five.",))
    env = vote_v0(tasks=[task], num_voters=5)
    env.reset(seed=1)
    for message in ("The Six.", "five", r"\boxed{6}", "seven", "5"):
        env.step(message)
    assert env.ballot.clusters == (0, 1, 0, 2, 1)


def test_a_least_f1_accepts_what_shares_enough_words() -> None:
    gold = "Robert Louis Stevenson"
    assert QaVerifier(min_f1=0.8)("Louis Stevenson", gold).status == "correct"  # F1 = 4 / 5
    assert QaVerifier(min_f1=0.81)("Louis Stevenson", gold).status == "wrong"
    assert VERIFIERS["qa_f1"]("Louis Stevenson", gold).status == "correct"
    assert VERIFIERS["qa"]("Louis Stevenson", gold).status == "wrong"
    assert VERIFIERS["qa_f1"]("yes sir", "yes").status == "wrong"


@pytest.mark.parametrize("least", [0.0, 1.1, -1.0, float("nan")])
def test_a_least_f1_out_of_range_is_refused(least: float) -> None:
    with pytest.raises(ValueError, match=r"min_f1 must be in \(0, 1\]"):
        QaVerifier(min_f1=least)


@pytest.mark.parametrize("gold", ["", " ", None])
def test_a_blank_gold_answer_is_an_error(gold: str) -> None:
    assert QaVerifier()("x", gold).status == "error"


@pytest.mark.parametrize("unit", ["answer: ", "the answer is ", '{"answer": "', "<answer>", "a "])
def test_long_responses_are_read_at_their_end(unit: str) -> None:
    response = unit * (100_000 // len(unit)) + "\n\nThe answer is Denver."
    assert verify(response, "Denver", verifier="qa").status == "correct"


@pytest.mark.parametrize(
    "unit", ["ﷺ", "\u0301\u0323", "one hundred ", "\\boxed{", "a ", "<answer>"]
)
def test_only_texts_of_bounded_length_are_compared(
    unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []

    def noted(form: str, text: str) -> str:
        lengths.append(len(text))
        return normalize(form, text)

    normalize = unicodedata.normalize
    monkeypatch.setattr(unicodedata, "normalize", noted)
    many = unit * (20_000 // len(unit))
    for response in (many, f"Answer: {many}", f"\\boxed{{{many}}}", f"<answer>{many}</answer>"):
        assert QaVerifier(min_f1=0.1)(response, "Zoë").status in ("wrong", "no_answer")
        assert QaVerifier().f1(response, "Zoë") == 0.0
        assert len(canonical(response)) <= len(response)
    assert max(lengths, default=0) <= max(MAX_FORM_CHARS, MAX_PLAIN_CHARS)


def test_an_answer_may_be_longer_than_the_longest_gold_answer_by_a_bound() -> None:
    padding = "!" * MAX_SURPLUS_CHARS
    assert verify(f"Zoë{padding}", "Zoë", verifier="qa").status == "correct"
    assert verify(f"Zoë{padding}!", "Zoë", verifier="qa").status == "wrong"
    assert QaVerifier(min_f1=0.1)(f"Answer: Zoë{padding}!", "Zoë").status == "wrong"
    long = "word " * 1_000
    assert verify(f"The {long}", long, verifier="qa").status == "correct"
