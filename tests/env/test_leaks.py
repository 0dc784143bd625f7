r"""A thought loses every stated answer before the next agent reads it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccpo_env import think_solve_v0
from ccpo_env.leaks import ANSWER_PHRASES, STEMS, strip_answers

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
    ],
)
def test_strip_answers_removes_what_states_one(text: str, left: str, num_leaks: int) -> None:
    assert strip_answers(text) == (left, num_leaks)


@pytest.mark.parametrize(
    "text",
    ["", "3*7=1;1+4=5", "## Step 1: add", "### 2. Second step", "#### 3. Third step", "a\0b"],
)
def test_strip_answers_leaves_other_text_unchanged(text: str) -> None:
    assert strip_answers(text) == (text, 0)


@pytest.mark.no_cover
@pytest.mark.parametrize("phrase", ANSWER_PHRASES)
@settings(max_examples=25)
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


@pytest.mark.parametrize("unit", ["\\boxed{", "the answer is ", "{", "#", "\n", " ", "$ ", "."])
def test_a_megabyte_takes_linear_time(unit: str) -> None:
    text = unit * (10**6 // len(unit))
    start = time.thread_time()
    strip_answers(f"\\boxed{{1}}{text}")
    assert time.thread_time() - start < 3.0


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
