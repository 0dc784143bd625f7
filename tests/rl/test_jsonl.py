"""Append-only JSONL: what is appended is read back, torn last lines, full disks."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.common.errors import StorageError
from baselines.common.jsonl import (
    append_line,
    append_row,
    append_rows,
    keep_rows,
    read_lines,
    read_rows,
    truncate_torn_line,
)

FULL = OSError(errno.ENOSPC, "No space left on device")


def fail(*_args, **_kwargs):
    raise FULL


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


def test_what_is_appended_is_durable_unless_told_otherwise(path, monkeypatch):
    pushed = []
    monkeypatch.setattr(os, "fsync", pushed.append)
    append_row(path, {"step": 4})
    append_rows(path, [{"step": 5}])
    append_line(path, "{}")
    assert len(pushed) == 3


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
    keep_rows(path, lambda row: row["step"] <= 2)
    assert path.read_text(encoding="utf-8") == "".join(lines[:2])
    keep_rows(path, lambda row: row["step"] <= 0)
    assert path.read_bytes() == b""
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_keep_rows_lets_a_resumed_run_append(path):
    path.write_bytes(path.read_bytes()[:-9])
    keep_rows(path, lambda row: row["step"] <= 3)
    append_row(path, {"step": 3})
    assert [row["step"] for row in read_rows(path)] == [1, 2, 3]


def test_keep_rows_keeps_the_bytes_of_a_line(path):
    path.write_text('{"step":1, "text": "\\ud800"}\n{"step": 2}\n', encoding="utf-8")
    keep_rows(path, lambda row: row["step"] == 1)
    assert path.read_text(encoding="utf-8") == '{"step":1, "text": "\\ud800"}\n'


@pytest.mark.parametrize(
    ("target", "name"), [(Path, "write_text"), (os, "fsync"), (Path, "replace")]
)
def test_keep_rows_on_a_full_disk_is_a_storage_error_and_leaves_the_file(
    path, monkeypatch, target, name
):
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(target, name, fail)
        with pytest.raises(StorageError, match=r"must be written, got 'No space left on device'"):
            keep_rows(path, lambda row: row["step"] < 2)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_append_line_takes_back_a_line_that_does_not_fit(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    append_line(path, '{"step": 1}')
    write = os.write
    with monkeypatch.context() as patch:

        def write_a_part(handle, data):
            if len(data) > 4:
                return write(handle, data[:4])
            raise FULL

        patch.setattr(os, "write", write_a_part)
        with pytest.raises(StorageError, match="a line must be written"):
            append_line(path, '{"step": 2}')
    assert path.read_text(encoding="utf-8") == '{"step": 1}\n'
    append_line(path, '{"step": 2}')
    assert read_rows(path) == [{"step": 1}, {"step": 2}]


def test_append_line_writes_on_when_the_system_takes_a_part(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
    append_line(tmp_path / "rows", "a line of more than three bytes")
    assert (tmp_path / "rows").read_text(encoding="utf-8") == "a line of more than three bytes\n"


def test_append_rows_writes_all_rows_at_once_or_none(path, monkeypatch):
    before, written = path.read_bytes(), []
    write = os.write

    def count(handle, data):
        written.append(data)
        return write(handle, data)

    monkeypatch.setattr(os, "write", count)
    append_rows(path, [])
    assert path.read_bytes() == before
    append_rows(path, [{"step": 4}, {"step": 5}])
    assert written == [b'{"step": 4}\n{"step": 5}\n']
    with pytest.raises(ValueError, match="JSON compliant"):
        append_rows(path, [{"step": 6}, {"step": float("inf")}])
    assert [row["step"] for row in read_rows(path)] == [1, 2, 3, 4, 5]


def test_append_row_to_a_file_that_cannot_be_opened_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match=r"a line must be written, got 'No such file or dir"):
        append_row(tmp_path / "missing" / "rows.jsonl", {"step": 1})


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_file_without_write_access_is_a_storage_error(path):
    path.write_bytes(path.read_bytes()[:-1])
    path.chmod(0o400)
    for change in (truncate_torn_line, lambda path: append_row(path, {"step": 4})):
        with pytest.raises(StorageError, match="Permission denied"):
            change(path)


@given(
    rows=st.lists(st.dictionaries(st.text(), st.integers() | st.text() | st.none()), max_size=4),
    cut=st.integers(0, 10_000),
)
def test_file_cut_at_any_byte_keeps_the_complete_rows_and_is_appended_to(
    tmp_path_factory, rows, cut
):
    path = tmp_path_factory.mktemp("torn") / "rows.jsonl"
    append_rows(path, rows)
    content = path.read_bytes() if rows else b""
    content = content[: cut % (len(content) + 1)]
    path.write_bytes(content)
    kept = rows[: content.count(b"\n")]
    lines, torn = read_lines(path)
    assert b"".join(line + b"\n" for line in lines) + torn == content
    assert read_rows(path) == kept
    truncate_torn_line(path)
    append_row(path, {"new": 1})
    assert read_rows(path) == [*kept, {"new": 1}]


def test_truncate_torn_line_leaves_complete_lines_and_missing_files_alone(path, monkeypatch):
    before = path.read_bytes()
    monkeypatch.setattr(os, "truncate", fail)
    truncate_torn_line(path)
    truncate_torn_line(path.with_name("other.jsonl"))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    path.write_bytes(before[:-1])
    with pytest.raises(StorageError, match="a file must be written, got 'No space left"):
        truncate_torn_line(path)


@pytest.mark.parametrize("read", [read_rows, lambda path: keep_rows(path, bool)])
def test_corrupt_line_that_is_complete_is_reported_with_its_number(path, read):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"step": \xff\n' + lines[2])
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"must be a JSON object, got .* in line 2 of .*metrics"):
        read(path)
    assert path.read_bytes() == before
