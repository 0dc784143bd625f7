"""A finished evaluation: its episodes and their statistics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from baselines.common.stats import Estimate
from baselines.common.types import FloatArray
from baselines.evaluate.correctness import Correctness, correctness_of, joined
from baselines.evaluate.episodes import Episode
from baselines.evaluate.paths import JOINT, TeamPath
from baselines.evaluate.rows import Quantity
from baselines.evaluate.scores import OptionLikelihood, SampleKey
from baselines.evaluate.summary import Summary, known, rate_of, summarize
from ccpo_env.types import Verifier


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Episodes of one or more benchmarks, and their reported statistics.

    Args:
        episodes: Episodes of each benchmark and path, ordered by task and sample.
        benchmarks: Maps the name of a benchmark to its results.
        seed: Seed of the bootstrap.

    Note: `summaries` and `to_json` compute bootstrap intervals, once; other values are cheap.
    """

    episodes: Sequence[Episode]
    benchmarks: Mapping[str, Correctness]
    seed: int = 0

    @classmethod
    def of(
        cls,
        episodes: Sequence[Episode],
        *,
        verify: Verifier,
        seed: int = 0,
        likelihoods: Mapping[SampleKey, OptionLikelihood] | None = None,
    ) -> Evaluation:
        """Return the evaluation of some episodes.

        Args:
            episodes: At least one; those of each benchmark and path ordered by task and sample.
            verify: Compares answers for the majority vote over several samples.
            seed: Seed of the bootstrap.
            likelihoods: Likelihoods of options; see `option_likelihoods`. None: not measured.
        """
        by_name: dict[str, list[Episode]] = {}
        for episode in episodes:
            by_name.setdefault(episode.benchmark, []).append(episode)
        benchmarks = {
            name: correctness_of(own, verify=verify, likelihoods=likelihoods)
            for name, own in by_name.items()
        }
        return cls(episodes, benchmarks, seed)

    @cached_property
    def correctness(self) -> Correctness:
        """The results of all benchmarks together."""
        return joined(list(self.benchmarks.values()))

    @cached_property
    def summaries(self) -> list[Summary]:
        """All quantities with their intervals; see `summarize`."""
        return summarize(self.benchmarks, seed=self.seed)

    @property
    def overall(self) -> Summary:
        """The summary of all benchmarks together."""
        return [summary for summary in self.summaries if summary.tag is None][-1]

    @property
    def removals(self) -> tuple[TeamPath, ...]:
        """The paths on which agents are removed."""
        return tuple(path for path in self.correctness.paths if path.kind == "without")

    @property
    def num_tasks(self) -> int:
        """Number of tasks."""
        return len(self.correctness.tasks)

    @property
    def num_unmeasured(self) -> int:
        """Number of episodes without a verdict; they are excluded from all other values."""
        return sum(episode.reward is None for episode in self.episodes)

    def accuracy(self, path: TeamPath = JOINT) -> Estimate | None:
        """Return the accuracy on a path; None if nothing was measured."""
        return rate_of(self.correctness.rates(path))

    def metrics(self) -> dict[str, float | None]:
        """Return the eval metrics of docs/metrics.md, averaged over the removals."""
        own, removals = self.correctness, self.removals
        return {
            "eval/accuracy/joint": _mean([own.rates(JOINT)]),
            "eval/accuracy/solo": _mean(own.rates(path) for path in removals),
            "eval/help_rate": _mean(own.helped(path) for path in removals),
            "eval/hurt_rate": _mean(own.hurt(path) for path in removals),
        }

    def to_json(self) -> dict[str, Any]:
        """Return the counts over all tasks, and all summaries with intervals."""

        def count(quantity: Quantity, path: TeamPath) -> dict[str, int]:
            row = self.overall.find(quantity, path)
            assert row is not None
            assert row.successes is not None, "a count"
            return {"successes": row.successes, "total": row.total}

        def counts(quantity: Quantity) -> dict[str, dict[str, int]]:
            return {"+".join(path.agents): count(quantity, path) for path in self.removals}

        return {
            "num_tasks": self.num_tasks,
            "num_samples": self.overall.num_samples,
            "joint": count("accuracy", JOINT),
            "without": counts("accuracy"),
            "help": counts("help"),
            "hurt": counts("hurt"),
            "unmeasured": self.num_unmeasured,
            "summaries": [summary.to_json() for summary in self.summaries],
        }


def _mean(paths: Iterable[FloatArray]) -> float | None:
    """Return the mean over paths of their means over tasks; None if nothing was measured."""
    means = [measured.mean() for values in paths if len(measured := known(values))]
    return float(np.mean(means)) if means else None
