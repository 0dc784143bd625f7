"""The policies of a team, with their updaters and reference policies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from baselines.common.checks import require_roles
from baselines.common.processes import SINGLE_PROCESS, ProcessGroup
from baselines.common.types import FloatArray
from baselines.optimizers import PolicyOptimizer
from baselines.policies.base import TrainablePolicy
from baselines.policies.local.hf import HFPolicy
from baselines.policies.local.lora import LoraBase, LoraSettings
from baselines.policies.local.quantized import check_trainable
from baselines.policies.local.sharding import unsharded
from baselines.policies.shard_files import SHARDS, read_shards
from baselines.policies.team import TEAM, load_team
from baselines.rollouts.groups import Group
from baselines.train.config import PER_ROLE, TrainConfig
from baselines.train.samples import count_tokens, reference_divergence
from baselines.train.update.batching import TrainingSample
from baselines.train.update.updater import Updater
from ccpo_env.types import Role

UPDATE_METRICS = (
    *("loss", "grad_norm", "grad_snr", "clip_rate", "approx_kl", "learning_rate"),
    *("mismatch", "mismatch_max", "skipped_updates", "reference_kl", "entropy"),
)


class TeamPolicies:
    """Holds the policies of all roles, and an updater for each trained policy.

    Args:
        config: Initial policies of the roles and settings of the updates.
        optimizer: Defines the loss.
        roles: All roles of the team, in speaking order.
        trained: Roles that are trained.
        checkpoint: Folder to resume from, instead of the initial policies of the config.
        failure_dir: Folder for batches with a non-finite gradient.
        processes: Data-parallel processes, each with its share of the samples, and with its shard
            of all policies if it has a mesh.

    Raises:
        ValueError: If a setting names an unknown role, or shared weights are requested for
            several policies, or a quantised model cannot be trained.
    """

    def __init__(
        self,
        config: TrainConfig,
        optimizer: PolicyOptimizer,
        *,
        roles: Sequence[Role],
        trained: Sequence[Role],
        checkpoint: Path | None,
        failure_dir: Path,
        processes: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        for name in PER_ROLE:
            require_roles(name, getattr(config, name), roles)
        self._config = config
        self._optimizer = optimizer
        self._failure_dir = failure_dir
        self._processes = processes
        self._bases: dict[str, LoraBase] = {}
        self.policies = self._load(roles, checkpoint)
        self.references = self._load_references(trained)
        if processes.mesh is not None:
            for base in self._bases.values():  # with all of their adapters
                base.shard(processes.mesh)
        # Roles by the name of their policy: their own, or that of the team.
        self._owned = (
            {TEAM: tuple(trained)}
            if config.weights == "shared"
            else {role: (role,) for role in trained}
        )
        self._updaters = {owner: self._updater(owned[0]) for owner, owned in self._owned.items()}

    def max_tokens(self, role: Role) -> int:
        """Return the length limit of a role's completions, in tokens."""
        return self._config.sampling(role).max_tokens or self.policies[role].max_tokens

    def updated_roles(self, active: Collection[Role]) -> tuple[Role, ...]:
        """Return the roles whose policies change with an update of the active roles.

        These are all roles if they share their weights.
        """
        shared = self._config.weights == "shared"
        return tuple(role for role in self.policies if shared or role in active)

    def update(
        self, active: Collection[Role], samples_of: Mapping[Role, Sequence[TrainingSample]]
    ) -> dict[str, float | None]:
        """Update the policies of the active roles.

        Args:
            active: Roles that are trained in this step.
            samples_of: Training samples of each active role.

        Returns:
            The update metrics of docs/metrics.md; None for a policy that was not updated.
        """
        metrics: dict[str, float | None] = {}
        for owner, owned in self._owned.items():
            speaking = [role for role in owned if role in active]
            update: Mapping[str, float] = {}
            if speaking:
                samples = [sample for role in speaking for sample in samples_of[role]]
                update = self._updaters[owner].update(samples)
            metrics |= {f"update/{owner}/{name}": update.get(name) for name in UPDATE_METRICS}
        return metrics

    def update_again(
        self, samples_of: Mapping[Role, Sequence[TrainingSample]]
    ) -> dict[str, float | None]:
        """Take one more update of the policies of some roles, on earlier samples.

        Args:
            samples_of: Samples of these roles, with the log-probabilities of their sampler.

        Returns:
            grad_norm and clip_rate of each policy, by ``<role>/<name>``.
        """
        metrics: dict[str, float | None] = {}
        for owner, owned in self._owned.items():
            samples = [sample for role in owned for sample in samples_of.get(role, ())]
            if samples:
                update = self._updaters[owner].update(samples, is_repeated=True)
                metrics |= {f"{owner}/{n}": update[n] for n in ("grad_norm", "clip_rate")}
        return metrics

    def token_advantages(
        self, groups: Sequence[Group], credit: Sequence[FloatArray], roles: Sequence[Role]
    ) -> list[FloatArray] | None:
        """Return the advantage of each token, (G, T, N), for optimizers with token advantages.

        Args:
            groups: Groups of rollouts.
            credit: Credit of each group, (G, T).
            roles: Role of each turn.
        """
        if not self._optimizer.is_per_token:
            return None
        divergence = None
        if self._optimizer.needs_reward_kl:
            divergence = reference_divergence(
                groups,
                [self.references.get(role) for role in roles],
                micro_batch_tokens=[self._micro_batch_tokens(role) for role in roles],
            )
        num_tokens = count_tokens(groups, len(roles))
        return self._optimizer.token_advantage(credit, num_tokens, divergence)

    def saved_policies(self) -> dict[str, TrainablePolicy]:
        """Return the policies by the names of their folders in a checkpoint."""
        if self._config.weights == "shared":
            return {TEAM: next(iter(self.policies.values()))}
        return dict(self.policies)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the updaters, without the weights."""
        return {owner: updater.state_dict() for owner, updater in self._updaters.items()}

    def load_state_dict(self, states: Mapping[str, Any], folder: Path) -> None:
        """Restore a state from `state_dict`, as `read_updaters` returns it from a checkpoint."""
        read = read_shards(
            folder / SHARDS, states, lambda owner, index: self._updaters[owner].parameters[index]
        )
        for owner, state in read.items():
            self._updaters[owner].load_state_dict(state)

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Hold whole weights in each process for the time of the block, in which all may sample."""
        if self._processes.mesh is None:
            yield
            return
        with unsharded(policy.module for policy in self.policies.values()):
            yield
        for base in self._bases.values():
            base.forget_active()

    def _load(self, roles: Sequence[Role], checkpoint: Path | None) -> dict[Role, TrainablePolicy]:
        config = self._config
        is_lora, is_shared = config.weights == "lora", config.weights == "shared"
        team = load_team(
            str(checkpoint or config.policy),
            roles,
            own_copies=not is_shared,
            instead=None if checkpoint else config.role_policies,
            lora=LoraSettings(rank=config.lora_rank, seed=config.seed) if is_lora else None,
            bases=self._bases,
            shard=self._shard,
        )
        if is_shared and len({id(policy) for policy in team.values()}) > 1:
            raise ValueError(
                f"policy must be one model for all roles with weights shared, got one for each in "
                f"{config.policy}; pass --weights separate"
            )
        return team

    def _load_references(self, trained: Sequence[Role]) -> dict[Role, TrainablePolicy]:
        """Return the initial policies as references, if the loss or the reward has a KL term."""
        if not (self._optimizer.needs_reference or self._optimizer.needs_reward_kl):
            return {}
        return load_team(
            self._config.policy,
            trained,
            own_copies=False,
            instead=self._config.role_policies,
            bases=self._bases,
            shard=self._shard,
        )

    @property
    def _shard(self) -> Callable[[TrainablePolicy], None] | None:
        """Shards a policy with weights of its own; None: each process holds them all."""
        mesh = self._processes.mesh
        if mesh is None:
            return None

        def shard(policy: TrainablePolicy) -> None:
            assert isinstance(policy, HFPolicy)
            policy.shard(mesh)

        return shard

    def _micro_batch_tokens(self, role: Role) -> int:
        config = self._config
        return config.role_micro_batch_tokens.get(role, config.micro_batch_tokens)

    def _updater(self, role: Role) -> Updater:
        config = self._config
        check_trainable(self.policies[role])
        return Updater(
            self.policies[role],
            self._optimizer,
            learning_rate=config.role_learning_rates.get(role, config.step_size),
            warmup_steps=config.warmup_steps,
            max_grad_norm=config.max_grad_norm,
            micro_batch_tokens=self._micro_batch_tokens(role),
            options=config.update_options(),
            reference=self.references.get(role),
            failure_dir=self._failure_dir,
            processes=self._processes,
        )
