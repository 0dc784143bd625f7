"""The team of a run: its policies, when each of them is trained, and who plays its episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines.common.processes import ProcessGroup
from baselines.optimizers import PolicyOptimizer
from baselines.policies.base import Policy
from baselines.policies.checkpoints import UsableCheckpoint
from baselines.policies.local.remote_code import remote_code
from baselines.rollouts.runner import RolloutRunner
from baselines.rollouts.team_env import team_env
from baselines.train.config import TrainConfig
from baselines.train.engines.rollout_servers import RolloutServers
from baselines.train.resumed_config import check_same_config
from baselines.train.saved_state import SERVERS
from baselines.train.schedule import Schedule, trained_roles
from baselines.train.team_policies import TeamPolicies
from ccpo_env.types import Role, Task


@dataclass(frozen=True, slots=True, eq=False)
class TrainedTeam:
    """The team of a run.

    Args:
        schedule: Roles that each step trains.
        crew: Policies and their updaters.
        runner: Plays episodes with these policies, or with servers that follow them.
    """

    schedule: Schedule
    crew: TeamPolicies
    runner: RolloutRunner

    @classmethod
    def load(
        cls,
        config: TrainConfig,
        optimizer: PolicyOptimizer,
        tasks: Sequence[Task],
        *,
        checkpoint: UsableCheckpoint | None,
        run_dir: Path,
        processes: ProcessGroup,
        servers: RolloutServers | None,
    ) -> TrainedTeam:
        """Load the policies, and hand them to the servers if there are any.

        Args:
            config: Settings of the run.
            optimizer: Defines the loss.
            tasks: Training tasks.
            checkpoint: The checkpoint to resume from.
            run_dir: Folder of the run.
            processes: Processes of the run.
            servers: Servers that sample in place of the policies in this process.

        Raises:
            ValueError: If the config is not that of the checkpoint, a setting does not fit the
                team, a policy cannot be loaded or trained, or a server cannot be reached.
            RolloutError: If a server does not load the weights.
        """
        env = team_env(config, tasks[:1])
        roles = env.unwrapped.topology.roles
        schedule = Schedule(
            roles=trained_roles(roles, start=config.start_role, frozen=config.frozen_roles),
            period=config.alternate_period,
            order=config.role_order,
            seed=config.seed,
        )
        if checkpoint:
            check_same_config(config.to_json(), checkpoint.contents["config"], checkpoint.folder)
        with remote_code(trusted=config.trust_remote_code):
            crew = TeamPolicies(
                config,
                optimizer,
                roles=roles,
                trained=schedule.roles,
                checkpoint=checkpoint.folder if checkpoint else None,
                failure_dir=run_dir,
                processes=processes,
            )
        speakers: Mapping[Role, Policy] = crew.policies
        if servers:
            if checkpoint:
                servers.load_state_dict(checkpoint.contents["state"].get(SERVERS))
            speakers = servers.follow(crew.saved_policies(), roles)
        sampling = {role: config.sampling(role) for role in roles}
        return cls(schedule, crew, RolloutRunner(env, speakers, sampling))
