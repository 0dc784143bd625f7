"""Correctness of episodes as arrays over tasks and samples, for each path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from baselines.common.types import BoolArray, FloatArray
from baselines.evaluate.episodes import Episode
from baselines.evaluate.paths import JOINT, TeamPath
from baselines.evaluate.scores import OptionLikelihood, SampleKey, Score, scores_of
from ccpo_env.types import Task, Verifier
from ccpo_env.verifiers.calling import verifier_of
from ccpo_env.voting import cluster_answers

Counts: TypeAlias = npt.NDArray[np.int64]
"""A number for each task, shape (N,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Correctness:
    """Correctness of the samples of some tasks on each path.

    Args:
        tasks: The N tasks.
        rewards: Team rewards on each path, shape (N, k): -1 or +1, NaN where not measured.
        majority: For each path with a majority vote, shape (N,): 1 if the most frequent answer of
            the k samples is correct, 0 if not, NaN where not measured.
        paired: The paths whose samples keep messages of the sample of the whole team with the same
            index.
        scores: For each path, its other scores, shape (N, k) in [0, 1], NaN where not measured.
    """

    tasks: tuple[Task, ...]
    rewards: Mapping[TeamPath, FloatArray]
    majority: Mapping[TeamPath, FloatArray]
    paired: frozenset[TeamPath] = frozenset()
    scores: Mapping[TeamPath, Mapping[Score, FloatArray]] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[TeamPath, ...]:
        """All paths, in the order in which they are reported."""
        return tuple(self.rewards)

    def num_right(self, path: TeamPath) -> Counts:
        """Return the number of correct samples of each task, shape (N,)."""
        right: Counts = (self.rewards[path] > 0).sum(axis=1)
        return right

    def num_measured(self, path: TeamPath) -> Counts:
        """Return the number of measured samples of each task, shape (N,)."""
        measured: Counts = (~np.isnan(self.rewards[path])).sum(axis=1)
        return measured

    def rates(self, path: TeamPath) -> FloatArray:
        """Return the rate of correct samples of each task, shape (N,); NaN if none is measured."""
        return fraction(self.num_right(path), self.num_measured(path))

    def helped(self, path: TeamPath) -> FloatArray:
        """Return how often the whole team is correct and the path is wrong, shape (N,).

        The fraction of the pairs of `pairs`; NaN where none is measured.
        """
        helped, _, measured = self.pairs(path)
        return fraction(helped, measured)

    def hurt(self, path: TeamPath) -> FloatArray:
        """Return how often the whole team is wrong and the path is correct; see `helped`."""
        _, hurt, measured = self.pairs(path)
        return fraction(hurt, measured)

    def pairs(self, path: TeamPath) -> tuple[Counts, Counts, Counts]:
        """Return how many pairs of samples of each task helped, hurt and are measured.

        A sample of a path that keeps messages of the whole team is paired with the sample that it
        keeps them from: what both have in common cancels. Elsewhere samples are independent, and
        each sample of the team is paired with each sample of the path on the same task.

        Returns:
            Three arrays of shape (N,): pairs that only the whole team has correct, pairs that only
            the path has correct, and pairs with both sides measured.
        """
        if path in self.paired:
            team, own = self.rewards[JOINT], self.rewards[path]  # (N, k)
            helped, hurt = (team > 0) & (own < 0), (team < 0) & (own > 0)
            measured = ~np.isnan(team) & ~np.isnan(own)
            return helped.sum(axis=1), hurt.sum(axis=1), measured.sum(axis=1)
        team_right, team_total = self.num_right(JOINT), self.num_measured(JOINT)
        right, total = self.num_right(path), self.num_measured(path)
        return team_right * (total - right), (team_total - team_right) * right, team_total * total

    def sides(self, path: TeamPath) -> tuple[FloatArray, FloatArray, tuple[Counts, Counts]]:
        """Return what the net gain of the whole team over a path compares.

        Returns:
            Two arrays of shape (n,), of the tasks measured on both sides: how often only the path
            and only the whole team is right, see `hurt` and `helped`, if their samples are pairs,
            else how often each is right, of which the difference is the same; and the number of
            samples on either side.
        """
        _, _, pairs = self.pairs(path)
        both = pairs > 0
        if path in self.paired:
            return self.hurt(path)[both], self.helped(path)[both], (pairs[both], pairs[both])
        counts = (self.num_measured(path)[both], self.num_measured(JOINT)[both])
        return self.rates(path)[both], self.rates(JOINT)[both], counts

    def of(self, chosen: BoolArray) -> Correctness:
        """Return the subset of tasks selected by a mask of shape (N,)."""
        return Correctness(
            tuple(task for task, is_in in zip(self.tasks, chosen, strict=True) if is_in),
            {path: rewards[chosen] for path, rewards in self.rewards.items()},
            {path: right[chosen] for path, right in self.majority.items()},
            self.paired,
            {
                path: {name: values[chosen] for name, values in own.items()}
                for path, own in self.scores.items()
            },
        )


def joined(parts: Sequence[Correctness]) -> Correctness:
    """Concatenate benchmarks with the same paths; scores that some of them lack are left out."""
    first = parts[0]
    return Correctness(
        tuple(task for part in parts for task in part.tasks),
        {p: np.concatenate([part.rewards[p] for part in parts]) for p in first.rewards},
        {p: np.concatenate([part.majority[p] for part in parts]) for p in first.majority},
        frozenset().union(*(part.paired for part in parts)),
        {
            path: {
                name: np.concatenate([part.scores[path][name] for part in parts])
                for name in own
                if all(name in part.scores[path] for part in parts)
            }
            for path, own in first.scores.items()
        },
    )


def correctness_of(
    episodes: Sequence[Episode],
    *,
    verify: Verifier,
    likelihoods: Mapping[SampleKey, OptionLikelihood] | None = None,
) -> Correctness:
    """Return the correctness of episodes with the same samples of each task on every path.

    Args:
        episodes: Episodes of one benchmark; those of each path ordered by task and sample.
        verify: Compares answers for the majority vote over several samples.
        likelihoods: Likelihoods of options; see `option_likelihoods`. None: not measured.
    """
    tasks = tuple(dict.fromkeys(episode.task for episode in episodes))
    by_path: dict[TeamPath, list[Episode]] = {}
    for episode in episodes:
        by_path.setdefault(episode.path, []).append(episode)
    rewards = {
        path: np.array(
            [np.nan if episode.reward is None else episode.reward for episode in own]
        ).reshape(len(tasks), -1)
        for path, own in by_path.items()
    }
    majority = {}
    for path, own in by_path.items():
        num_samples = len(own) // len(tasks)
        if num_samples > 1 and not path.is_control:
            groups = [own[i : i + num_samples] for i in range(0, len(own), num_samples)]
            majority[path] = np.array([majority_is_right(group, verify) for group in groups])
    paired = frozenset(episode.path for episode in episodes if episode.num_shared)
    scores = {
        path: {
            name: values.reshape(len(tasks), -1)
            for name, values in scores_of(own, verify=verify, likelihoods=likelihoods).items()
        }
        for path, own in by_path.items()
    }
    return Correctness(tasks, rewards, majority, paired, scores)


def majority_is_right(samples: Sequence[Episode], verify: Verifier) -> float:
    """Return whether the most frequent answer of a task's samples is correct: 1, 0 or NaN.

    Args:
        samples: Episodes of one task on one path.
        verify: Compares a response with an answer.

    Note: Equal answers form a cluster, as in `ccpo_env.voting`; the first cluster wins a tie.
        Samples without an answer abstain, and a task with an unmeasured sample is not measured.
    """
    verdicts = [episode.verdict for episode in samples]
    if any(verdict.reward is None for verdict in verdicts):
        return float("nan")
    responses = [_response(episode) for episode in samples]
    own = verifier_of(verify, samples[0].task)
    reward = cluster_answers(responses, verdicts, own).verdict().reward
    return float("nan") if reward is None else float(reward > 0)


def fraction(number: Counts | FloatArray, total: Counts) -> FloatArray:
    """Return a quotient, shape (N,); NaN where the total is 0."""
    quotient: FloatArray = np.full(len(total), np.nan)
    np.divide(number, total, out=quotient, where=total > 0)
    return quotient


def _response(episode: Episode) -> str:
    """Return the answer of a team as a response; its last message if none was reported."""
    answer = episode.verdict.answer
    return episode.messages[-1].text if answer is None else f"\\boxed{{{answer}}}"
