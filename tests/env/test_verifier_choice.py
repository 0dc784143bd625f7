"""The verifier of multiple-choice questions: which option a response states."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env import Task, verify, vote_v0
from ccpo_env.verifiers import choice
from ccpo_env.verifiers.calling import category_of
from ccpo_env.verifiers.choice import ChoiceVerifier

DRUGS = ("ibuprofen", "warfarin", "aspirin", "heparin")
TASK = Task("a", "Which drug?", "C", choices=DRUGS)
CASES = [
    json.loads(line)
    for line in Path(__file__).with_name("choice_cases.jsonl").read_text("utf-8").splitlines()
]
"""Responses in the styles of many models and languages: whether they state the gold option."""
ANSWERS = [
    json.loads(line)
    for line in Path(__file__).with_name("choice_answers.jsonl").read_text("utf-8").splitlines()
]
"""Whole responses in the styles of models, with the letter of their answer, "none" without one."""
SAME_FOR_ALL_LETTERS = ("gpt", "gemini", "r1", "wrong")
"""Styles whose cases hold for every order of the options."""
SCRIPTS_OF_JAPANESE = {"HIRAGANA", "KATAKANA"}
LETTERS = re.compile(r"(?<![A-Za-z'\\])[A-D]{1,4}(?![A-Za-z'])")


def status(response: object, gold: str = "C", choices: tuple[str, ...] = DRUGS) -> str:
    return ChoiceVerifier(choices)(response, gold).status  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['style']}-{case['gold']}")
def test_responses_of_every_style_are_read_as_they_are_labelled(case: Mapping[str, Any]) -> None:
    verify_answer = ChoiceVerifier(tuple(case["choices"]))
    found = {text: verify_answer(text, case["gold"]) for text in case["responses"]}
    if case["expected"] == "not correct":
        unexpected = {text: own for text, own in found.items() if own.status == "correct"}
    else:
        unexpected = {text: own for text, own in found.items() if own.status != case["expected"]}
    assert unexpected == {}


@pytest.mark.parametrize("model", sorted({own["model"] for own in ANSWERS}))
def test_whole_responses_verify_the_option_that_they_state_and_no_other(model: str) -> None:
    unexpected = []
    for own in ANSWERS:
        if own["model"] == model:
            choices, letters = tuple(own["choices"]), ascii_uppercase[: len(own["choices"])]
            verifier = ChoiceVerifier().for_task(Task("q", own["question"], "A", choices=choices))
            found = [
                gold for gold in letters if verifier(own["response"], gold).status == "correct"
            ]
            if found != ([] if own["answer"] == "none" else [own["answer"]]):
                unexpected.append((own["response"], own["answer"], found))
    assert unexpected == []


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("Portugal (C) does not border France. Spain, Belgium and Italy do.", "C"),
        ("Of the four, Portugal does not border France.", "C"),
        ("Portugal should be avoided.", "C"),
        ("Portugal (C) is not the answer.", None),
        ("It is not C.", None),
        ("Neither Portugal nor Italy (D) does.", "not C, D"),
        ("Portugal does not. Italy does not.", None),
    ],
)
def test_the_question_tells_whether_what_does_not_fit_is_the_answer(
    response: str, answer: str | None
) -> None:
    countries = ("Spain", "Belgium", "Portugal", "Italy")
    question = "Paris is the capital of France. Which country does NOT border France?"
    verifier = ChoiceVerifier().for_task(Task("q", question, "C", choices=countries))
    other = ChoiceVerifier().for_task(Task("q", "Where is Lisbon?", "C", choices=countries))
    assert verifier.asks_exception
    assert not other.asks_exception
    assert verifier.answer_of(response) == answer
    assert other.answer_of(response) != "C"


def test_no_word_of_another_language_mixes_scripts() -> None:
    folder = Path(choice.__file__).parent
    words = {
        word
        for path in folder.glob("*.py")
        for word in re.findall(r"[^\W\d_A-Za-z]{2,}", path.read_text("utf-8"))
    }
    mixed = {
        word
        for word in words
        if len({unicodedata.name(letter).split()[0] for letter in word} - SCRIPTS_OF_JAPANESE) > 1
    }
    assert mixed == {"БГДбгдΓΔ"}  # a class of letters


@pytest.mark.parametrize("order", ["BDAC", "CABD"])
def test_the_order_of_the_options_changes_nothing(order: str) -> None:
    moved = dict(zip("ABCD", order, strict=True))
    choices = tuple(DRUGS["ABCD".index(own)] for own in sorted(moved, key=moved.__getitem__))
    unexpected = []
    for case in CASES:
        if case["style"] not in SAME_FOR_ALL_LETTERS or tuple(case["choices"]) != DRUGS:
            continue
        for text in case["responses"]:
            if re.search(r"(?<![A-Za-z'])[a-d](?![A-Za-z'])|'[A-D]|[A-D]'", text):
                continue  # a lower-case letter, or one that is quoted like an ending
            other = LETTERS.sub(lambda found: "".join(moved[own] for own in found[0]), text)
            is_right = status(other, moved["C"], choices) == "correct"
            if is_right != (case["expected"] == "correct"):
                unexpected.append(other)
    assert unexpected == []


@pytest.mark.parametrize("first", range(len(DRUGS)))
def test_letters_and_texts_of_options_verify_themselves_and_no_other(first: int) -> None:
    for second, (letter, text) in enumerate(zip("ABCD", DRUGS, strict=True)):
        for response in (letter, f"({letter})", text, rf"\boxed{{{text}}}", f"{letter}. {text}"):
            for gold in ("ABCD"[first], f"({'ABCD'[first]})", DRUGS[first]):
                expected = "correct" if first == second else "wrong"
                assert status(response, gold) == expected, (response, gold)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The answer is (c).", "C"),
        ("It is heparin.", "D"),
        ("A and C", "A, C"),
        (r"\boxed{C, A}", "A, C"),
        ("The answer is not C.", "not C"),
        ("The answer is F.", "F"),
        (r"\boxed{42}", "other"),
        ("No idea.", None),
        ("<think>The answer is C", None),
        (None, None),
    ],
)
def test_the_answer_of_a_verdict_is_its_category(response: str, answer: str | None) -> None:
    verifier = ChoiceVerifier(DRUGS)
    assert verifier(response, "B").answer == answer
    category = category_of(verifier)
    assert category is not None
    assert category(answer or "") == (answer or "")


def test_a_vote_counts_letters_without_comparing_answers() -> None:
    env = vote_v0(tasks=[TASK], num_voters=5)
    env.reset(seed=1)
    for message in ("So B.", r"\boxed{warfarin}", "The answer is (C).", "A and C", "no idea"):
        env.step(message)
    assert (env.ballot.clusters, env.verdict.answer) == ((0, 0, 1, 2, -1), "B")


def test_verify_reads_the_options_of_the_task() -> None:
    assert verify("It is aspirin.", "C", verifier="choice", task=TASK).status == "correct"
    assert verify("It is aspirin.", "aspirin", verifier="choice", task=TASK).status == "correct"


def test_without_a_task_the_options_are_letters() -> None:
    assert verify("The answer is (C).", "C", verifier="choice").status == "correct"
    assert verify("The answer is (N).", "N", verifier="choice").status == "correct"
    assert verify("The answer is B or C.", "C", verifier="choice").status == "wrong"
    assert verify("C", "aspirin", verifier="choice").status == "error"


@pytest.mark.parametrize("gold", ["", "E", "aspirin and heparin", "A, C", None])
def test_a_gold_answer_that_is_no_option_is_an_error(gold: str) -> None:
    verdict = ChoiceVerifier(DRUGS)("C", gold)
    assert verdict.status == "error"
    assert verdict.detail.startswith("gold must be the letter or the text of one option")


def test_two_options_of_the_same_text_are_told_apart_by_letters_only() -> None:
    choices = ("same", "same", "other")
    assert status("The answer is same.", "A", choices) == "wrong"
    assert status("The answer is A.", "A", choices) == "correct"
    assert status("A. same", "A", choices) == "correct"


@given(response=st.text(alphabet="ABCabc.,:()*\\boxed{}$ \nnotrwis~答案是не"))
def test_any_text_has_a_verdict_and_at_most_one_right_letter(response: str) -> None:
    right = [gold for gold in "ABCD" if status(response, gold) == "correct"]
    assert len(right) <= 1


@pytest.mark.parametrize(
    "unit",
    [
        "A ",
        "answer: ",
        "答案是",
        "C, ",
        "**C** ",
        "\\",
        "\n",
        "not ",
        "(",
        "~",
        '{"answer": ',
        "wait, ",
    ],
)
def test_long_responses_are_read_at_their_ends(unit: str) -> None:
    # What is read is bounded; the whole of 100,000 characters would take minutes.
    middle = unit * (100_000 // len(unit))
    assert status(f"The answer is B.\n{middle}\n\nSo the answer is (C).") in ("correct", "wrong")
    assert status("The answer is C.\n" + "It was said. " * 8_000) == "correct"
