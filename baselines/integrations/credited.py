"""Rollouts of a team as completions with advantages, for trainers of other packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from baselines.common.processes import SINGLE_PROCESS, ProcessGroup
from baselines.common.types import FloatArray
from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Completion, Policy
from baselines.rollouts.costs import CostTracker
from baselines.rollouts.groups import Group
from baselines.rollouts.runner import RolloutRunner
from baselines.rollouts.team_env import team_env, with_verifier
from baselines.train.config import TrainConfig
from baselines.train.credit_stage import CreditStage
from baselines.train.samples import count_tokens, shaped_credit
from ccpo_env.types import Role, Task


@dataclass(frozen=True, slots=True)
class CreditedRow:
    """One completion of one agent, with its advantage.

    Args:
        agent: Agent that the completion is from.
        completion: The sampled completion, with token ids.
        advantage: Advantage of each of its tokens.
        reward: Team reward of its rollout, -1 or +1.
    """

    agent: str
    completion: Completion
    advantage: float
    reward: float


@dataclass(frozen=True, slots=True)
class CreditedGroup:
    """The rollouts of one task.

    Args:
        task: The task.
        rows: All completions of the measured rollouts, rollout by rollout in speaking order;
            empty if too few rollouts were measured for an advantage.
    """

    task: Task
    rows: tuple[CreditedRow, ...]

    @property
    def accuracy(self) -> float:
        """Share of completions whose rollout was rewarded; 0 without any."""
        return float(np.mean([row.reward > 0 for row in self.rows])) if self.rows else 0.0


class CreditedRollouts:
    """Plays tasks and computes advantages in the same way as our trainer.

    Args:
        config: Team, allocator, optimizer and rollout settings. Only the advantage of the
            optimizer is used: the loss is that of the other trainer.
        policy: The policy of every role, or one for each role of the team.
        tasks: All tasks that will be played, which determine the verifier of "auto".
        max_tokens: Length limit of completions, unless the config sets one.
        processes: Processes that play other tasks of the same step; advantages that compare tasks,
            such as whitened ones, and the state of the allocator cover all of them.

    Raises:
        ValueError: If the config is invalid, has separate weights per role, an optimizer with
            advantages per token, or a verifier that cannot judge the tasks.
    """

    def __init__(
        self,
        config: TrainConfig,
        policy: Policy | Mapping[Role, Policy],
        tasks: Sequence[Task],
        *,
        max_tokens: int,
        processes: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        config.check()
        config = with_verifier(config, tasks)
        self._optimizer = OPTIMIZERS[config.optimizer].read_hyperparameters(config.optimizer_args)
        _check_fit(config, is_per_token=self._optimizer.is_per_token)
        env = team_env(config, tasks)
        self._roles: tuple[Role, ...] = env.unwrapped.topology.roles
        policies = policy if isinstance(policy, Mapping) else dict.fromkeys(self._roles, policy)
        sampling = {role: config.sampling(role) for role in self._roles}
        self._runner = RolloutRunner(env, policies, sampling)
        self._max_tokens = [
            sampling[role].max_tokens or max_tokens for role in self._runner.role_of.values()
        ]
        self._credit = CreditStage(config, self._runner, self._optimizer)
        self._processes = processes
        self.rows_per_group = config.group_size * len(self._runner.topology.turns)

    @property
    def agents(self) -> tuple[str, ...]:
        """All agents, in speaking order."""
        return self._runner.agents

    def play(self, tasks: Sequence[Task], *, rng: np.random.Generator) -> list[CreditedGroup]:
        """Play one group per task; a collective call, in which each process has its own tasks.

        Args:
            tasks: Tasks of this process.
            rng: The only source of randomness; must differ between processes.

        Returns:
            One group per task, in order, of at most rows_per_group rows.
        """
        here = self._credit.play(tasks, self._roles, rng=rng, costs=CostTracker())
        groups = self._processes.all_gather(here)
        start = sum(self._processes.all_gather([len(here)])[: self._processes.rank])
        credited = self._credited(groups)
        return [
            CreditedGroup(group.task, self._rows(group, credited.get(start + place)))
            for place, group in enumerate(here)
        ]

    def _credited(self, groups: Sequence[Group]) -> Mapping[int, FloatArray]:
        """Return the advantages of the usable groups, (G, T), by their index."""
        places = [i for i, group in enumerate(groups) if self._credit.is_usable(group)]
        usable = [groups[i] for i in places]
        outcomes = self._credit.outcomes(usable)
        credit = self._credit.credit(outcomes, self._roles)
        shaped = shaped_credit(self._optimizer, credit, usable, self._max_tokens)
        counts = count_tokens(usable, len(self._max_tokens))
        advantages = self._credit.optimizer.advantage(shaped, counts)
        self._credit.remember(outcomes, self._roles, credit=shaped)
        return dict(zip(places, advantages, strict=True))

    def _rows(self, group: Group, advantages: FloatArray | None) -> tuple[CreditedRow, ...]:
        if advantages is None:
            return ()
        return tuple(
            CreditedRow(message.agent, completion, float(advantage), rollout.reward)
            for rollout, own in zip(group.rollouts, advantages, strict=True)
            for message, completion, advantage in zip(
                rollout.messages, rollout.sampled, own, strict=True
            )
            if rollout.reward is not None
        )


def _check_fit(config: TrainConfig, *, is_per_token: bool) -> None:
    if config.weights != "shared" or config.role_policies or config.frozen_roles:
        raise ValueError(
            f"weights must be 'shared' where another trainer updates one policy, got "
            f"{config.weights!r}, role_policies {config.role_policies} and frozen_roles "
            f"{list(config.frozen_roles)}; pass weights='shared' alone, or train with 'ccpo train'"
        )
    if config.role_temperatures:
        raise ValueError(
            f"role_temperatures must be empty where another trainer samples at one temperature, "
            f"got {config.role_temperatures}; leave it out, or train with 'ccpo train'"
        )
    if is_per_token:
        raise ValueError(
            "an optimizer must give all tokens of a completion one advantage here, got gamma or "
            "reward_kl; leave these out, or train with 'ccpo train'"
        )
    if config.removed_cache_decay and config.removed_samples:
        raise ValueError(
            f"removed_cache_decay must be 0 where another trainer decides when the policy changes, "
            f"got {config.removed_cache_decay}; leave it out"
        )
    if config.train_on != "team" or config.retrospect:
        raise ValueError(
            f"train_on must be 'team' and retrospect 0 where another trainer updates the policy, "
            f"got {config.train_on!r} and {config.retrospect}; leave them out, or train with "
            f"'ccpo train'"
        )
