"""Majority votes of independent answers, recounted at no cost without any of the voters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ccpo_env.types import Verdict, Verifier

ABSTAINED = -1
"""Cluster number of a voter without an answer."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """The answers of all voters; equal answers form one cluster.

    Args:
        clusters: Cluster of each voter's answer, numbered as they first appear; ABSTAINED
            without an answer.
        answers: The first answer of each cluster.
        correct: The cluster that equals the gold answer, or None.
        unmeasured: The verdict of the comparison that failed, if one did, else None.
    """

    clusters: tuple[int, ...]
    answers: tuple[str, ...]
    correct: int | None
    unmeasured: Verdict | None = None

    def verdict(self, left_out: Collection[int] = ()) -> Verdict:
        """Return the verdict on the majority answer.

        Args:
            left_out: Indices of voters whose votes are not counted.

        Note: A tie is won by the cluster whose first vote came first. Voters
            without an answer abstain; if all do, there is no answer. If one answer could not be
            compared, the vote is not measured.
        """
        if self.unmeasured is not None:
            return self.unmeasured
        votes = [
            cluster
            for voter, cluster in enumerate(self.clusters)
            if cluster != ABSTAINED and voter not in left_out
        ]
        if not votes:
            return Verdict("no_answer")
        winner, _ = Counter(votes).most_common(1)[0]  # max returns the first of a tie
        return Verdict("correct" if winner == self.correct else "wrong", self.answers[winner])

    def rewards(self, counted: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Return the reward of each of many recounts: that of `verdict` without the other voters.

        Args:
            counted: Whether a recount counts a voter's vote, shape (S, voters): one row a recount.

        Returns:
            Team rewards, shape (S,): +1.0 or -1.0; NaN if the vote is not measured.

        Raises:
            ValueError: If counted is not an array of bool with a column for each voter.
        """
        counted = np.asarray(counted)
        num_voters = counted.shape[-1] if self.unmeasured else len(self.clusters)
        if counted.dtype != np.bool_ or counted.shape != (len(counted), num_voters):
            raise ValueError(
                f"counted must be an array of bool of shape (recounts, {num_voters}), got "
                f"{counted.dtype} of shape {counted.shape}; give each voter a column"
            )
        if self.unmeasured is not None:
            return np.full(len(counted), np.nan)
        if num_voters == 0:
            return np.full(len(counted), -1.0)
        clusters = np.array(self.clusters)
        agree = (clusters[:, None] == clusters) & (clusters != ABSTAINED)  # (voters, voters)
        # The votes for each counted voter's answer, (S, voters); float32 counts exactly and fast.
        votes = counted * (counted.astype(np.float32) @ agree.astype(np.float32))
        winner = votes.argmax(axis=1)  # the first of a tie
        is_right = counted & np.array([cluster == self.correct for cluster in self.clusters])
        return np.where(is_right[np.arange(len(counted)), winner], 1.0, -1.0)


def count_votes(responses: Sequence[str], gold: str, verify: Verifier) -> Ballot:
    """Cluster the answers of independent responses by the verifier's equivalence.

    Args:
        responses: Full texts of the voters.
        gold: The gold answer; all answers equal to it are one cluster.
        verify: Compares a response with an answer.
    """
    verdicts = [verify(response, gold) for response in responses]
    answers: list[str] = []
    clusters: list[int] = []
    correct: int | None = None
    for response, verdict in zip(responses, verdicts, strict=True):
        cluster: int | None = ABSTAINED
        if verdict.reward is None:
            return _not_measured(verdict)
        if verdict.status == "correct":
            cluster = correct
        elif verdict.status == "wrong" and verdict.answer is not None:
            cluster = None
            for other in range(len(answers)):
                same = verify(response, answers[other]) if other != correct else verdict
                if same.reward is None:
                    return _not_measured(same)
                if same.status == "correct":
                    cluster = other
                    break
        if cluster is None:
            cluster = len(answers)
            answers.append(verdict.answer or "")
        if verdict.status == "correct":
            correct = cluster
        clusters.append(cluster)
    return Ballot(tuple(clusters), tuple(answers), correct)


def _not_measured(verdict: Verdict) -> Ballot:
    return Ballot((), (), None, unmeasured=verdict)
