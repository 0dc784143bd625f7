"""What a step adds to credit.json, completions.jsonl and rollouts.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from baselines.common.credit_file import CREDIT_FILE
from baselines.common.rollout_file import RecordedGroup
from baselines.credit import shared_credit
from baselines.optimizers import PolicyOptimizer
from baselines.train.config import TrainConfig
from baselines.train.logging.completions import CompletionRow, completion_rows
from baselines.train.logging.credit_record import CreditHistory
from baselines.train.logging.rollout_record import is_recorded, recorded_groups
from baselines.train.step_credit import StepCredit


class StepRecords:
    """The records of the newest step, and the credit of the newest groups.

    Args:
        config: How often and how much is recorded.
        run_dir: Folder of the run.
        optimizer: Its advantages of shared credit are recorded for comparison.
        turns: Names of the turns.
        steps_done: Steps done when the run was started or resumed.

    Attributes:
        completions: Rows of the step; empty if its completions are not logged.
        rollouts: Groups of the step; empty if its rollouts are not recorded.
        credited: Credit of the newest groups.
    """

    def __init__(
        self,
        config: TrainConfig,
        run_dir: Path,
        *,
        optimizer: PolicyOptimizer,
        turns: Sequence[str],
        steps_done: int,
    ) -> None:
        self._config = config
        self._optimizer = optimizer
        self.credited = CreditHistory(run_dir / CREDIT_FILE, turns, steps_done)
        self.completions: list[CompletionRow] = []
        self.rollouts: list[RecordedGroup] = []

    def add(self, step: int, found: StepCredit) -> None:
        """Record the groups of a step and their credit, in place of the step before."""
        config, every = self._config, self._config.completions_every
        groups, credit, advantages = found.groups.usable, found.credit, found.advantages
        self.credited.add(step, groups, found.outcomes, credit)
        self.completions, self.rollouts = [], []
        if groups and every > 0 and (step - 1) % every == 0:
            self.completions = completion_rows(step, groups[0], credit[0], advantages[0])
        if groups and is_recorded(step, config.record_every):
            shared = self._optimizer.advantage(
                [shared_credit(own) for own in found.outcomes], found.num_tokens
            )
            self.rollouts = recorded_groups(
                *(step, groups, found.outcomes, credit, advantages, shared),
                max_rollouts=config.record_rollouts,
            )
