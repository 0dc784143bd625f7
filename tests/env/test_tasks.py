"""Tasks by name, from files and from the caller; what a broken file is told."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env import Task, load_tasks, think_solve_v0
from ccpo_env.errors import TaskFileError
from ccpo_env.tasks import TASK_SOURCES, resolve_tasks
from ccpo_env.tasks.arithmetic import arithmetic, intermediate_values
from ccpo_env.tasks.arithmetic_choice import arithmetic_choice
from ccpo_env.tasks.arithmetic_one_kind import arithmetic_one_kind
from ccpo_env.tasks.arithmetic_rare import arithmetic_rare
from ccpo_env.tasks.benchmarks import BENCHMARKS
from ccpo_env.tasks.splits import TEST_SHARE, in_split

QUESTION = re.compile(r"Compute from left to right modulo 10: ([1-9]\d{1,2})((?:[+\-*][1-9]){1,4})")
# Lone surrogates (Cs) stand in it often; st.text would hardly ever draw one.
any_text = st.lists(st.characters() | st.characters(categories=["Cs"])).map("".join)
every_source = pytest.mark.parametrize(
    "name",
    [
        "arithmetic",
        "arithmetic_choice",
        "arithmetic_one_kind",
        "arithmetic_rare",
        "linear_equations",
        "lookup",
    ],
)
every_arithmetic = pytest.mark.parametrize(
    "name", ["arithmetic", "arithmetic_one_kind", "arithmetic_rare"]
)
NAMES = ", ".join(sorted(TASK_SOURCES))
NEEDS_PYARROW = "needs pyarrow: pip install 'ccpo-env[parquet]'"
every_ending = pytest.mark.parametrize("ending", [".jsonl", ".parquet"])


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    rows = list(rows)
    if path.suffix == ".parquet":
        pa = pytest.importorskip("pyarrow", reason=NEEDS_PYARROW)
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def sums(numbers: Iterable[int]) -> list[dict[str, str]]:
    return [{"question": f"What is {n}+{n}?", "answer": str(2 * n)} for n in numbers]


def questions(tasks: Iterable[Task]) -> set[str]:
    return {task.question for task in tasks}


def ids(tasks: Iterable[Task]) -> list[str]:
    return [task.id for task in tasks]


@every_source
@pytest.mark.parametrize("split", [None, "train", "test"])
def test_source_loads_distinct_tasks_the_same_each_time(name: str, split: str | None) -> None:
    tasks = load_tasks(name, split=split, limit=300)
    assert tasks == load_tasks(name, split=split, limit=300)
    assert len(tasks) == len(set(ids(tasks))) == len(questions(tasks)) == 300
    assert {task.source for task in tasks} == {name}
    assert all(task.question.strip() and task.answer.strip() for task in tasks)


@every_source
def test_source_has_no_question_in_both_splits(name: str) -> None:
    train, test = load_tasks(name, split="train"), load_tasks(name, split="test")
    assert not questions(train) & questions(test)
    assert not set(ids(train)) & set(ids(test))


@every_source
@pytest.mark.parametrize("split", ["train", "test"])
def test_source_gives_the_first_tasks_when_there_is_a_limit(name: str, split: str) -> None:
    tasks = load_tasks(name, split=split, limit=50)
    for limit in (1, 7, 50):
        assert load_tasks(name, split=split, limit=limit) == tasks[:limit]


def symbols(task: Task) -> str:
    """The operations of a chain, such as "+-*"."""
    return "".join(re.findall(r"[+\-*]", task.question))


@every_arithmetic
@pytest.mark.parametrize("split", ["train", "test"])
def test_arithmetic_gold_answers_are_right(name: str, split: str) -> None:
    for task in load_tasks(name, split=split):
        match = QUESTION.fullmatch(task.question)
        assert match
        value = int(match[1])
        # Over all integers, ((a*b)-c)+d, and reduced once at the end.
        for symbol, number in re.findall(r"([+\-*])(\d)", match[2]):
            value = value * int(number) if symbol == "*" else value + int(f"{symbol}{number}")
        assert task.answer == str(value % 10)


def test_arithmetic_by_hand() -> None:
    # 47 * 3 = 141, - 9 = 132, + 5 = 137, * 7 = 959
    steps = [("*", 3), ("-", 9), ("+", 5), ("*", 7)]
    assert intermediate_values(47, steps) == [7, 1, 2, 7, 9]
    assert intermediate_values(10, [("-", 3)]) == [0, 7]


@every_arithmetic
def test_arithmetic_multiplies_by_units_so_that_each_step_can_be_undone(name: str) -> None:
    for task in load_tasks(name, limit=2000):
        assert not re.search(r"\*[124568]", task.question)


def test_arithmetic_has_chains_of_every_length_and_every_answer() -> None:
    tasks = arithmetic(limit=2000)
    lengths = [len(re.findall(r"[+\-*]", task.question)) for task in tasks]
    assert all(lengths.count(length) > 300 for length in (1, 2, 3, 4))
    answers = [task.answer for task in tasks]
    assert all(answers.count(str(digit)) > 120 for digit in range(10))


@pytest.mark.parametrize(("split", "limit"), [("train", None), ("test", None), ("test", 1600)])
def test_arithmetic_rare_needs_a_thought_for_one_question_in_eight(
    split: str, limit: int | None
) -> None:
    is_long = [
        len(symbols(task)) > 1 for task in load_tasks("arithmetic_rare", split=split, limit=limit)
    ]
    assert is_long == [place % 8 == 7 for place in range(len(is_long))]


@pytest.mark.parametrize(("split", "most"), [("train", 16_000), ("test", 1_600)])
def test_arithmetic_rare_has_no_more_short_questions_than_there_are(split: str, most: int) -> None:
    message = f"limit must be <= {most} for the {split} split of arithmetic_rare, got {most + 1}"
    with pytest.raises(ValueError, match=message):
        load_tasks("arithmetic_rare", split=split, limit=most + 1)


def test_arithmetic_one_kind_has_chains_of_one_symbol_of_every_length_equally_often() -> None:
    chains = [symbols(task) for task in load_tasks("arithmetic_one_kind", limit=1800)]
    assert {len(set(chain)) for chain in chains} == {1}
    counts = [chains.count(symbol * length) for symbol in "+-*" for length in (2, 3, 4)]
    assert sum(counts) == 1800
    assert all(abs(count - 200) < 75 for count in counts)  # about five standard deviations


def test_arithmetic_choice_has_the_questions_of_arithmetic_with_four_digits_as_options() -> None:
    pairs = zip(load_tasks("arithmetic_choice"), load_tasks("arithmetic"), strict=True)
    golds = []
    for task, plain in pairs:
        assert task.question == plain.question
        assert len(set(task.choices)) == 4
        assert set(task.choices) <= set("0123456789")
        assert task.choices["ABCD".index(task.answer)] == plain.answer
        golds.append(task.answer)
    counts = [golds.count(letter) for letter in "ABCD"]
    assert all(abs(count - 1024) < 140 for count in counts)  # five standard deviations


@pytest.mark.parametrize(
    "source", [arithmetic, arithmetic_choice, arithmetic_one_kind, arithmetic_rare]
)
def test_arithmetic_splits_stay_disjoint_across_seeds(source: Callable[..., list[Task]]) -> None:
    train = questions(source(split="train", limit=1000, seed=0))
    other = questions(source(split="train", limit=1000, seed=1))
    test = questions(source(split="test", limit=500, seed=1))
    assert train != other
    assert not (train | other) & test


@pytest.mark.parametrize("split", ["train", "test"])
def test_lookup_gold_answers_stand_in_the_fact_that_is_asked_for(split: str) -> None:
    for task in load_tasks("lookup", split=split):
        facts = re.findall(r"(\w+) has (\d+) (\w+)\.", task.question)
        asked = re.search(r"How many (\w+) does (\w+) have\?$", task.question)
        assert asked
        assert [k for name, k, thing in facts if (thing, name) == asked.groups()] == [task.answer]
        for column in zip(*facts, strict=True):  # nothing is told twice, so one fact fits
            assert len(set(column)) == len(facts)


def test_lookup_asks_for_any_of_one_or_two_facts() -> None:
    places = []
    for task in load_tasks("lookup", limit=2000):
        told = re.findall(r"(\w+) has", task.question)
        asked = re.findall(r"does (\w+) have", task.question)
        places.append((len(told), told.index(asked[0])))
    # Half have one fact, a quarter have each place of two.
    expected = {(1, 0): 1000, (2, 0): 500, (2, 1): 500}
    assert set(places) == set(expected)
    for place, count in expected.items():
        assert abs(places.count(place) - count) < 110  # about five standard deviations


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": 0}, "limit must be >= 1, got 0; leave it out to load all tasks"),
        ({"limit": -3}, "limit must be >= 1, got -3"),
        ({"limit": 20_001}, "limit must be <= 20000 for arithmetic, got 20001; pass a smaller"),
        ({"split": "dev"}, "split must be 'train', 'test' or None, got 'dev'; pass one of them"),
        ({"split": ""}, "split must be 'train', 'test' or None, got ''"),
        ({"split": "TRAIN"}, "split must be 'train', 'test' or None, got 'TRAIN'"),
    ],
)
def test_load_tasks_explains_a_wrong_argument(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        load_tasks("arithmetic", **arguments)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("aritmetic", f"unknown tasks 'aritmetic'; available: {NAMES}; did you mean 'arithmetic'?"),
        ("", f"unknown tasks ''; available: {NAMES}"),
        ("gsm8", f"unknown tasks 'gsm8'; available: {NAMES}; did you mean 'gsm8k'?"),
        ("tasks.csv", "must be a file that ends in .jsonl or .parquet, got 'tasks.csv'; convert"),
        ("tasks.JSONL", "must be a file that ends in .jsonl or .parquet, got 'tasks.JSONL'"),
        ("some/folder", "must be a file that ends in .jsonl or .parquet, got 'some/folder'"),
        (Path("folder"), "must be a file that ends in .jsonl or .parquet, got 'folder'"),
    ],
)
def test_load_tasks_explains_a_name_that_it_does_not_know(name: str | Path, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        load_tasks(name)


@every_ending
def test_missing_file_and_folder_are_told_apart_from_files(ending: str, tmp_path: Path) -> None:
    for path in (tmp_path / f"missing{ending}", tmp_path / f"folder{ending}"):
        if path.stem == "folder":
            path.mkdir()
        message = f"tasks must be an existing file, got {str(path)!r}; check the path"
        with pytest.raises(FileNotFoundError, match=re.escape(message)):
            load_tasks(path)


@every_ending
def test_file_loads_as_path_and_as_text(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"sums{ending}", sums([1, 2]))
    expected = [
        Task("sums/0", "What is 1+1?", "2", f"sums{ending}"),
        Task("sums/1", "What is 2+2?", "4", f"sums{ending}"),
    ]
    assert load_tasks(path) == load_tasks(str(path)) == expected
    for tasks in (path, str(path)):
        assert think_solve_v0(tasks=tasks).tasks == tuple(expected)


@every_ending
def test_splits_of_a_file_are_disjoint_and_complete(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"sums{ending}", sums(range(200)))
    everything = load_tasks(path)
    train, test = load_tasks(path, split="train"), load_tasks(path, split="test")
    assert sorted([*train, *test], key=everything.index) == everything
    assert set(ids(train)) | set(ids(test)) == set(ids(everything))
    assert 5 < len(test) < 40  # one in ten


def test_splits_stay_disjoint_across_files(tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", sums(range(150)))
    other = write(tmp_path / "other.parquet", reversed(sums(range(50, 200))))
    assert questions(load_tasks(one)) & questions(load_tasks(other))
    assert not questions(load_tasks(one, split="train")) & questions(
        load_tasks(other, split="test")
    )


@given(question=any_text)
def test_every_question_is_in_exactly_one_split(question: str) -> None:
    assert in_split(question, "train") != in_split(question, "test")
    assert in_split(question, None)


def test_one_question_in_ten_is_for_testing() -> None:
    assert TEST_SHARE == 10
    in_test = sum(in_split(f"question {n}", "test") for n in range(10_000))
    assert 850 < in_test < 1150  # mean 1000, standard deviation 30


@every_ending
def test_limit_of_a_file_counts_the_tasks_of_the_split(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"sums{ending}", sums(range(200)))
    for split in (None, "train", "test"):
        tasks = load_tasks(path, split=split)
        assert load_tasks(path, split=split, limit=3) == tasks[:3]
        assert load_tasks(path, split=split, limit=999) == tasks


@every_ending
@pytest.mark.parametrize("column", ["id", "unique_id"])
def test_a_row_keeps_its_own_id(ending: str, column: str, tmp_path: Path) -> None:
    rows = [
        {**row, column: own} for row, own in zip(sums([1, 2, 3]), ["a", "b/c", ""], strict=True)
    ]
    path = write(tmp_path / f"sums{ending}", rows)
    assert ids(load_tasks(path)) == ["sums/a", "sums/b/c", "sums/2"]


@every_ending
def test_an_id_may_be_a_number_and_0_is_one(ending: str, tmp_path: Path) -> None:
    rows = [{**row, "id": own} for row, own in zip(sums([1, 2]), [7, 0], strict=True)]
    assert ids(load_tasks(write(tmp_path / f"sums{ending}", rows))) == ["sums/7", "sums/0"]


@every_ending
@pytest.mark.parametrize(
    ("answer", "text"),
    [(27, "27"), (27.0, "27"), (-0.0, "0"), (2.5, "2.5"), (1e22, f"1{'0' * 22}")],
)
def test_a_number_is_read_as_its_text(
    ending: str, answer: float, text: str, tmp_path: Path
) -> None:
    path = write(tmp_path / f"n{ending}", [{"question": 5, "answer": answer}])
    [task] = load_tasks(path)
    assert (task.question, task.answer) == ("5", text)


def test_other_columns_and_blank_lines_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    path.write_text('\n{"question": "q", "answer": "a", "level": [1, {}]}\r\n  \n\n', "utf-8")
    assert load_tasks(path) == [Task("sums/1", "q", "a", "sums.jsonl")]


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"question": "\xc3\xa9 \\u2264", "answer": "a"}')
    assert load_tasks(path)[0].question == "é ≤"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a task file must hold at least one task, got an empty file in {path}; add lines"),
        (b"\n \n", "a task file must hold at least one task, got an empty file in {path}"),
        (b"{GOOD}\n{oops", "line 2 must be a JSON object, got '{oops' in {path}; correct or"),
        (b"{GOOD}\n\n[1, 2]", "line 3 must be a JSON object, got [1, 2] in {path}"),
        (b'"text"', "line 1 must be a JSON object, got 'text' in {path}"),
        (b"{GOOD}{GOOD}", "line 1 must be a JSON object, got '{\"question"),
        (
            b'{"question": "\xe9"}',
            "tasks must be UTF-8, got byte 0xe9 in line 1 of {path}; save it as UTF-8",
        ),
        (b"[" * 100_000, "line 1 must be a JSON object that is not nested so deep, got '[[[["),
        (
            b'{"answer": ' + b"1" * 5000 + b"}",
            "line 1 must have whole numbers of at most 4300 digits",
        ),
        (
            b'{"id": 1, "id": 2}',
            "a key must be there once, got 'id' twice in line 1 of {path}; remove one of them",
        ),
        (
            b'{"prompt": "q", "target": "a"}',
            "line 1 must have a text or number as 'question', 'problem' or 'query' among its "
            "columns, got ['prompt', 'target'] in {path}",
        ),
        (
            b'{"question": "q"}',
            "line 1 must have a text or number as 'answer', 'final_answer' or 'solution' among its "
            "columns, got ['question'] in {path}; "
            "correct or remove that line",
        ),
        (b'{"answer": "a"}', "line 1 must have a text or number as 'question', 'problem'"),
        (b'{"question": "q", "answer": null}', "line 1 must have a text or number as 'answer'"),
        (b'{"question": "q", "answer": true}', "line 1 must have a text or number as 'answer'"),
        (b'{"question": "q", "answer": ["a"]}', "line 1 must have a text or number as 'answer'"),
        (b'{"question": {}, "answer": "a"}', "line 1 must have a text or number as 'question'"),
        (b'{"question": " \\n", "answer": "a"}', "line 1 must have a question that is not empty"),
        (b'{"question": "q", "answer": NaN}', "line 1 must have a finite number as 'answer'"),
        (b'{"question": "q", "answer": -1e999}', "line 1 must have a finite number as 'answer'"),
        (
            b'{"question": "q", "answer": "a", "id": 1}\n{GOOD}\n',
            "task ids must be unique, got 'tasks/1' twice in {path}, the second time in line 2; "
            "rename it",
        ),
    ],
    ids=range(21),
)
def test_broken_jsonl_file_is_named_with_its_line(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(content.replace(b"{GOOD}", b'{"question": "good", "answer": "a"}'))
    with pytest.raises(TaskFileError, match=re.escape(message.replace("{path}", str(path)))):
        load_tasks(path)


def test_a_utf_16_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text('{"question": "q", "answer": "a"}\n' * 2, encoding="utf-16")
    with pytest.raises(TaskFileError, match="must be UTF-8, got UTF-16"):
        load_tasks(path)


def test_a_long_line_is_shown_shortened(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text("x" * 100_000, encoding="utf-8")
    with pytest.raises(TaskFileError) as caught:
        load_tasks(path)
    assert len(str(caught.value)) < 200 + len(str(path))


@every_ending
def test_a_split_without_tasks_says_so(ending: str, tmp_path: Path) -> None:
    rows = [row for row in sums(range(50)) if not in_split(row["question"], "test")]
    path = write(tmp_path / f"tasks{ending}", rows)
    message = f"split 'test' must hold at least one task, got none of {len(rows)} in {path}; add"
    with pytest.raises(TaskFileError, match=re.escape(message)):
        load_tasks(path, split="test")


def test_an_id_that_is_in_both_splits_is_refused_in_either(tmp_path: Path) -> None:
    rows = [{**row, "id": row["answer"]} for row in sums(range(50))]
    first = {
        split: next(r for r in rows if in_split(r["question"], split))
        for split in ("train", "test")
    }
    path = write(tmp_path / "tasks.jsonl", [*rows, {**first["train"], "id": first["test"]["id"]}])
    for split in (None, "train", "test"):
        with pytest.raises(TaskFileError, match=r"task ids must be unique, .* in line 51"):
            load_tasks(path, split=split)


def test_tasks_of_the_caller_may_be_mixed() -> None:
    task = Task("mine", "q", "a")
    entries: list[Any] = [("1+1", "2"), task, ["2+2", "4"]]
    given_ = (entry for entry in entries)
    custom = [Task("custom/0", "1+1", "2"), task, Task("custom/2", "2+2", "4")]
    assert resolve_tasks(given_) == tuple(custom)


@pytest.mark.parametrize(
    ("tasks", "error", "message"),
    [
        ([], ValueError, "tasks must hold at least one task, got none; pass e.g. [('1+1', '2')]"),
        (
            [Task("a", "q", "1"), Task("b", "q", "1"), Task("a", "r", "1")],
            ValueError,
            "task ids must be unique, got 'a' twice; rename one of them",
        ),
        ([("q", "a"), Task("custom/0", "r", "b")], ValueError, "got 'custom/0' twice"),
        (
            [("q", "a"), ("q", 2)],
            TypeError,
            "tasks[1] must be a Task, a (question, answer) pair of texts or a row, got ('q', 2); "
            "wrap it",
        ),
        (("question", "answer"), TypeError, "tasks[0] must be a Task, a (question, answer) pair"),
        (("ab", "cd"), TypeError, "tasks[0] must be a Task, a (question, answer) pair"),
        ([("q",)], TypeError, "tasks[0] must be a Task, a (question, answer) pair"),
        (
            [None],
            TypeError,
            "tasks[0] must be a Task, a (question, answer) pair of texts or a row, got None",
        ),
        (
            [3],
            TypeError,
            "tasks[0] must be a Task, a (question, answer) pair of texts or a row, got 3",
        ),
        ({"q": "a"}, TypeError, "tasks[0] must be a Task, a (question, answer) pair"),
        (
            Task("a", "q", "1"),
            TypeError,
            "tasks must be a name, a path or a sequence of tasks, got",
        ),
        (None, TypeError, "tasks must be a name, a path or a sequence of tasks, got None; wrap"),
    ],
)
def test_env_explains_wrong_tasks(tasks: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        think_solve_v0(tasks=tasks, verifier="exact")


@pytest.mark.parametrize(
    ("name", "split", "num_tasks", "digest"),
    [
        ("arithmetic", "train", 4096, "c60beea48881dd19"),
        ("arithmetic", "test", 512, "16984d31dd731b0f"),
        ("arithmetic_one_kind", "train", 4096, "ff5f538d74d297d1"),
        ("arithmetic_one_kind", "test", 512, "8f109a1ac0c51261"),
        ("arithmetic_rare", "train", 4096, "a662db6bae8e60e7"),
        ("arithmetic_rare", "test", 512, "dd062fa57bc41ebf"),
        ("linear_equations", "train", 4096, "0b6d6c1185e896a1"),
        ("linear_equations", "test", 512, "f82f1227dca475f4"),
        ("lookup", "train", 4096, "b14a7035ac7c2eb5"),
        ("lookup", "test", 512, "c1f77dad12b1073c"),
    ],
)
def test_tasks_of_a_source_stay_the_same(
    name: str, split: str, num_tasks: int, digest: str
) -> None:
    tasks = load_tasks(name, split=split)
    text = "\n".join(f"{task.id} {task.question} {task.answer}" for task in tasks)
    assert len(tasks) == num_tasks
    # Results are comparable only on the same tasks: a change of these is a new source.
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


def test_linear_equations_have_the_solutions_they_say() -> None:
    for task in load_tasks("linear_equations", limit=500):
        a, b, c, d = map(int, re.findall(r"[-+]?\d+", task.question))
        assert (a - c) * int(task.answer) == d - b  # a x + b = c x + d
        assert a != c


@pytest.mark.parametrize(
    ("name", "file", "row", "answer"),
    [
        ("gsm8k", "gsm8k_train.jsonl", {"question": "q", "answer": "6*3\n#### 1,800"}, "1800"),
        ("math500", "MATH-500.jsonl", {"problem": "q", "solution": r"so $\boxed{7}$"}, "7"),
        ("aime24", "aime_2024.parquet", {"problem": "q", "answer": 27}, "27"),
    ],
)  # fmt: skip
def test_benchmark_is_read_from_the_folder(
    name: str,
    file: str,
    row: dict[str, Any],
    answer: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CCPO_DATA_DIR", str(tmp_path))
    write(tmp_path / file, [row])
    assert [task.answer for task in load_tasks(name)] == [answer]


def test_a_file_of_one_split_is_not_taken_for_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCPO_DATA_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "datasets", None)
    write(tmp_path / "gsm8k_train.jsonl", sums([1]))
    with pytest.raises(ImportError, match="gsm8ktest"):
        load_tasks("gsm8k", split="test")
    write(tmp_path / "gsm8k.jsonl", sums([2]))
    assert load_tasks("gsm8k", split="test")[0].answer == "4"


@pytest.mark.parametrize(
    ("num_chars", "shown"), [(76, f"['{'x' * 76}']"), (77, f"['{'x' * 75}...")]
)
def test_a_row_of_more_than_eighty_characters_is_cut(
    num_chars: int, shown: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(["x" * num_chars]))
    with pytest.raises(
        TaskFileError, match=re.escape(f"line 1 must be a JSON object, got {shown} ")
    ):
        load_tasks(path)


@pytest.mark.parametrize(
    ("name", "split", "stem"),
    [
        (name, split, stem)
        for name, benchmark in BENCHMARKS.items()
        if benchmark.columns is None and not benchmark.is_hashed
        for split, stems in benchmark.stems.items()
        for stem in stems
    ],
)
def test_every_math_benchmark_is_read_from_a_file_of_its_name(
    name: str, split: str, stem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCPO_DATA_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "datasets", None)
    write(tmp_path / f"{stem}.csv.jsonl", sums([1]))
    write(tmp_path / f"another_{stem}.jsonl", sums([2]))
    (tmp_path / f"{stem}.txt").write_text("no tasks")
    assert [task.answer for task in load_tasks(name, split=split)] == ["2"]


def test_missing_benchmark_names_the_folder_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CCPO_DATA_DIR", raising=False)
    with pytest.raises(FileNotFoundError, match=r"'amc23' must be a local file, .* CCPO_DATA_DIR"):
        load_tasks("amc23")
    with pytest.raises(ValueError, match="'amc23' must have a train split, got only test"):
        load_tasks("amc23", split="train")


def test_hub_errors_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route\nlong trace")

    monkeypatch.delenv("CCPO_DATA_DIR", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=fail))
    with pytest.raises(FileNotFoundError, match="got 'no route'; check the network") as caught:
        load_tasks("gsm8k")
    assert "\n" not in str(caught.value)
    rows = [{"question": "q", "answer": "#### 5"}, {"question": "r", "answer": "#### 6"}]
    asked: list[Any] = []

    def load(*place: Any, **options: Any) -> list[dict[str, str]]:
        asked.append((place, options["split"], len(options["revision"])))
        return rows

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load))
    found = load_tasks("gsm8k", split="test")
    assert [(task.id, task.answer) for task in found] == [
        ("gsm8k_test/0", "5"),
        ("gsm8k_test/1", "6"),
    ]
    assert len(load_tasks("gsm8k", limit=1)) == 1
    assert asked == [(("openai/gsm8k", "main"), split, 40) for split in ("test", "train")]
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r"run pip install 'ccpo-env\[hub\]'"):
        load_tasks("gsm8k")


def test_reasoning_gym_gives_tasks_and_explains_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def create(_name: str, *, size: int, seed: int) -> list[dict[str, str]]:
        return [{"question": f"q{n + seed}", "answer": str(n)} for n in range(size)]

    monkeypatch.setitem(sys.modules, "reasoning_gym", SimpleNamespace(create_dataset=create))
    names = SimpleNamespace(DATASETS={"chain_sum": None})
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", names)
    train, test = (
        load_tasks("reasoning_gym/chain_sum", split=s, limit=3) for s in ("train", "test")
    )
    assert len(train) == len(test) == 3
    assert not questions(train) & questions(test)
    with pytest.raises(ValueError, match="did you mean 'chain_sum'"):
        load_tasks("reasoning_gym/chain_sun")
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(ImportError, match=r"install 'ccpo-env\[reasoning_gym\]'"):
        load_tasks("reasoning_gym/chain_sum")


def with_rows(monkeypatch: pytest.MonkeyPatch, rows: Callable[[int], list[Any]]) -> None:
    """Let reasoning_gym create rows, each a question and an answer; the data set is "some"."""

    def create(_name: str, *, size: int, **_: int) -> list[dict[str, Any]]:
        return [{"question": question, "answer": answer} for question, answer in rows(size)]

    monkeypatch.setitem(sys.modules, "reasoning_gym", SimpleNamespace(create_dataset=create))
    names = SimpleNamespace(DATASETS={"some": None})
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", names)


def test_reasoning_gym_rows_are_tasks_and_equal_questions_are_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_rows(monkeypatch, lambda size: [(f"q{n // 2}", f"{n}") for n in range(size)])
    tasks = load_tasks("reasoning_gym/some", limit=2)
    source = "reasoning_gym/some"
    assert tasks == [
        Task(f"{source}/0", "q0", "0", source),
        Task(f"{source}/2", "q1", "2", source),
    ]
    assert len(load_tasks("reasoning_gym/some")) == 512


@pytest.mark.parametrize("answer", [None, 7, "", " "])
def test_reasoning_gym_answers_are_texts(monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    with_rows(monkeypatch, lambda _size: [("q0", "a"), ("q1", answer)])
    message = f"must have text answers, got {answer!r} in row 1 of 'some'; choose another"
    with pytest.raises(ValueError, match=message):
        load_tasks("reasoning_gym/some", limit=2)


def test_reasoning_gym_says_how_many_questions_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with_rows(monkeypatch, lambda _size: [("q0", "a"), ("q1", "b")])
    with pytest.raises(ValueError, match="limit must be <= 2 for reasoning_gym/some, got 3; pass"):
        load_tasks("reasoning_gym/some", limit=3)


def test_reasoning_gym_looks_through_sixteen_rows_for_a_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_rows(monkeypatch, lambda size: [(f"q{n // 16}", f"{n}") for n in range(size)])
    assert [task.answer for task in load_tasks("reasoning_gym/some", limit=3)] == ["0", "16", "32"]
    with_rows(monkeypatch, lambda size: [(f"q{n // 17}", f"{n}") for n in range(size)])
    with pytest.raises(ValueError, match="limit must be <= 16 for reasoning_gym/some, got 17"):
        load_tasks("reasoning_gym/some", limit=17)


def test_empty_gold_answers_are_logged_by_line_and_measure_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [*sums([1]), {"question": "q", "answer": ""}]
    tasks = load_tasks(write(tmp_path / "t.jsonl", rows))
    assert "1 tasks without a gold answer, in lines 2" in caplog.text
    env = think_solve_v0(tasks=tasks, verifier="exact", removed=["thinker_0"])
    env.reset(options={"task": 1})
    env.step(r"\boxed{2}")
    assert env.truncations["solver_0"]
    assert env.unwrapped.verdict.status == "error"


def test_gold_answers_that_nobody_can_read_are_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    golds = [r"\frac12", "Paris", "必要不充分条件", r"\int_0^1 x\,dx", '" + string(n) + "', "%&)="]
    path = tmp_path / "mixed.jsonl"
    rows = [{"question": f"q{n}", "answer": gold} for n, gold in enumerate(golds)]
    path.write_text("\n".join(map(json.dumps, rows)))
    load_tasks(path)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert "2 tasks whose gold answer is neither words nor parsed" in messages[0]
    assert "mixed/4 ('\" + string(n) + \"')" in messages[0]
    assert "mixed/5 ('%&)=')" in messages[0]


@every_ending
@pytest.mark.parametrize(
    ("columns", "tags"),
    [
        ({}, ()),
        ({"level": "2", "subject": "Precalculus"}, (("level", "2"), ("subject", "Precalculus"))),
        ({"level": "Level 5", "type": "Algebra"}, (("level", "5"), ("subject", "Algebra"))),
        ({"level": 3}, (("level", "3"),)),
        ({"difficulty": 4.0, "subject": " "}, (("level", "4"),)),
        ({"level": 2.5, "subject": True}, ()),
        ({"level": ["2"], "subject": None}, ()),
    ],
)
def test_task_has_the_level_and_the_subject_of_its_row(tmp_path, ending, columns, tags):
    rows = [{**row, **columns} for row in sums(range(2))]
    tasks = load_tasks(write(tmp_path / f"tasks{ending}", rows))
    assert [task.tags for task in tasks] == [tags, tags]


def test_task_with_tags_is_hashed_and_pickled() -> None:
    task = Task("t/0", "1+1", "2", tags=(("level", "1"),))
    assert {task: 1}[pickle.loads(pickle.dumps(task))] == 1
    assert task != Task("t/0", "1+1", "2")
    assert Task("t/0", "1+1", "2").tags == ()


def test_tags_stay_unread_by_agents() -> None:
    env = think_solve_v0(tasks=[Task("t/0", "1+1", "2", tags=(("level", "a secret"),))])
    env.reset(seed=0)
    assert "a secret" not in str((env.last()[0], env.last()[4]))
