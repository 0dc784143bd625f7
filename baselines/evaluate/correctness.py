"""Episodes as arrays: right, wrong or not measured, per path, task and sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from baselines.common.types import BoolArray, FloatArray
from baselines.evaluate.episodes import Episode
from baselines.evaluate.paths import TeamPath
from ccpo_env.types import Task, Verdict, Verifier
from ccpo_env.voting import count_votes


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What the episodes of some tasks came to.

    Args:
        tasks: The N tasks.
        rewards: Of each path, shape (N, k): -1 or +1, NaN where it was not measured.
        majority: Of each path whose votes were counted, shape (N,): 1 if the answer that most of
            the k samples gave is right, 0 if not, NaN where it was not measured.
    """

    tasks: tuple[Task, ...]
    rewards: Mapping[TeamPath, FloatArray]
    majority: Mapping[TeamPath, FloatArray]

    @property
    def paths(self) -> tuple[TeamPath, ...]:
        """All paths, in the order in which they are reported."""
        return tuple(self.rewards)

    def num_right(self, path: TeamPath) -> npt.NDArray[np.int64]:
        """Return the right samples of each task, shape (N,)."""
        right: npt.NDArray[np.int64] = (self.rewards[path] > 0).sum(axis=1)
        return right

    def num_measured(self, path: TeamPath) -> npt.NDArray[np.int64]:
        """Return the samples of each task that were measured, shape (N,)."""
        measured: npt.NDArray[np.int64] = (~np.isnan(self.rewards[path])).sum(axis=1)
        return measured

    def rates(self, path: TeamPath) -> FloatArray:
        """Return the share of right samples of each task, shape (N,); NaN if none is measured."""
        measured = self.num_measured(path)
        rates: FloatArray = np.full(len(measured), np.nan)
        np.divide(self.num_right(path), measured, out=rates, where=measured > 0)
        return rates

    def of(self, chosen: BoolArray) -> Outcomes:
        """Return the outcomes of some of the tasks, chosen by a mask of shape (N,)."""
        return Outcomes(
            tuple(task for task, is_in in zip(self.tasks, chosen, strict=True) if is_in),
            {path: rewards[chosen] for path, rewards in self.rewards.items()},
            {path: right[chosen] for path, right in self.majority.items()},
        )


def outcomes_of(episodes: Sequence[Episode], *, verify: Verifier) -> Outcomes:
    """Return the outcomes of episodes, each task with the same samples on every path.

    Args:
        episodes: Of one benchmark, path by path, in the order of the tasks and of the samples.
        verify: Says which answers are equal, for the majority of several samples.
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
    return Outcomes(tasks, rewards, majority)


def majority_is_right(samples: Sequence[Episode], verify: Verifier) -> float:
    r"""Return whether the answer that most samples of a task gave is right: 1, 0 or NaN.

    Args:
        samples: Episodes of one task on one path.
        verify: Compares ``\boxed{answer}`` with an answer.

    Note: Equal answers are one cluster, as in `ccpo_env.voting`; of clusters with equally many
        votes, the one that came first wins. Samples without an answer abstain, and a task with a
        sample that was not measured is not measured.
    """
    answers = [_boxed(episode.verdict) for episode in samples]
    known = dict(zip(answers, (episode.verdict for episode in samples), strict=True))
    gold = samples[0].task.answer

    def compare(response: str, answer: str) -> Verdict:
        return known[response] if answer == gold else verify(response, answer)

    reward = count_votes(answers, gold, compare).verdict().reward
    return float("nan") if reward is None else float(reward > 0)


def _boxed(verdict: Verdict) -> str:
    """Return an answer as a response; empty without one."""
    return "" if verdict.answer is None else f"\\boxed{{{verdict.answer}}}"
