from __future__ import annotations

import json
import os

import pytest

from baselines.common.metrics import METRICS, append_row, keep_rows, read_rows


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for step in (1, 2, 3):
        append_row(path, {"step": step, "accuracy/joint": step / 4, "accuracy/solo": None})
    return path


def test_append_row_writes_one_json_object_per_line(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]
    assert json.loads(lines[1]) == {"step": 2, "accuracy/joint": 0.5, "accuracy/solo": None}


def test_append_row_refuses_what_json_cannot_hold(path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON compliant"):
        append_row(path, {"step": 4, "accuracy/joint": float("nan")})
    assert path.read_bytes() == before


@pytest.mark.parametrize("durable", [True, False])
def test_append_row_pushes_a_row_to_the_disk_if_it_is_to_be_durable(path, monkeypatch, durable):
    pushed = []
    monkeypatch.setattr(os, "fsync", pushed.append)
    append_row(path, {"step": 4}, durable=durable)
    assert len(pushed) == durable
    assert read_rows(path)[-1] == {"step": 4}


def test_read_rows_returns_what_was_appended(path):
    assert read_rows(path)[2] == {"step": 3, "accuracy/joint": 0.75, "accuracy/solo": None}
    assert read_rows(path.with_name("other.jsonl")) == []


@pytest.mark.parametrize("num_bytes", [1, 2, 20])
def test_read_rows_leaves_out_a_last_line_that_was_cut_off(path, num_bytes):
    path.write_bytes(path.read_bytes()[:-num_bytes])
    assert [row["step"] for row in read_rows(path)] == [1, 2]


def test_keep_rows_drops_the_rows_after_a_step(path):
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines)[:-5], encoding="utf-8")
    keep_rows(path, 2)
    assert path.read_text(encoding="utf-8") == "".join(lines[:2])
    keep_rows(path, 0)
    assert path.read_bytes() == b""
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_keep_rows_lets_a_resumed_run_append(path):
    path.write_bytes(path.read_bytes()[:-9])
    keep_rows(path, 3)
    append_row(path, {"step": 3})
    assert [row["step"] for row in read_rows(path)] == [1, 2, 3]


def test_metrics_have_a_meaning_that_is_a_sentence():
    assert all(meaning.endswith(".") and len(meaning) > 20 for meaning in METRICS.values())
