"""The outcomes of held-out tasks: file format, exact resuming and pairing."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.common.evaluation_file import (
    EVALUATIONS_FILE,
    BenchmarkOutcomes,
    RecordedEvaluation,
    append_evaluation,
    evaluation_rows,
    paired_rates,
    read_evaluations,
)
from baselines.common.jsonl import read_rows
from baselines.common.processes import SINGLE_PROCESS
from baselines.evaluate.evaluation import Evaluation
from baselines.evaluate.paths import JOINT
from baselines.train.logging.evaluation_record import recorded
from baselines.train.run_files import RunFiles
from tests.rl.test_evaluation import evaluation_of

NAN = math.nan
LINE = {
    "step": 20,
    "tokens": 51200,
    "benchmark": "lookup",
    "tasks": ["a", "b", "c"],
    "outcomes": {"joint": ["110", "1-0"], "without thinker_0": ["0-0", "---"]},
}


def write(folder, *rows):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / EVALUATIONS_FILE).write_text(text, encoding="utf-8")


def test_a_line_is_read_as_the_rates_of_its_tasks(tmp_path):
    write(tmp_path, LINE)
    (found,) = read_evaluations(tmp_path)
    assert (found.step, found.tokens, found.paths) == (20, 51200, ("joint", "without thinker_0"))
    assert found.rates() == {("lookup", "a"): 1.0, ("lookup", "b"): 1.0, ("lookup", "c"): 0.0}
    assert found.rates("without thinker_0") == {("lookup", "a"): 0.0, ("lookup", "c"): 0.0}
    assert found.accuracy() == pytest.approx(2 / 3)
    assert found.rates("without nobody") == {}
    assert found.num_samples() == {("lookup", "a"): 2, ("lookup", "c"): 2}
    assert found.num_samples("without thinker_0") == found.num_samples("without nobody") == {}
    assert found.accuracy("without nobody") is None
    assert evaluation_rows(found) == [LINE]


def test_the_tasks_of_all_evaluations_are_held_in_memory_once(tmp_path):
    write(tmp_path, *({**LINE, "step": step} for step in range(3)))
    found = [own.benchmarks["lookup"].tasks for own in read_evaluations(tmp_path)]
    assert found[0] is found[1] is found[2]


outcomes = st.sampled_from([0.0, 1.0, NAN])


@given(st.data(), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3))
def test_what_is_written_is_read_again(data, num_benchmarks, num_tasks, num_samples):
    def values():
        flat = data.draw(st.lists(outcomes, min_size=num_tasks * num_samples, max_size=99))
        return np.array(flat[: num_tasks * num_samples]).reshape(num_samples, num_tasks)

    tasks = tuple(f"t/{i}" for i in range(num_tasks))
    benchmarks = {
        f"b{i}": BenchmarkOutcomes(tasks, {"joint": values(), "without x_0+y_0": values()})
        for i in range(num_benchmarks)
    }
    rows = evaluation_rows(RecordedEvaluation(3, 7, benchmarks))
    assert json.loads(json.dumps(rows)) == rows
    assert [row["benchmark"] for row in rows] == list(benchmarks)
    for row, own in zip(rows, benchmarks.values(), strict=True):
        for path, wanted in own.outcomes.items():
            texts = row["outcomes"][path]
            got = [[{"1": 1.0, "0": 0.0, "-": NAN}[c] for c in text] for text in texts]
            np.testing.assert_array_equal(got, wanted)


def test_benchmarks_of_one_step_are_one_evaluation_and_steps_are_ordered(tmp_path):
    other = {**LINE, "benchmark": "arithmetic", "tasks": ["a"], "outcomes": {"joint": ["0"]}}
    write(tmp_path, {**LINE, "step": 30}, LINE, other)
    first, second = read_evaluations(tmp_path)
    assert (first.step, second.step) == (20, 30)
    assert list(first.benchmarks) == ["lookup", "arithmetic"]
    assert first.rates()["arithmetic", "a"] == 0.0  # the same id in another benchmark
    assert first.rates()["lookup", "a"] == 1.0
    assert first.accuracy() == 0.5


def test_a_run_that_still_writes_is_read_up_to_its_last_complete_line(tmp_path):
    assert read_evaluations(tmp_path) == []
    write(tmp_path, LINE)
    with (tmp_path / EVALUATIONS_FILE).open("a") as file:
        file.write('{"step": 30, "tok')
    assert [own.step for own in read_evaluations(tmp_path)] == [20]


@pytest.mark.parametrize(
    "change",
    [
        {"step": None},
        {"outcomes": {"joint": ["11"]}},
        {"outcomes": {"joint": ["11x"]}},
        {"outcomes": {"joint": []}},
    ],
)
def test_a_line_that_is_no_evaluation_is_named(tmp_path, change):
    write(tmp_path, LINE, {**LINE, **change})
    with pytest.raises(ValueError, match=r"line 2 of .*evaluations\.jsonl; restore the file"):
        read_evaluations(tmp_path)


def test_pairs_are_the_tasks_that_both_measured():
    first = {("x", "a"): 1.0, ("x", "b"): 0.0, ("y", "a"): 0.5}
    second = {("y", "a"): 0.25, ("x", "a"): 0.0, ("x", "c"): 1.0}
    np.testing.assert_array_equal(paired_rates(first, second), [[1.0, 0.5], [0.0, 0.25]])
    assert [len(side) for side in paired_rates(first, {})] == [0, 0]


def test_an_evaluation_is_recorded_task_by_task_on_every_path():
    evaluation: Evaluation = evaluation_of()
    found = recorded(evaluation, step=4, tokens=99)
    assert (found.step, found.tokens) == (4, 99)
    assert found.paths == tuple(path.label for path in evaluation.correctness.paths)
    for path in evaluation.correctness.paths:
        rates = evaluation.correctness.rates(path)
        measured = rates[~np.isnan(rates)]
        assert found.accuracy(path.label) == pytest.approx(measured.mean())
    assert len(found.rates(JOINT.label)) == 5  # of six, one was not measured
    assert evaluation_rows(found)[0]["outcomes"]["joint"] == ["11100-"]


def test_resuming_drops_the_evaluations_that_are_measured_again(tmp_path):
    files = RunFiles(tmp_path, SINGLE_PROCESS)
    (tmp_path / "metrics.jsonl").touch()
    own = BenchmarkOutcomes(("a",), {"joint": np.array([[1.0]])})
    for step in (0, 5, 10, 15):
        files.append_evaluation(RecordedEvaluation(step, 10 * step, {"x": own}))
    files.drop_after(10)  # the one after step 10 is the one before step 11
    assert [row["step"] for row in read_rows(tmp_path / EVALUATIONS_FILE)] == [0, 5]


def test_only_the_writing_process_writes(tmp_path):
    own = BenchmarkOutcomes(("a",), {"joint": np.array([[1.0]])})
    second = SimpleNamespace(rank=1)
    RunFiles(tmp_path, second).append_evaluation(RecordedEvaluation(0, 0, {"x": own}))
    assert not list(tmp_path.iterdir())
    append_evaluation(tmp_path / EVALUATIONS_FILE, RecordedEvaluation(0, 0, {"x": own}))
    assert len(read_evaluations(tmp_path)) == 1
