"""Evaluation of a run's policies on held-out tasks, before, during and after training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from baselines.common.processes import ProcessGroup, in_all, own_share
from baselines.common.stats import Proportion, proportion
from baselines.evaluate.batches import EvaluationPlan, play_all
from baselines.evaluate.episodes import benchmark_name, expect_measured
from baselines.evaluate.evaluation import Evaluation
from baselines.evaluate.paths import JOINT, each_that_can_be_spared
from baselines.rollouts.runner import RolloutRunner
from baselines.train.config import TrainConfig
from baselines.train.engines.rollout_servers import RolloutServers
from baselines.train.schedule import evaluates_before
from baselines.train.seeding import Stream, Streams
from ccpo_env import load_tasks


class HeldOutTasks:
    """The held-out tasks of a run, and the schedule of their evaluations.

    Args:
        config: Settings of the run.
        runner: Plays the tasks with the policies of the run.
        streams: Random streams of the run.
        processes: Process group of the run; each process plays its share of the tasks.
        servers: Servers that sample in place of the policies; they are checked after each time.
    """

    def __init__(
        self,
        config: TrainConfig,
        runner: RolloutRunner,
        streams: Streams,
        processes: ProcessGroup,
        servers: RolloutServers | None = None,
    ) -> None:
        self._config = config
        self._runner = runner
        self._streams = streams
        self._processes = processes
        self._servers = servers
        held_out = load_tasks(config.tasks, split="test", shuffle_choices=config.shuffle_choices)
        self._tasks = streams.choose(held_out, config.num_eval_tasks, Stream.EVAL_TASKS, 0)
        self.initial: dict[str, Any] | None = None
        """The evaluation before the first step, as JSON values; None before it."""

    def evaluate(self, *, draw: int = 0) -> Evaluation:
        """Evaluate the policies on the held-out tasks, with the same random numbers every time.

        Common random numbers leave between two evaluations only what the policies have learned,
        because a completion depends neither on the rest of its batch nor on other turns' lengths.

        Args:
            draw: Index of the random numbers; another one gives an independent evaluation, as an
                accuracy needs by which the end of training was chosen.

        Raises:
            RolloutError: In all processes, if no episode was measured, or it is raised in one.
        """
        tasks = own_share(self._tasks, self._processes)
        plan = EvaluationPlan(
            benchmarks={benchmark_name(self._config.tasks): tasks},
            removals=each_that_can_be_spared(self._runner.topology),
            tasks_per_batch=self._config.num_eval_tasks,
        )
        rng = self._streams.own(Stream.EVALUATION, draw)
        own = in_all(self._processes, lambda: play_all(self._runner, plan, rng=rng))
        if self._servers:
            self._servers.check()
        episodes = self._processes.all_gather(own)
        expect_measured(episodes, "the evaluation on held-out tasks")
        return Evaluation.of(episodes, verify=self._runner.verifier, seed=self._config.seed)

    def is_due(self, step: int, tokens: Sequence[int]) -> bool:
        """Return whether the policies are evaluated before a step.

        Args:
            step: The step, numbered from 1.
            tokens: Tokens that each earlier step has sampled.
        """
        return evaluates_before(
            step,
            tokens,
            every_steps=self._config.eval_every,
            every_tokens=self._config.eval_every_tokens,
        )


def joint_accuracy(evaluation: Evaluation) -> Proportion | None:
    """Return the accuracy of the whole team; None if nothing was measured."""
    total = int(evaluation.correctness.num_measured(JOINT).sum())
    right = int(evaluation.correctness.num_right(JOINT).sum())
    return proportion(right, total) if total else None
