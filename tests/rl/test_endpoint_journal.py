from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.policies.base import Completion
from baselines.policies.endpoint.answer_journal import HEADER, Journal, SampleKey
from baselines.policies.endpoint.usage import EndpointUsage
from baselines.policies.endpoint.wire import Answer, Usage

FIRST = Answer(
    (Completion("one\nline", (1, 2), (3,), (-0.5,)), Completion("\ud800 ok", (1, 2), (4, 5), ())),
    Usage(2, 3),
)
SECOND = Answer((Completion("three", (1, 2), (6,), (-1.5,)),), Usage(2, 1))
KEYS = [SampleKey("q", index) for index in range(3)]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "made" / "answers.jsonl"
    journal = Journal(path)
    journal.append(KEYS[0], FIRST)
    journal.append(KEYS[2], SECOND)
    return path


def test_journal_reads_back_what_was_appended(path):
    journal = Journal(path)
    found = [journal.find(key) for key in KEYS]
    assert found == [*FIRST.completions, *SECOND.completions]
    assert journal.usage == Usage(4, 4)
    assert len(journal) == 3
    assert journal.find(SampleKey("q", 3)) is journal.find(SampleKey("other", 0)) is None


def test_journal_is_on_the_disk_when_append_returns(path, monkeypatch):
    synced = []
    fsync = os.fsync

    def watched(descriptor):
        synced.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    Journal(path).append(SampleKey("r", 0), SECOND)
    assert synced == [path.stat().st_size]


@given(cut=st.integers(0, 10_000))
def test_journal_torn_anywhere_keeps_the_whole_lines_and_goes_on(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("torn") / "answers.jsonl"
    for key, answer in ((KEYS[0], FIRST), (KEYS[2], SECOND)):
        Journal(path).append(key, answer)
    content = path.read_bytes()
    cut %= len(content)
    end_of_first = content.index(b"\n", len(HEADER))  # a line may lack its end
    path.write_bytes(content[:cut])
    journal = Journal(path)
    assert len(journal) == (0 if cut < end_of_first else 2 if cut < len(content) - 1 else 3)
    journal.append(SampleKey("r", 0), SECOND)
    again = Journal(path)
    assert len(again) == len(journal)
    assert again.find(SampleKey("r", 0)) == SECOND.completions[0]


@pytest.mark.parametrize(
    "line", ["", "7", "{}", '{"question": "q"}', '{"choices": null}', "[" * 100_000, "\x00"]
)
def test_journal_skips_a_line_it_cannot_read(path, line):
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], line, *lines[2:]]) + "\n", encoding="utf-8")
    assert len(Journal(path)) == 1


@pytest.mark.parametrize("content", ["# a document\n", '{"question": "1+1", "answer": "2"}\n'])
def test_journal_leaves_another_file_alone(tmp_path, content):
    path = tmp_path / "tasks.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="journal must be a file that an endpoint has written"):
        Journal(path)
    assert path.read_text(encoding="utf-8") == content


def test_journal_names_a_path_that_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match=r"journal must be a file that can be written, got .*dire"):
        Journal(tmp_path)


def test_journal_holds_one_json_object_a_line_after_its_header(path):
    lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    assert lines[0] == HEADER
    assert [json.loads(line)["first"] for line in lines[1:]] == [0, 2]


def test_ledger_prices_this_run_and_those_before():
    usage = EndpointUsage(prompt_price=1.0, completion_price=10.0)
    usage.add_earlier(Usage(1_000_000, 0))
    usage.add_answer(Answer(FIRST.completions, Usage(500_000, 100_000)))
    usage.add_request(is_retry=False)
    usage.add_request(is_retry=True)
    assert (usage.cost, usage.total_cost) == (1.5, 2.5)  # 0.5 * 1 + 0.1 * 10, and 1 * 1
    assert (usage.num_requests, usage.num_retries, usage.num_answered) == (2, 1, 2)
    assert usage.to_json()["total_cost"] == 2.5
    assert usage.summary() == (
        "2 requests (1 of them retries); 2 answers, 0 from the journal, 0 failed; "
        "500000 prompt and 100000 completion tokens; $1.5000, with earlier runs $2.5000"
    )
