"""Majority votes of independent answers, recounted at no cost without any of the voters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ccpo_env.clustering import WrongAnswers
from ccpo_env.types import Verdict, Verifier
from ccpo_env.verifiers.calling import call_verifier

ABSTAINED = -1
"""Cluster number of a voter without an answer."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """The answers of all voters; equal answers form one cluster.

    Args:
        clusters: Cluster of each voter's answer, numbered as they first appear; ABSTAINED
            without an answer.
        answers: The first answer of each cluster; None if the verifier reported none.
        correct: The cluster that equals the gold answer, or None.
        unmeasured: The verdict of the comparison that failed, if one did, else None.
    """

    clusters: tuple[int, ...]
    answers: tuple[str | None, ...]
    correct: int | None
    unmeasured: Verdict | None = None

    def verdict(self, left_out: Collection[int] = ()) -> Verdict:
        """Return the verdict on the majority answer.

        Args:
            left_out: Indices of voters whose votes are not counted.

        Note: A tie is won by the cluster whose first vote came first. Only voters whose verdict is
            "no_answer" abstain; if all do, there is no answer. If one answer could not be
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
        num_voters = len(self.clusters)
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
        verify: Compares a response with an answer; called once for each different response.

    Raises:
        TypeError: If the verifier returns anything but a Verdict.

    Note: The vote is not measured if one response could not be compared with the gold answer.
    """
    known = {text: call_verifier(verify, text, gold) for text in dict.fromkeys(responses)}
    failed = next((verdict for verdict in known.values() if verdict.reward is None), None)
    if failed is not None:
        return Ballot((ABSTAINED,) * len(responses), (), None, unmeasured=failed)
    return cluster_answers(responses, [known[text] for text in responses], verify)


def cluster_answers(
    responses: Sequence[str], verdicts: Sequence[Verdict], verify: Verifier
) -> Ballot:
    """Cluster the answers of verified responses, which need not be answers at all.

    Args:
        responses: Full texts.
        verdicts: The verdict of each response on the gold answer. All that are "correct" are one
            cluster, a "wrong" one is compared with the other wrong ones, and every other one has
            no cluster (ABSTAINED).
        verify: Compares a response with an answer. It does not compare answers of the same text,
            and beyond `clustering.MAX_NUMBERS_COMPARED` plain numbers only neighbours in value.

    Note: If the verifier did not report the answer of a wrong response, its last box is compared,
        else its last number, else its whole text.
    """
    wrong = WrongAnswers(verify)
    clusters: list[int] = []
    answers: list[str | None] = []
    correct: int | None = None
    for response, verdict in zip(responses, verdicts, strict=True):
        cluster = ABSTAINED
        if verdict.status == "correct":
            cluster = correct = len(answers) if correct is None else correct
        elif verdict.status == "wrong":
            cluster = wrong.cluster_of(response, verdict.answer, unused=len(answers))
        if cluster == len(answers):
            answers.append(verdict.answer)
        elif cluster != ABSTAINED and answers[cluster] is None:
            answers[cluster] = verdict.answer
        clusters.append(cluster)
    return Ballot(tuple(clusters), tuple(answers), correct, wrong.unmeasured)
