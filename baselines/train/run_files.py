"""Write the files of a run during training, and restore them when it is resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.common.evaluation_file import (
    EVALUATIONS_FILE,
    RecordedEvaluation,
    append_evaluation,
)
from baselines.common.files import storing, sync
from baselines.common.jsonl import append_row, append_rows, keep_rows, read_rows
from baselines.common.metrics import METRICS_FILE, MetricRow
from baselines.common.processes import ProcessGroup
from baselines.common.rollout_file import ROLLOUTS_FILE, RecordedGroup
from baselines.common.stats import Proportion
from baselines.common.types import FloatArray
from baselines.policies.checkpoints import (
    CHECKPOINTS,
    CheckpointError,
    UsableCheckpoint,
    best_checkpoint,
    checkpoint_name,
    forget_best_after,
    join_checkpoint,
    newest_checkpoint,
    newest_usable_checkpoint,
    record_best,
    save_checkpoint,
)
from baselines.train.config import TrainConfig
from baselines.train.logging.completions import COMPLETIONS_FILE, CompletionRow
from baselines.train.logging.credit_record import CreditHistory
from baselines.train.retrospect import RETROSPECT, Retrospect
from baselines.train.team_policies import TeamPolicies


class RunFiles:
    """Metrics, evaluations, completions, rollouts and checkpoints in the folder of a run.

    Args:
        folder: The folder of the run.
        processes: Processes of the run. Only rank 0 writes; in the others the methods that write do
            nothing, but for their part of sharded weights.
    """

    def __init__(self, folder: Path, processes: ProcessGroup) -> None:
        self._processes = processes
        self.is_writer = processes.rank == 0
        self._checkpoints = folder / CHECKPOINTS
        self._metrics = folder / METRICS_FILE
        self._completions = folder / COMPLETIONS_FILE
        self._evaluations = folder / EVALUATIONS_FILE
        self._rollouts = folder / ROLLOUTS_FILE

    def newest_checkpoint(self) -> UsableCheckpoint | None:
        """Return the newest valid checkpoint; None if there is no checkpoint.

        Raises:
            CheckpointError: If all are corrupt.
        """
        return newest_usable_checkpoint(self._checkpoints)

    def prepare_resume(self, step: int) -> list[int]:
        """Check the metrics of a resumed run, and discard a best checkpoint of a later step.

        Args:
            step: Number of steps at the checkpoint that the run resumes from.

        Returns:
            Tokens sampled in each of these steps, for all purposes.

        Raises:
            CheckpointError: If the metrics of a step are missing.
        """
        rows = read_rows(self._metrics)[:step]
        steps = [row["step"] for row in rows]
        if steps != list(range(1, step + 1)):
            raise CheckpointError(
                f"{self._metrics} must hold the steps 1 to {step} of the resumed run, got "
                f"{len(steps)} of them; restore the file or start a new run with another --out-dir"
            )
        if self.is_writer:
            forget_best_after(self._checkpoints, step)
        return [int(row["cost/tokens_generated"]) for row in rows]

    def drop_after(self, step: int) -> None:
        """Remove the rows of later steps, which the resumed run repeats.

        So are the evaluations after this step, which are those before the next one.

        Raises:
            StorageError: If a file cannot be written; it is then unchanged.
        """
        if not self.is_writer:
            return
        keep_rows(self._metrics, lambda row: row["step"] <= step)
        for path in (self._completions, self._rollouts):
            if path.exists():
                keep_rows(path, lambda row: row["step"] <= step)
        if self._evaluations.exists():
            keep_rows(self._evaluations, lambda row: row["step"] < step)

    def append(
        self,
        row: MetricRow,
        completions: Sequence[CompletionRow],
        rollouts: Sequence[RecordedGroup],
    ) -> None:
        """Append the metrics, completions and rollouts of a step; `save` flushes the metrics.

        Raises:
            StorageError: If they cannot be written.
        """
        if self.is_writer:
            append_row(self._metrics, row, durable=False)
            append_rows(self._completions, completions)
            append_rows(self._rollouts, rollouts, durable=False)

    def append_evaluation(self, evaluation: RecordedEvaluation) -> None:
        """Append a held-out evaluation; `save` flushes it to disk.

        Raises:
            StorageError: If it cannot be written.
        """
        if self.is_writer:
            append_evaluation(self._evaluations, evaluation)

    def save(
        self,
        step: int,
        config: TrainConfig,
        policies: TeamPolicies,
        credited: CreditHistory,
        state: Mapping[str, Any],
        arrays: Mapping[str, FloatArray],
        retrospect: Retrospect | None = None,
    ) -> None:
        """Write a checkpoint.

        Args:
            step: Number of completed steps.
            config: Config of the run.
            policies: Policies and updaters.
            credited: Credit of the newest groups.
            state: Further state for resuming, as JSON values.
            arrays: Further state for resuming, as arrays, such as that of a critic.
            retrospect: The last rollouts, if they are used again.

        Raises:
            StorageError: If it cannot be written; earlier checkpoints are intact.
        """
        if not self.is_writer:
            if self._processes.mesh is not None:
                join_checkpoint(
                    self._checkpoints,
                    step=step,
                    policies=policies.saved_policies(),
                    updaters=policies.state_dict(),
                )
            return
        # Resuming needs the rows up to the checkpoint, so they are flushed first.
        for path in (self._metrics, self._evaluations, self._rollouts):
            if path.exists():
                with storing("the metrics", path):
                    sync(path)
        credited.write()
        save_checkpoint(
            self._checkpoints,
            step=step,
            config=config.to_json(),
            policies=policies.saved_policies(),
            updaters=policies.state_dict()
            | ({RETROSPECT: retrospect.state_dict()} if retrospect else {}),
            state=state,
            arrays=arrays,
            num_kept=config.keep_checkpoints,
        )

    def keep_if_best(
        self, step: int, accuracy: Proportion | None, save: Callable[[], object]
    ) -> None:
        """Keep the evaluated policies as the best checkpoint if they beat the previous best.

        Args:
            step: Number of steps before the evaluation; 0: do nothing.
            accuracy: Accuracy of the whole team; None if nothing was measured.
            save: Writes the checkpoint of this step; called only if it does not exist yet.
        """
        if not step or accuracy is None:
            return
        # Saving may need all processes, but the others may see an older state of the files.
        (is_best, is_saved), *_ = self._processes.all_gather([self._best_and_saved(step, accuracy)])
        if is_best and not is_saved:
            save()
        if is_best and self.is_writer:
            record_best(self._checkpoints, step=step, accuracy=accuracy)

    def _best_and_saved(self, step: int, accuracy: Proportion) -> tuple[bool, bool]:
        """Return whether an accuracy is the best so far, and whether its checkpoint exists."""
        best = best_checkpoint(self._checkpoints)
        newest = newest_checkpoint(self._checkpoints)
        is_saved = newest is not None and newest.name == checkpoint_name(step)
        return best is None or accuracy.value > best.accuracy.value, is_saved
