"""The files that a run writes as it trains, and goes on from when it is resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.common.files import storing, sync
from baselines.common.metrics import METRICS_FILE, MetricRow, append_row, keep_rows, read_rows
from baselines.common.stats import Proportion
from baselines.policies.checkpoints import (
    CheckpointError,
    UsableCheckpoint,
    best_checkpoint,
    checkpoint_name,
    forget_best_after,
    newest_checkpoint,
    newest_usable_checkpoint,
    record_best,
    save_checkpoint,
)
from baselines.policies.team import CHECKPOINTS
from baselines.train.config import TrainConfig
from baselines.train.logging.completions import COMPLETIONS_FILE, CompletionRow, append_completions
from baselines.train.logging.credit_record import CreditHistory
from baselines.train.team_policies import TeamPolicies


class RunFiles:
    """Metrics, completions and checkpoints in the folder of a run.

    Args:
        folder: Of the run.
        is_writer: Whether this process writes; of several that train together, one does, and what
            is said below to be written is written there only.
    """

    def __init__(self, folder: Path, *, is_writer: bool) -> None:
        self._is_writer = is_writer
        self._checkpoints = folder / CHECKPOINTS
        self._metrics = folder / METRICS_FILE
        self._completions = folder / COMPLETIONS_FILE

    def newest_checkpoint(self) -> UsableCheckpoint | None:
        """Return the newest checkpoint that is not damaged, or None if there is no checkpoint.

        Raises:
            CheckpointError: If all are damaged.
        """
        return newest_usable_checkpoint(self._checkpoints)

    def go_on_after(self, step: int) -> None:
        """Check the metrics of a run that goes on, and forget a best checkpoint of a later step.

        Raises:
            CheckpointError: If the metrics of a step are missing.
        """
        steps = [row["step"] for row in read_rows(self._metrics)][:step]
        if steps != list(range(1, step + 1)):
            raise CheckpointError(
                f"{self._metrics} must hold the steps 1 to {step} of the run that goes on, got "
                f"{len(steps)} of them; restore the file or start anew with another --out-dir"
            )
        if self._is_writer:
            forget_best_after(self._checkpoints, step)

    def drop_after(self, step: int) -> None:
        """Drop the rows of later steps, which the run makes again."""
        if self._is_writer:
            keep_rows(self._metrics, step)
            if self._completions.exists():
                keep_rows(self._completions, step)

    def append(self, row: MetricRow, said: Sequence[CompletionRow]) -> None:
        """Write the metrics of a step and what was said in it; `save` pushes them to the disk."""
        if self._is_writer:
            append_row(self._metrics, row, durable=False)
            append_completions(self._completions, said)

    def save(
        self,
        step: int,
        config: TrainConfig,
        crew: TeamPolicies,
        credited: CreditHistory,
        state: Mapping[str, Any],
    ) -> None:
        """Write a checkpoint.

        Args:
            step: Steps made.
            config: Of the run.
            crew: Its policies and updaters.
            credited: The credit of the newest groups.
            state: Anything else to go on with, as JSON values.
        """
        if not self._is_writer:
            return
        # What a resumed run reads must be on the disk before the checkpoint is.
        with storing("the metrics", self._metrics):
            sync(self._metrics)
        credited.write()
        save_checkpoint(
            self._checkpoints,
            step=step,
            config=config.to_json(),
            policies=crew.saved_policies(),
            updaters=crew.state_dict(),
            state=state,
            num_kept=config.keep_checkpoints,
        )

    def keep_if_best(
        self, step: int, accuracy: Proportion | None, save: Callable[[], object]
    ) -> None:
        """Keep a checkpoint of what was evaluated, unless one before answered as many tasks.

        Args:
            step: Steps made before the evaluation; without any there is nothing to keep.
            accuracy: Of the whole team; None if nothing was measured.
            save: Writes the checkpoint of this step, if there is none yet.
        """
        if not self._is_writer or not step or accuracy is None:
            return
        best = best_checkpoint(self._checkpoints)
        if best is not None and accuracy.value <= best.accuracy.value:
            return
        newest = newest_checkpoint(self._checkpoints)
        if newest is None or newest.name != checkpoint_name(step):
            save()
        record_best(self._checkpoints, step=step, accuracy=accuracy)
