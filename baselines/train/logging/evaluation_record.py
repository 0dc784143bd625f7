"""Record held-out evaluations of a run task by task; see `baselines.common.evaluation_file`."""

from __future__ import annotations

import numpy as np

from baselines.common.evaluation_file import BenchmarkOutcomes, RecordedEvaluation
from baselines.evaluate.evaluation import Evaluation


def recorded(evaluation: Evaluation, *, step: int, tokens: int) -> RecordedEvaluation:
    """Return what evaluations.jsonl keeps of an evaluation: the outcome of each task on each path.

    Args:
        evaluation: The evaluation.
        step: Training steps before it.
        tokens: Tokens sampled in training before it, for all purposes.
    """
    benchmarks = {
        name: BenchmarkOutcomes(
            tuple(task.id for task in own.tasks),
            {path.label: np.sign(rewards.T) / 2.0 + 0.5 for path, rewards in own.rewards.items()},
        )
        for name, own in evaluation.benchmarks.items()
    }
    return RecordedEvaluation(step, tokens, benchmarks)
