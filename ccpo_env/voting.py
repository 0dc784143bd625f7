"""Majority votes of independent answers, recounted at no cost without any of the voters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

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
