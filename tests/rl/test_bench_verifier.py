"""The verifier's bench counts what is right, what is slow, and what raises."""

from __future__ import annotations

import json

import pytest

from baselines.bench import verifier_speed
from baselines.bench.verifier_speed import CaseResult, LabelledCase
from tests.rl.teams import quietly

RIGHT = LabelledCase(r"\boxed{1}", "1", expected=True, category="rw_number")
WRONG = LabelledCase(r"\boxed{2}", "1", expected=False, category="nm_number")
HOSTILE = LabelledCase({}, None, expected=False, category="host_nonstring")


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def columns(table):
    return {str(column.header): list(column.cells) for column in table.columns}


def test_read_cases_expands_run_lengths(tmp_path):
    row = {"gold": "1", "expected": False, "category": "host_size"}
    coded = {**row, "response": None, "response_expand": [["ab", 2], ["c", 3]]}
    cases = verifier_speed.read_cases(write(tmp_path / "cases.jsonl", coded))
    assert cases == [LabelledCase("ababccc", "1", expected=False, category="host_size")]


@pytest.mark.parametrize("line", ["{", "[]", '{"response": "a"}'])
def test_read_cases_names_a_bad_line(tmp_path, line):
    path = tmp_path / "cases.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(ValueError, match=r"a case must be an object .* line 1; correct the line"):
        verifier_speed.read_cases(path)


def test_read_cases_wants_at_least_one(tmp_path):
    with pytest.raises(ValueError, match="cases must be at least one"):
        verifier_speed.read_cases(write(tmp_path / "cases.jsonl"))


def test_run_case_counts_an_exception_as_wrong():
    def raises(_response, _gold):
        raise RuntimeError

    for case in (RIGHT, WRONG):
        result = verifier_speed.run_case(case, raises)
        assert (result.is_right, result.is_accepted) == (False, False)
    assert verifier_speed.run_case(WRONG, lambda _response, _gold: True).is_accepted


def test_score_table_counts_by_hand():
    ours = [
        CaseResult(RIGHT, is_right=True, is_accepted=True, seconds=0.002),
        CaseResult(RIGHT, is_right=False, is_accepted=False, seconds=0.004),
        CaseResult(WRONG, is_right=False, is_accepted=True, seconds=0.006),
        CaseResult(HOSTILE, is_right=True, is_accepted=False, seconds=11.0),
        CaseResult(HOSTILE, is_right=True, is_accepted=False, seconds=3.0),
    ]
    theirs = [CaseResult(j.case, is_right=True, is_accepted=False, seconds=28.024) for j in ours]
    cells = columns(verifier_speed.score_table({"theirs": theirs, "ours": ours}))
    assert cells["accuracy"] == ["1.000", "0.600"]
    assert cells["macro"] == ["1.000", "0.500"]  # mean of 1/2, 0 and 1
    assert (cells["false +"][1], cells["false -"][1]) == ("1", "1")
    assert cells["hangs / slow"] == ["5 / 0", "1 / 1"]
    assert cells["median ms"] == ["28024.00", "4.00"]  # without the hostile
    assert cells["cases/s"] == ["0.0", "0.4"]
    assert cells["ratio"] == ["1.0", "10.0"]  # 140.12 s against 14.012 s


def test_bench_scores_a_file_with_both_verifiers(tmp_path):
    rows = [
        {"response": c.response, "gold": c.gold, "expected": c.expected, "category": c.category}
        for c in (RIGHT, WRONG, HOSTILE)
    ]
    path = write(tmp_path / "cases.jsonl", *rows)
    code, printed = quietly(verifier_speed.main, "--cases", str(path))
    assert code == 0
    assert "Verifiers on 3 labelled cases" in printed
    (row,) = (line for line in printed.splitlines() if "ccpo_env.verify" in line)
    assert "1.000" in row
    assert "0 / 0" in row
