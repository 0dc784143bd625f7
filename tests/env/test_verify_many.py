"""Many answers at once: the same verdicts as one by one, in order."""

from __future__ import annotations

import threading
import time

import pytest

from ccpo_env import verify, verify_many
from ccpo_env.types import Verdict
from ccpo_env.verifiers.math import verifier as math_verifier
from ccpo_env.verifiers.worker import many

PAIRS = [
    (r"\boxed{42}", "42"),
    ("no box", "1"),
    (r"\boxed{x+1}", "1+x"),
    (r"\boxed{\sum_{k=1}^{4} k}", "10"),
    (r"\boxed{\lfloor x \rceil}", r"\frac{1}{"),
    (r"\boxed{\sqrt{8}}", r"2\sqrt{2}"),
    (r"\boxed{7}", r"2\sqrt{2}"),
    (r"\boxed{1}", ""),
] * 5


def test_verify_many_agrees_with_verify_in_order():
    responses, golds = zip(*PAIRS, strict=True)
    assert verify_many(responses, golds) == [verify(*pair) for pair in PAIRS]


def test_verify_many_runs_two_comparisons_per_core_at_once(monkeypatch):
    together = threading.Barrier(8, timeout=60)

    def wait_for_the_others(_response, _gold, *, timeout_s):
        together.wait()
        return Verdict("correct", f"{timeout_s}")

    monkeypatch.setattr(many.os, "cpu_count", lambda: 4)
    monkeypatch.setattr(many, "verify", wait_for_the_others)
    verdicts = verify_many(["a"] * 8, ["b"] * 8, timeout_s=7.0)
    assert verdicts == [Verdict("correct", "7.0")] * 8


def test_verify_many_takes_nothing():
    assert verify_many([], []) == []


def test_verify_many_keeps_the_order_when_early_answers_are_slow(monkeypatch):
    def compare_slowly(_gold, answer, *, timeout_s, max_cpu_s):
        time.sleep(0.3 if "0" in answer else 0.0)
        return ("timeout" if "0" in answer else "wrong"), f"{timeout_s} {max_cpu_s}"

    monkeypatch.setattr(math_verifier.POOL, "compare", compare_slowly)
    answers = [rf"\lfloor {number} \rceil" for number in range(6)]
    responses = [rf"\boxed{{{answer}}}" for answer in answers]
    verdicts = verify_many(responses, [r"\lceil x \rfloor"] * 6, timeout_s=1.0)
    assert [verdict.status for verdict in verdicts] == ["timeout", *["wrong"] * 5]
    assert [verdict.answer for verdict in verdicts] == answers


def test_verify_many_judges_the_others_when_some_are_no_text():
    responses = [r"\boxed{1}", None, r"\boxed{2}", {"text": 3}, r"\boxed{3}"]
    golds = ["1", "1", None, "3", "4"]
    statuses = [verdict.status for verdict in verify_many(responses, golds)]
    assert statuses == ["correct", "no_answer", "error", "no_answer", "wrong"]


def test_verify_many_names_lengths_that_differ():
    with pytest.raises(ValueError, match="golds must be as many as responses, got 1 for 2; give"):
        verify_many(["a", "b"], ["c"])


def test_verify_many_refuses_a_time_limit_out_of_range():
    with pytest.raises(ValueError, match="timeout_s must be"):
        verify_many([], [], timeout_s=0)
