"""The majority of independent answers, with any voters left out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpo_env import Verdict, vote_v0
from ccpo_env.verifiers import exact, verify
from ccpo_env.voting import ABSTAINED, Ballot, count_votes

ballots = st.lists(st.sampled_from([r"\boxed{1}", r"\boxed{2}", r"\boxed{3}", "none"]), max_size=6)


def boxed(*answers: str) -> list[str]:
    return [f"\\boxed{{{answer}}}" if answer else "none" for answer in answers]


@pytest.mark.parametrize(
    ("answers", "status", "answer"),
    [
        (["1", "2", "2"], "wrong", "2"),
        (["2", "1", "1"], "correct", "1"),
        (["2", "1"], "wrong", "2"),  # of equals the first
        (["1", "2"], "correct", "1"),
        (["", "", "1"], "correct", "1"),
        (["", ""], "no_answer", None),
        ([], "no_answer", None),
        (["3", "1", "1", "3"], "wrong", "3"),
    ],
)
def test_majority_decides(answers: list[str], status: str, answer: str | None) -> None:
    verdict = count_votes(boxed(*answers), "1", exact).verdict()
    assert (verdict.status, verdict.answer) == (status, answer)


def test_clusters_are_numbered_as_they_appear() -> None:
    ballot = count_votes(boxed("2", "", "1", "2", "3"), "1", exact)
    assert ballot.clusters == (0, ABSTAINED, 1, 0, 2)
    assert (ballot.answers, ballot.correct) == (("2", "1", "3"), 1)


def test_equal_answers_are_those_that_the_verifier_says() -> None:
    assert count_votes(boxed("1/2", "3", "0.5"), "7", verify).clusters == (0, 1, 0)
    assert count_votes(boxed("1/2", "3", "0.5"), "7", exact).clusters == (0, 1, 2)


@pytest.mark.parametrize("status", ["timeout", "error"])
def test_a_vote_that_cannot_be_compared_is_not_measured(status: str) -> None:
    unsure = Verdict(status, detail="no worker")
    assert count_votes(["a"], "1", lambda *_: unsure).verdict() == unsure


@given(responses=ballots)
def test_leaving_voters_out_is_the_same_as_counting_anew(responses: list[str]) -> None:
    ballot = count_votes(responses, "1", exact)
    for size in range(len(responses) + 1):
        for out in itertools.combinations(range(len(responses)), size):
            rest = [r for voter, r in enumerate(responses) if voter not in out]
            assert ballot.verdict(out) == count_votes(rest, "1", exact).verdict()


def all_recounts(num_voters: int) -> np.ndarray:
    """Return every choice of voters, shape (2 ** num_voters, num_voters)."""
    return np.array(list(itertools.product([False, True], repeat=num_voters)), dtype=bool)


@given(responses=ballots)
def test_many_recounts_at_once_are_those_of_one_at_a_time(responses: list[str]) -> None:
    ballot = count_votes(responses, "1", exact)
    counted = all_recounts(len(responses))
    one_by_one = [ballot.verdict(np.flatnonzero(~row)).reward for row in counted]
    rewards = ballot.rewards(counted)
    assert rewards.dtype == np.float64
    assert rewards.tolist() == one_by_one


def test_a_tie_among_the_counted_votes_is_won_by_the_first_counted() -> None:
    ballot = count_votes(boxed("2", "1", "1", "2", ""), "1", exact)
    counted = np.array(
        [
            [True, True, True, True, True],  # 2:2, the first vote was for 2
            [False, True, True, True, True],  # 1 has two votes of three
            [False, True, False, True, False],  # 1:1, the first counted vote is for 1
            [False, False, False, False, True],  # one that abstains
            [False, False, False, False, False],  # no vote
        ]
    )
    assert ballot.rewards(counted).tolist() == [-1.0, 1.0, 1.0, -1.0, -1.0]


def test_recounts_of_a_vote_that_is_not_measured_are_nan() -> None:
    ballot = count_votes(["a", "b"], "1", lambda *_: Verdict("error", detail="no worker"))
    rewards = ballot.rewards(all_recounts(2))
    assert rewards.shape == (4,)
    assert np.isnan(rewards).all()


@pytest.mark.parametrize(
    "counted",
    [np.ones((2, 3)), np.ones((2, 2), dtype=bool), np.ones(3, dtype=bool), [[1, 0, 1]]],
)
def test_recounts_need_a_truth_value_for_each_voter(counted: object) -> None:
    ballot = Ballot((0, 1, 0), ("1", "2"), correct=0)
    with pytest.raises(ValueError, match=r"counted must be an array of bool of shape .*, 3\)"):
        ballot.rewards(counted)


@given(responses=st.lists(st.sampled_from(boxed("1", "2", "3", "")), min_size=3, max_size=3))
def test_replay_without_voters_agrees_with_the_ballot(responses: list[str]) -> None:
    env = vote_v0([("q", "1")], verifier="exact")
    ballot = count_votes(responses, "1", exact)
    for size in range(3):
        for out in itertools.combinations(range(3), size):
            rest = [r for voter, r in enumerate(responses) if voter not in out]
            removed = [f"voter_{voter}" for voter in out]
            env.reset(options={"task": 0, "removed": removed, "prefix": rest[:-1]})
            env.step(rest[-1])
            assert env.unwrapped.verdict == ballot.verdict(out)
