"""Correctness of episodes as arrays over tasks and samples, for each path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from baselines.common.types import BoolArray, FloatArray
from baselines.evaluate.episodes import Episode
from baselines.evaluate.paths import JOINT, TeamPath
from ccpo_env.types import Task, Verifier
from ccpo_env.voting import cluster_answers


@dataclass(frozen=True, slots=True, eq=False)
class Correctness:
    """Correctness of the samples of some tasks on each path.

    Args:
        tasks: The N tasks.
        rewards: Team rewards on each path, shape (N, k): -1 or +1, NaN where not measured.
        majority: For each path with a majority vote, shape (N,): 1 if the most frequent answer of
            the k samples is correct, 0 if not, NaN where not measured.
    """

    tasks: tuple[Task, ...]
    rewards: Mapping[TeamPath, FloatArray]
    majority: Mapping[TeamPath, FloatArray]

    @property
    def paths(self) -> tuple[TeamPath, ...]:
        """All paths, in the order in which they are reported."""
        return tuple(self.rewards)

    def num_right(self, path: TeamPath) -> npt.NDArray[np.int64]:
        """Return the number of correct samples of each task, shape (N,)."""
        right: npt.NDArray[np.int64] = (self.rewards[path] > 0).sum(axis=1)
        return right

    def num_measured(self, path: TeamPath) -> npt.NDArray[np.int64]:
        """Return the number of measured samples of each task, shape (N,)."""
        measured: npt.NDArray[np.int64] = (~np.isnan(self.rewards[path])).sum(axis=1)
        return measured

    def rates(self, path: TeamPath) -> FloatArray:
        """Return the rate of correct samples of each task, shape (N,); NaN if none is measured."""
        measured = self.num_measured(path)
        rates: FloatArray = np.full(len(measured), np.nan)
        np.divide(self.num_right(path), measured, out=rates, where=measured > 0)
        return rates

    def helped(self, path: TeamPath) -> FloatArray:
        """Return how often the whole team is correct and the path is wrong, shape (N,).

        Each sample of the team is paired with each sample of the path on the same task, because
        samples are independent. NaN where one side is not measured.
        """
        helped: FloatArray = self.rates(JOINT) * (1.0 - self.rates(path))
        return helped

    def hurt(self, path: TeamPath) -> FloatArray:
        """Return how often the whole team is wrong and the path is correct; see `helped`."""
        hurt: FloatArray = (1.0 - self.rates(JOINT)) * self.rates(path)
        return hurt

    def of(self, chosen: BoolArray) -> Correctness:
        """Return the subset of tasks selected by a mask of shape (N,)."""
        return Correctness(
            tuple(task for task, is_in in zip(self.tasks, chosen, strict=True) if is_in),
            {path: rewards[chosen] for path, rewards in self.rewards.items()},
            {path: right[chosen] for path, right in self.majority.items()},
        )


def joined(parts: Sequence[Correctness]) -> Correctness:
    """Concatenate benchmarks with the same paths."""
    first = parts[0]
    return Correctness(
        tuple(task for part in parts for task in part.tasks),
        {p: np.concatenate([part.rewards[p] for part in parts]) for p in first.rewards},
        {p: np.concatenate([part.majority[p] for part in parts]) for p in first.majority},
    )


def correctness_of(episodes: Sequence[Episode], *, verify: Verifier) -> Correctness:
    """Return the correctness of episodes with the same samples of each task on every path.

    Args:
        episodes: Episodes of one benchmark; those of each path ordered by task and sample.
        verify: Compares answers for the majority vote over several samples.
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
    return Correctness(tasks, rewards, majority)


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
    reward = cluster_answers(responses, verdicts, verify).verdict().reward
    return float("nan") if reward is None else float(reward > 0)


def _response(episode: Episode) -> str:
    """Return the answer of a team as a response; its last message if none was reported."""
    answer = episode.verdict.answer
    return episode.messages[-1].text if answer is None else f"\\boxed{{{answer}}}"
