"""From rows to tasks: options, gold answers, passages, tests and tags, and rows that are none."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env import Task, load_tasks
from ccpo_env.errors import TaskFileError
from ccpo_env.prompts import LETTERS
from tests.env.test_tasks import every_ending, write

TEXTS = ("aspirin", "ibuprofen", "7", "none")


def task_of(**columns: Any) -> Task:
    [task] = load_tasks([{"question": "q", **columns}])
    return task


@pytest.mark.parametrize(
    "columns",
    [
        {"choices": list(TEXTS)},
        {"options": list(TEXTS)},
        {"choices": [f" {text}" for text in TEXTS]},
        {"choices": ["aspirin", "ibuprofen", 7, "none"]},
        {"choices": [*TEXTS, None, ""]},
        {"options": dict(zip("ABCD", TEXTS, strict=True))},
        {"options": dict(reversed([*zip("ABCD", TEXTS, strict=True)])) | {"E": None}},
        {"options": dict(zip("abcd", TEXTS, strict=True))},
        {"choices": {"text": list(TEXTS), "label": ["A", "B", "C", "D"]}},
        {"choices": {"text": list(TEXTS), "label": ["1", "2", "3", "4"]}},
        {"options": [{"key": k, "value": v} for k, v in zip("ABCD", TEXTS, strict=True)]},
        {"choices": [{"label": k, "text": v} for k, v in zip("1234", TEXTS, strict=True)]},
        {"options": [f"({k}) {v}" for k, v in zip("ABCD", TEXTS, strict=True)]},
        {"options": [f"{k}. {v}" for k, v in zip("ABCD", TEXTS, strict=True)]},
        dict(zip("ABCD", TEXTS, strict=True)),
        {**dict(zip("ABCD", TEXTS, strict=True)), "E": None},
        {"choices": None, "options": list(TEXTS)},
    ],
    ids=range(17),
)
def test_options_in_every_form_are_the_same_task(columns: dict[str, Any]) -> None:
    assert task_of(**columns, answer="B") == Task("custom/0", "q", "B", choices=TEXTS)


@pytest.mark.parametrize(
    ("gold", "letter"),
    [
        *[("B", "B"), ("b", "B"), ("(B)", "B"), ("B.", "B"), ("B)", "B"), (" B ", "B")],
        *[(1, "B"), (1.0, "B"), (0, "A"), ("1", "B"), ("3", "D")],
        *[("ibuprofen", "B"), (" Ibuprofen ", "B"), ("B. ibuprofen", "B"), ("(B) ibuprofen", "B")],
        *[(r"so \boxed{B}", "B"), (r"\boxed{ibuprofen}", "B"), ("worked\n#### B", "B")],
        *[("7", "C"), ("NONE", "D"), ("", ""), (-1, "")],
    ],
)
def test_a_gold_answer_is_turned_into_a_letter(gold: object, letter: str) -> None:
    assert task_of(choices=list(TEXTS), answer=gold).answer == letter


@pytest.mark.parametrize("column", ["answer_idx", "answer_index", "answerKey", "correct_option"])
def test_a_column_of_letters_counts_and_text_beside_it_agrees(column: str) -> None:
    options = {"options": list(TEXTS)}
    assert task_of(**options, **{column: "C"}).answer == "C"
    assert task_of(**options, **{column: 2}, answer="C").answer == "C"
    assert task_of(**options, **{column: "B"}, answer="ibuprofen").answer == "B"
    assert task_of(**options, **{column: "B"}, answer="It is because of both.").answer == "B"
    with pytest.raises(TaskFileError, match="must name the same option in all columns of the gold"):
        task_of(**options, **{column: 2}, answer="ibuprofen")  # an index that counts from 1


def test_labels_of_options_come_before_their_place() -> None:
    choices = {"text": ["a", "b", "c"], "label": ["1", "2", "3"]}
    assert [task_of(choices=choices, answerKey=key).answer for key in "123"] == ["A", "B", "C"]


@given(num_options=st.integers(2, 26), data=st.data())
def test_letter_index_and_text_name_the_same_option(num_options: int, data: st.DataObject) -> None:
    texts = [f"option number {n}" for n in range(num_options)]
    place = data.draw(st.integers(0, num_options - 1))
    for gold in (LETTERS[place], place, texts[place]):
        task = task_of(choices=texts, answer=gold)
        assert task.choices[LETTERS.index(task.answer)] == texts[place]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"choices": ["a"]}, "must have 2 to 26 options in 'choices', got ['a']"),
        ({"choices": [*map(str, range(27))]}, "must have 2 to 26 options in 'choices', got ['0',"),
        ({"choices": "a, b"}, "must have a list of options or a mapping of letters to options as"),
        ({"choices": ["a", "", "c"]}, "must have a text for every option in 'choices', got"),
        ({"choices": ["a", None, "c"]}, "must have a text or number as 'choices', got"),
        ({"choices": ["a", True]}, "must have a text or number as 'choices', got"),
        ({"choices": [{"letter": "A"}, {"letter": "B"}]}, "options with a 'label' and a 'text' in"),
        (
            {"answer": "E"},
            "must have one option as 'answer': a letter from A to D, an index from 0",
        ),
        ({"answer": 4}, "from 0 to 3, or the text of one option, got 4"),
        ({"answer": "BC"}, "or the text of one option, got 'BC'"),
        ({"answer": "-2"}, "or the text of one option, got '-2'"),
        ({"answer": 1.5}, "must have a letter, index or option as 'answer', got 1.5"),
        ({"answer": True}, "must have a letter, index or option as 'answer', got True"),
        ({"answer": "Both"}, "or the text of one option, got 'Both'"),
        ({"answer": None}, "must have a letter, index or option as 'answer', got None"),
        ({"answer": "C. aspirin"}, "or the text of one option, got 'C. aspirin'"),
        ({"choices": ["a b", "A  b"], "answer": "a B"}, "or the text of one option, got 'a B'"),
        ({"choices": ["B", "A"], "answer": "A"}, "and the letter or index of another; name the"),
        ({"choices": [2, 0, 1], "answer": 0}, "and the letter or index of another; name the"),
    ],
    ids=range(19),
)
def test_wrong_options_are_named_with_row_rule_and_value(
    columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(TaskFileError) as caught:
        task_of(**{"choices": list(TEXTS), "answer": "A", **columns})
    assert str(caught.value).startswith("tasks[0] must ")
    assert message in str(caught.value)
    assert str(caught.value).endswith("; correct or remove that row")


def test_a_column_of_letters_settles_what_could_be_a_text() -> None:
    assert task_of(choices=["B", "A"], answer_idx="A").answer == "A"
    assert task_of(choices=[2, 0, 1], answer_idx=0).answer == "A"
    assert task_of(choices=["2", "0", "1"], answer=0).answer == "A"  # texts: a number is an index
    assert task_of(choices=["A", "B"], answer="B").answer == "B"


@pytest.mark.parametrize(
    ("columns", "context"),
    [
        ({"context": " one "}, ("one",)),
        ({"passages": ["one", " two", ""]}, ("one", "two")),
        ({"context": {"title": ["T"], "sentences": [["a.", " b."]]}}, ("T\na. b.",)),
        ({"context": [["T", ["a.", "b."]], ["U", ["c."]]]}, ("T\na. b.", "U\nc.")),
        ({"paragraphs": [{"title": "T", "paragraph_text": "a", "idx": 0}]}, ("T\na",)),
        ({"context": {"contexts": ["a", "b"], "labels": ["x", "y"]}}, ("a", "b")),
        ({"passage": {"title": "T", "text": "a"}}, ("T\na",)),
        ({"context": None, "passage": "p"}, ("p",)),
        ({"context": ""}, ()),
        ({"context": []}, ()),
    ],
    ids=range(10),
)  # fmt: skip
def test_passages_in_every_form(columns: dict[str, Any], context: tuple[str, ...]) -> None:
    assert task_of(answer="a", **columns) == Task("custom/0", "q", "a", context=context)


@pytest.mark.parametrize("context", [7, [7], [["T", [7]]], {"title": ["a"], "sentences": []}])
def test_a_context_of_another_form_is_refused(context: object) -> None:
    message = "must have a text, a list of texts or titled passages as 'context', got"
    with pytest.raises(TaskFileError, match=message):
        task_of(answer="a", context=context)


@pytest.mark.parametrize(
    ("columns", "golds"),
    [
        ({"answers": ["a", "b", "a"]}, ("a", "b")),
        ({"answers": {"text": ["a", "b"], "answer_start": [1, 2]}}, ("a", "b")),
        ({"answer": "a", "answers": ["b", "a"]}, ("a", "b")),
        ({"answer": "a", "answer_aliases": ["b"], "aliases": ["c"]}, ("a", "b", "c")),
        ({"answers": "a"}, ("a",)),
        ({"answers": [1, 2.0]}, ("1", "2")),
        ({"answer": "a", "answers": []}, ("a",)),
        ({"answer": None, "answers": ["a"]}, ("a",)),
    ],
    ids=range(8),
)
def test_several_gold_answers(columns: dict[str, Any], golds: tuple[str, ...]) -> None:
    assert task_of(**columns) == Task("custom/0", "q", golds[0], answers=golds[1:])


def test_several_gold_answers_of_options_are_letters() -> None:
    task = task_of(choices=list(TEXTS), answers=["ibuprofen", 3])
    assert (task.answer, task.answers) == ("B", ("D",))
    task = task_of(choices=list(TEXTS), answer="D", answers=["D", "a"])
    assert (task.answer, task.answers) == ("D", ("A",))


CHECK = "def check(candidate):\n    assert candidate(1) == 2\n"


@pytest.mark.parametrize(
    ("columns", "tests"),
    [
        ({"tests": "assert f(1) == 2"}, "assert f(1) == 2"),
        ({"tests": ["assert f(1)", "assert f(2)"]}, "assert f(1)\nassert f(2)"),
        ({"test_list": ["assert f(1) == 2"], "test_setup_code": ""}, "assert f(1) == 2"),
        ({"test_list": ["assert f(1)"], "test_setup_code": "a = 1"}, "a = 1\nassert f(1)"),
        ({"test_list": ["assert f(1)"], "test_imports": ["import re"]}, "import re\nassert f(1)"),
        ({"test": f"{CHECK}\n\n", "entry_point": "f"}, f"{CHECK}\ncheck(f)\n"),
        ({"tests": f"{CHECK}\ncheck(f)\n", "entry_point": "f"}, f"{CHECK}\ncheck(f)\n"),
    ],
    ids=range(7),
)  # fmt: skip
def test_tests_are_one_program_and_need_no_gold_answer(columns: dict[str, Any], tests: str) -> None:
    assert task_of(**columns) == Task("custom/0", "q", "", tests=tests)
    solved = task_of(**columns, canonical_solution="#### f = 1\n")
    assert solved.answer == "#### f = 1\n"  # a program is kept as it is


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"tests": {"f": 1}}, "must have a program or a list of statements as 'tests', got"),
        ({"test": CHECK, "entry_point": "f()"}, "must have the name of a function as 'entry_"),
        ({"test": "anything"}, "must have a text or number as 'answer'"),
        ({"tests": " "}, "must have a text or number as 'answer'"),
    ],
)  # fmt: skip
def test_wrong_tests_are_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskFileError, match=message):
        task_of(**columns)


@pytest.mark.parametrize(
    ("columns", "tags"),
    [
        ({"type": "law", "level": 3, "split": "a"}, {"level": "3", "subject": "law", "split": "a"}),
        ({"category": "law"}, {"subject": "law"}),
        ({"tags": {"year": 2024, "level": "x", "ok": True}}, {"level": "x", "year": "2024"}),
        ({"level": 1, "tags": {"level": 2}}, {"level": "1"}),
    ],
)  # fmt: skip
def test_tags_are_kept(columns: dict[str, Any], tags: dict[str, str]) -> None:
    for _ in range(2):  # the second one is remembered
        assert dict(task_of(answer="a", **columns).tags) == tags


@every_ending
def test_a_file_holds_every_field(ending: str, tmp_path: Path) -> None:
    rows = [
        {"question": "q", "choices": ["x", "y"], "answer": "y", "context": ["p"], "level": 1},
        {"question": "r", "choices": ["x", "z"], "answer": "A", "context": ["p"], "level": 2},
    ]
    path = write(tmp_path / f"f{ending}", rows)
    first, second = load_tasks(path)
    assert first == Task("f/0", "q", "B", f"f{ending}", (("level", "1"),), ("x", "y"), ("p",))
    assert (second.answer, second.choices) == ("A", ("x", "z"))
    path = write(tmp_path / f"g{ending}", [rows[0], {**rows[1], "answer": "C"}])
    message = (
        f"line 2 must have one option as 'answer': a letter from A to B, an index from 0 to 1, or "
        f"the text of one option, got 'C' in {path}; correct or remove that line"
    )
    with pytest.raises(TaskFileError, match=f"^{re.escape(message)}$"):
        load_tasks(path)


class Name(str):
    """A text of another type."""

    __slots__ = ()


texts = st.text(min_size=1).filter(str.strip)


@given(
    row=st.fixed_dictionaries(
        {"question": texts, "answer": texts | st.integers() | texts.map(Name)},
        optional={
            "id": st.integers() | texts,
            "level": st.integers() | texts | st.none() | st.booleans() | st.floats(),
            "subject": texts | st.lists(st.integers()),
            "context": st.none() | texts | st.lists(texts),
            "answers": st.lists(texts | st.integers()),
            "problem": st.none() | texts,
        },
    )
)
def test_a_task_of_a_row_is_one_that_passes_every_check(row: dict[str, Any]) -> None:
    [task] = load_tasks([row])
    fields = {name: getattr(task, name) for name in Task.__slots__}
    assert Task(**fields) == task
    assert hash(Task(**fields)) == hash(task)
    assert pickle.loads(pickle.dumps(task)) == task
    assert type(task.question) is type(task.answer) is str
