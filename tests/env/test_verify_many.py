"""Many answers at once: the same verdicts as one by one, in order."""

from __future__ import annotations

import pytest

from ccpo_env import verify, verify_many

PAIRS = [
    (r"\boxed{42}", "42"),
    ("no box", "1"),
    (r"\boxed{x+1}", "1+x"),
    (r"\boxed{\sqrt{8}}", r"2\sqrt{2}"),
    (r"\boxed{7}", r"2\sqrt{2}"),
    (r"\boxed{1}", ""),
] * 5


def test_verify_many_agrees_with_verify_in_order():
    responses, golds = zip(*PAIRS, strict=True)
    assert verify_many(responses, golds) == [verify(*pair) for pair in PAIRS]


def test_verify_many_takes_nothing():
    assert verify_many([], []) == []


def test_verify_many_names_lengths_that_differ():
    with pytest.raises(ValueError, match="golds must be as many as responses, got 1 for 2; give"):
        verify_many(["a", "b"], ["c"])
