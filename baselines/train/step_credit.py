"""The credit and the advantages of a step, with the training samples and metrics made of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from baselines.common.types import FloatArray, IntArray
from baselines.credit import GroupOutcomes
from baselines.optimizers import PolicyOptimizer
from baselines.rollouts.plan import has_readers
from baselines.rollouts.runner import RolloutRunner
from baselines.train.credit_stage import CreditStage
from baselines.train.gather import GatheredGroups
from baselines.train.logging import step_metrics
from baselines.train.replay_samples import SampleMaker, advantage_scale
from baselines.train.samples import count_tokens, shaped_credit
from baselines.train.settings import TrainOn
from baselines.train.team_policies import TeamPolicies
from baselines.train.update.batching import TrainingSample
from ccpo_env.types import Role


@dataclass(frozen=True, slots=True, eq=False)
class StepCredit:
    """The credit of the usable groups of a step, and the advantages that the update uses.

    Args:
        groups: The groups of the step.
        active: Roles that are trained in it.
        runner: The team, for its turns.
        optimizer: The optimizer, with its state before the step.
        max_tokens: Length limit of each turn.
        outcomes: Outcomes of each usable group.
        credit: Their credit, (G, T) per group.
        shaped: The same minus the optimizer's penalty for long completions.
        num_tokens: Completion tokens that the advantages were computed with, if any.
        advantages: Advantages, (G, T) per group.
    """

    groups: GatheredGroups
    active: Collection[Role]
    runner: RolloutRunner
    optimizer: PolicyOptimizer
    max_tokens: Sequence[int]
    outcomes: Sequence[GroupOutcomes]
    credit: Sequence[FloatArray]
    shaped: Sequence[FloatArray]
    num_tokens: Sequence[IntArray] | None
    advantages: Sequence[FloatArray]

    @classmethod
    def of(
        cls,
        groups: GatheredGroups,
        active: Collection[Role],
        runner: RolloutRunner,
        stage: CreditStage,
        max_tokens: Sequence[int],
    ) -> StepCredit:
        """Allocate the credit of a step, once per step.

        Args:
            groups: The groups of the step.
            active: Roles that are trained in it.
            runner: The team, for its turns.
            stage: Allocates the credit; a critic is fitted to the groups.
            max_tokens: Length limit of each turn.
        """
        usable, optimizer = groups.usable, stage.optimizer
        outcomes = stage.outcomes(usable)
        credit = stage.credit(outcomes, active)
        shaped = shaped_credit(optimizer, credit, usable, max_tokens)
        counts = count_tokens(usable, len(max_tokens)) if optimizer.whitens else None
        return cls(
            *(groups, active, runner, optimizer, max_tokens),
            *(outcomes, credit, shaped, counts, optimizer.advantage(shaped, counts)),
        )

    def samples(self, crew: TeamPolicies, train_on: TrainOn) -> dict[Role, list[TrainingSample]]:
        """Return the training samples of each active role from this process's own groups.

        Args:
            crew: References, for optimizers whose advantages of tokens need them.
            train_on: Episodes whose completions are trained on.
        """
        groups, roles = self.groups, tuple(self.runner.role_of.values())
        on_tokens = crew.token_advantages(groups.usable, self.shaped, roles)
        if train_on == "team" or not groups.usable:
            return groups.training_samples(on_tokens or self.advantages, self.active, roles)
        scale = advantage_scale(self.optimizer, self.shaped, self.advantages, self.num_tokens)
        makes = SampleMaker(self.runner.topology, scale, self.optimizer, self.max_tokens)
        return makes.samples(groups.here(groups.usable), groups.here(self.advantages), self.active)

    def metrics(self, stage: CreditStage, *, empty_steps: int) -> step_metrics.Metrics:
        """Return the metrics of the rollouts, of the credit, and of what it was made of.

        Args:
            stage: Has allocated the credit.
            empty_steps: Steps so far that trained on nothing.
        """
        runner, outcomes, groups = self.runner, self.outcomes, self.groups
        agents = runner.agents
        return {
            **step_metrics.rollout_metrics(groups.played, len(groups.usable), agents),
            "rollout/empty_steps": empty_steps,
            **step_metrics.credit_metrics(
                *(outcomes, self.credit, self.advantages, agents, self.optimizer, self.num_tokens)
            ),
            **step_metrics.rating_metrics(outcomes, agents),
            **step_metrics.critic_metrics(stage.critic, tuple(runner.role_of), agents),
            **step_metrics.influence_metrics(outcomes, agents, has_readers(runner.topology)),
        }
