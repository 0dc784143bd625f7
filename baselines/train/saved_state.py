"""What a checkpoint holds of a run besides its weights, written and read."""

from __future__ import annotations

from typing import Any

from baselines.policies.checkpoints import UsableCheckpoint, read_arrays, read_updaters
from baselines.train.config import TrainConfig
from baselines.train.credit_stage import CreditStage
from baselines.train.engines.rollout_servers import RolloutServers
from baselines.train.held_out import HeldOutTasks
from baselines.train.logging.credit_record import CreditHistory
from baselines.train.logging.run_warnings import RunWarnings
from baselines.train.retrospect import RETROSPECT, Retrospect
from baselines.train.rollouts_ahead import RolloutsAhead
from baselines.train.run_files import RunFiles
from baselines.train.team_policies import TeamPolicies

SERVERS = "servers"
"""Key of the state of rollout servers."""
AHEAD = "rollouts_ahead"
"""Key of the next rollouts, if they are played ahead."""


class SavedState:
    """Saves the state of a run in its folder, and restores it.

    Args:
        config: Settings of the run.
        files: Files of the run.
        crew: Policies and updaters.
        credit: Carries the states of the allocator, the optimizer and a critic.
        held_out: Holds the evaluation before the first step.
        warnings: Warnings so far.
        retrospect: The last rollouts, if they are used again.
        ahead: The next rollouts, if they are played ahead.
        servers: Servers that sample in place of the policies, if there are any.
    """

    def __init__(
        self,
        config: TrainConfig,
        files: RunFiles,
        crew: TeamPolicies,
        *,
        credit: CreditStage,
        held_out: HeldOutTasks,
        warnings: RunWarnings,
        retrospect: Retrospect | None,
        ahead: RolloutsAhead | None,
        servers: RolloutServers | None,
    ) -> None:
        self._config = config
        self._files = files
        self._crew = crew
        self._credit = credit
        self._held_out = held_out
        self._warnings = warnings
        self._retrospect = retrospect
        self._ahead = ahead
        self._servers = servers

    def save(self, step: int, credited: CreditHistory) -> None:
        """Write a checkpoint.

        Args:
            step: Number of completed steps.
            credited: Credit of the newest groups.

        Raises:
            StorageError: If it cannot be written; earlier checkpoints are intact.
        """
        is_writer, critic = self._files.is_writer, self._credit.critic
        self._files.save(
            step,
            self._config,
            self._crew,
            credited,
            self._to_json(step) if is_writer else {},
            arrays=critic.to_arrays() if is_writer and critic else {},
            retrospect=self._retrospect,
        )

    def _to_json(self, step: int) -> dict[str, Any]:
        state = {
            "initial": self._held_out.initial,
            **self._warnings.to_json(),
            "credit": self._credit.to_json(),
        }
        if self._servers:
            state[SERVERS] = self._servers.state_dict()
        if self._ahead:
            state[AHEAD] = self._ahead.to_text(step)
        return state

    def load(self, checkpoint: UsableCheckpoint) -> list[int]:
        """Restore the state of a checkpoint, whose weights are loaded already.

        Returns:
            Tokens sampled in each of its steps, for all purposes.

        Raises:
            CheckpointError: If the metrics of a step are missing.
        """
        contents, states = checkpoint.contents, read_updaters(checkpoint.folder)
        if self._retrospect:
            self._retrospect.load_state_dict(states.pop(RETROSPECT))
        self._crew.load_state_dict(states, checkpoint.folder)
        step = contents["config"]["steps_done"]
        tokens = self._files.prepare_resume(step)
        if self._ahead:
            self._ahead.resume(step, contents["state"].get(AHEAD))
        self._held_out.initial = contents["state"]["initial"]
        self._warnings.load_json(contents["state"])
        self._credit.load_json(contents["state"]["credit"])
        if self._credit.critic:
            self._credit.critic.load_arrays(read_arrays(checkpoint.folder))
        return tokens
