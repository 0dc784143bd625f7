r"""A thought loses every stated answer before the next agent reads it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccpo_env import Task, think_solve_v0
from ccpo_env.content.leaks import strip_answers
from ccpo_env.content.statements import STEMS, VALUE_BEFORE, VALUE_FOLLOWS
from ccpo_env.verifiers.choice import ChoiceVerifier

DRUGS = ("ibuprofen", "warfarin", "aspirin", "heparin")
pieces = st.lists(
    st.sampled_from(["\\boxed", "\\fbox", "\\bo", "xed", "{", "}", "$", "\n", " ", "5", "\0"])
    | st.text(max_size=3)
).map("".join)


@pytest.mark.parametrize(
    ("text", "left", "num_leaks"),
    [
        (r"so $\boxed{5}$ ok", "so  ok", 1),
        (r"\boxed{5}.", ".", 1),
        (r"\boxed{\frac{1}{2}} x", " x", 1),
        (r"\boxed{\{1, 2\}} x", " x", 1),
        (r"\boxed{1} and \boxed{2}", " and ", 2),
        ("a \\boxed{5 rest\n\nnext", "a \n\nnext", 1),
        (r"\fbox{5}", "", 1),
        (r"\[\boxed{5}\] k", " k", 1),
        (r"so \boxed 12 ok", "so  ok", 1),
        (r"so \boxed\frac{1}{2} ok", "so  ok", 1),
        (r"\bo\boxed{}xed{5}", r"\bo xed{5}", 1),
        ("Add. So the answer is 3.14. Then stop", "Add. Then stop", 1),
        ("x\n#### 42", "x\n", 1),
        ("x\n**Answer**: 42", "x\n", 1),
        ("x\nAnswer:\n42", "x\n", 1),
        ("The answer is 5\nCheck it.", "\nCheck it.", 1),
        ("Why? The answer is 5! Check it.", "Why? Check it.", 1),
        (r"a \boxed{\boxed{5} 6} b", "a  b", 1),
        ("The answer is 5, so the final answer is 5. Check it.", " Check it.", 1),
        ("5 is the answer.", "", 1),
        ("La respuesta es 5.", "", 1),
        ("La réponse est 5.", "", 1),
        ("Die Antwort ist 5.", "", 1),
        ("ответ: 5", "", 1),
        ("答案是5。", "", 1),
        ("答えは5", "", 1),
        ("factor by symmetry, so the answer is 5", "factor by symmetry", 1),
        (
            "Factor by symmetry, so the answer is 5. Then check.",
            "Factor by symmetry. Then check.",
            1,
        ),
        ("Use AM-GM; the answer is 5.", "Use AM-GM;", 1),
        ("By parity (mod 2) x is odd: the answer is 5\nEnd", "By parity (mod 2) x is odd\nEnd", 1),
        ("Since 7 is prime, therefore 7 is the answer.", "Since 7 is prime.", 1),
        ("With 1,000 parts the answer is 5", "", 1),
        ("\u7531\u5bf9\u79f0\uff0c\u6240\u4ee5\u7b54\u6848\u662f5", "\u7531\u5bf9\u79f0", 1),
    ],
)
def test_strip_answers_removes_what_states_one(text: str, left: str, num_leaks: int) -> None:
    assert strip_answers(text) == (left, num_leaks)


@pytest.mark.parametrize(
    "text",
    [
        "We get 77, which is the answer.",
        "We get 77, and so that is the answer.",
        "We get 77. That is the answer.",
        "It is 77, so the answer is 77.",
        "x = 77, so the answer is x.",
        "x is 77, hence the answer is that number",
        "77, our result, is the answer",
        "2 and 77 are the answers",
        "77 = the answer",
        "We take 77 as the answer",
        "We get 77 (the answer)",
        "The answer is:\n77",
        "The answer is:\n\n$$\n77\n$$",
        "The answer is\n\\[\n77\n\\]",
        "The answer is ```\n77\n```",
        "The answer is ... 77",
        "The answer is **\n77**",
        "The answers are:\n1. x = 7\n2. y = 77",
        "The answer, by symmetry, is 77",
        "The answer (mod 100) is 77",
        "answer is answer is\n77",
        "So the answer must be 77",
    ],
)
def test_no_statement_leaves_its_value(text: str) -> None:
    left, num_leaks = strip_answers(text)
    assert "77" not in left
    assert num_leaks >= 1
    assert strip_answers(f"Add both. {text}\nGo on.")[0].startswith("Add both.")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Exclude the acids, so it is C", "Exclude the acids"),
        ("It must be option C.", ""),
        ("The correct option is (C).", ""),
        ("Bases are out, so option C is correct because it is an acid.", "Bases are out."),
        ("I choose C", ""),
        ("Bases are out.\n**C**", "Bases are out.\n"),
        ("Bases are out. **C**", "Bases are out."),
        ("Bases are out.\n (C).\n", "Bases are out.\n\n"),
        ("By symmetry, the answer is C.", "By symmetry."),
        ("That's C!", ""),
    ],
)
def test_a_letter_of_an_option_is_hidden_where_it_is_named_as_the_answer(
    text: str, left: str
) -> None:
    assert strip_answers(text, DRUGS) == (left, 1)
    if "answer" not in text:
        assert strip_answers(text) == (text, 0)


STATEMENTS = (
    *("The answer is (C).", "**C**", "Answer: C", "C) aspirin", "C", "C.", "(C)", "It is aspirin."),
    *("So the answer is aspirin.", "Option C", "The correct choice is C.", "I would go with C."),
    *("I'd pick option C, since it thins blood.", "C is the correct answer.", "Therefore, C."),
    *("Hence (C).", "So, C", "Thus option C is right", "The right one is C", "Final: C"),
    *("**Answer:** (C) aspirin", "Correct answer: **C. aspirin**", "It's C.", "Letter C"),
    *("It must be C) aspirin.", "the only option left is C", "leaves only C", "=> C", "\u2192 C"),
    *("The drug is aspirin (C).", "So C it is.", "definitely C", "Answer (C)", "answer - C"),
    *(
        "the answer should be C.",
        "The correct statement is C",
        "La respuesta es C",
        "\u6545\u9009C\u3002",
    ),
    *("ответ: C", "My final choice is C", "C seems best", "We conclude that C is the answer"),
)
TALK = (
    *(
        "A good idea: option A is an alkane.",
        "It is a good start. It is A good start.",
        "So it is E.",
    ),
    *("Compare option B with option C first.", "Choose A based on its charge", "Rule out A and B."),
    *("So A, B and D are wrong.", "Warfarin is not right, because it acts in the liver."),
    *("First look at heparin: it is an anticoagulant.", "So heparin activates antithrombin."),
    *(
        "A) ibuprofen is weak\nB) warfarin is slow\nC) aspirin",
        "I think A is a trap.",
        "I am done.",
    ),
    *("Consider option A. Then compare with option B.", "If it is A then vitamin K matters."),
)


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("end", [" ", "\n"])
def test_no_statement_of_an_option_is_left(statement: str, end: str) -> None:
    left, num_leaks = strip_answers(f"It acts on platelets.{end}{statement}", DRUGS)
    assert left.startswith("It acts on platelets.")
    assert num_leaks >= 1
    assert ChoiceVerifier(DRUGS).answer_of(left) is None


@pytest.mark.parametrize("text", TALK)
def test_talk_about_options_is_left(text: str) -> None:
    assert strip_answers(text, DRUGS) == (text, 0)


def test_a_thinker_may_not_name_an_option_of_its_task() -> None:
    env = think_solve_v0([Task("t", "Which?", "B", choices=("x", "y"))], verifier="exact")
    env.reset()
    env.step("The first is even, so it is B.")
    assert "Message of thinker_0:\nThe first is even.\n" in env.observe("solver_0")["prompt"]
    assert env.infos["thinker_0"]["leak"] == 1


@pytest.mark.parametrize(
    "text",
    ["", "3*7=1;1+4=5", "## Step 1: add", "### 2. Second step", "#### 3. Third step", "a\0b"],
)
def test_strip_answers_leaves_other_text_unchanged(text: str) -> None:
    assert strip_answers(text) == (text, 0)


@pytest.mark.no_cover
@pytest.mark.parametrize("phrase", VALUE_FOLLOWS + VALUE_BEFORE)
@settings(max_examples=12)
@given(data=st.data())
def test_every_statement_holds_a_stem(phrase: str, data: st.DataObject) -> None:
    said = data.draw(st.from_regex(re.compile(phrase, re.IGNORECASE)))
    assert any(stem in said.casefold() for stem in STEMS)


def test_no_letter_of_a_stem_ignores_case_in_another_way_than_casefold():
    everything = "".join(map(chr, range(0x110000)))
    for letter in sorted(set("".join(STEMS))):
        alike = re.findall(re.escape(letter), everything, re.IGNORECASE)
        assert {other.casefold() for other in alike} == {letter}


@given(text=pieces)
def test_no_box_survives(text: str) -> None:
    left, num_leaks = strip_answers(text)
    assert "\\boxed" not in left
    assert "\\fbox" not in left
    if not num_leaks:
        assert left == text


@given(digits=st.text(alphabet="0123456789+-*/=; ", max_size=20), place=st.integers(0, 20))
@pytest.mark.parametrize("statement", ["\\boxed{5}", "answer: 5", "#### 5", "ответ: 5", "答案是5"])
def test_a_statement_among_digits_is_found(digits: str, place: int, statement: str) -> None:
    _, num_leaks = strip_answers(f"{digits[:place]}\n{statement}\n{digits[place:]}")
    assert num_leaks == 1


@given(text=st.text(alphabet="0123456789+-*/=;x ()\n"))
def test_text_without_a_trigger_is_unchanged(text: str) -> None:
    assert strip_answers(text) == (text, 0)


@pytest.mark.parametrize(
    "unit",
    [
        "\\boxed{",
        "the answer is ",
        ", so it is A, ",
        "(the answer",
        "it is ",
        "{",
        "#",
        "\n",
        " ",
        "$ ",
        ".",
    ],
)
def test_a_megabyte_takes_linear_time(unit: str) -> None:
    text = unit * (10**6 // len(unit))
    start = time.thread_time()
    strip_answers(f"\\boxed{{1}}{text}")
    assert time.thread_time() - start < 3.0


@pytest.mark.parametrize(
    "unit",
    ["so it is A, ", "(the answer", "it is ", "(A)", "A) ", "C is right ", "\n", "* ", "-> "],
)
def test_options_in_a_long_text_take_linear_time(unit: str) -> None:
    text = unit * (2 * 10**4 // len(unit))
    start = time.thread_time()
    strip_answers(text, DRUGS)
    assert time.thread_time() - start < 1.0  # a quadratic time is many seconds


def test_next_agents_never_read_a_stated_answer() -> None:
    env = think_solve_v0([("q", "9")], 2, "exact")
    env.reset()
    env.step(r"Add. \boxed{77}")
    assert "77" not in env.observe("thinker_1")["prompt"]
    assert "77" not in str(env.infos["thinker_1"]["messages"])
    env.step("The answer is 78. Go on.")
    prompt = env.observe("solver_0")["prompt"]
    assert "77" not in prompt
    assert "78" not in prompt
    assert "Go on." in prompt
    env.restore(env.snapshot())
    assert env.observe("solver_0")["prompt"] == prompt
    env.step(r"\boxed{9}")
    assert [env.infos[a]["leak"] for a in env.possible_agents] == [1, 1, 0]
    assert env.rewards["solver_0"] == 1.0
    assert env.messages[0].text == r"Add. \boxed{77}"


def test_strip_leaks_can_be_turned_off() -> None:
    env = think_solve_v0([("q", "9")], verifier="exact", strip_leaks=False)
    env.reset()
    env.step(r"\boxed{77}")
    assert r"\boxed{77}" in env.observe("solver_0")["prompt"]
    assert env.infos["thinker_0"]["leak"] == 0


def test_a_thinker_that_answers_is_not_stripped() -> None:
    env = think_solve_v0([("q", "9")], verifier="exact", removed=["solver_0"])
    env.reset()
    env.step(r"\boxed{9}")
    assert env.rewards == {"thinker_0": 1.0}
    assert env.infos["thinker_0"]["leak"] == 0
