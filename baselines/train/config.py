"""Settings of a training run; the dataclass defines the flags, their help and config.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from baselines.common.checks import require_at_least, require_known, require_positive
from baselines.credit import ALLOCATORS, read_allocator_args
from baselines.optimizers import OPTIMIZERS
from baselines.policies.base import Sampling
from baselines.policies.registry import EMBEDDED
from baselines.rollouts.categories import find_categorize
from baselines.rollouts.team_env import TEAMS, TeamSettings
from baselines.train.logging.trackers import TRACKERS
from baselines.train.settings import (
    LearningSettings,
    MeasurementSettings,
    RecordSettings,
    RoleSettings,
    RunSettings,
    StartSettings,
    UpdateSettings,
)
from baselines.train.update.options import UpdateOptions
from ccpo_env.types import Role
from ccpo_env.verifiers.registry import VERIFIER_NAMES

EMBEDDED_LEARNING_RATE = 5e-4
"""Best in measurements with the embedded tiny team; see docs/tiny.md."""
PRETRAINED_LEARNING_RATE = 1e-6
"""From the reference scripts of arXiv:2603.21563, for models of 1.5 to 8 billion parameters."""

ADAM_BETA1 = 0.9

AT_LEAST_ONE = (
    *("num_thinkers", "num_voters", "num_debaters", "num_rounds", "lora_rank"),
    *("tasks_per_step", "removed_samples", "branch_samples", "steps"),
    *("num_eval_tasks", "checkpoint_every", "micro_batch_tokens"),
    *("keep_checkpoints", "record_rollouts"),
)
PER_ROLE = (
    *("role_policies", "role_learning_rates", "role_temperatures", "role_max_tokens"),
    *("role_stops", "role_micro_batch_tokens"),
)
"""Fields that are keyed by role."""
NEEDS_OWN_WEIGHTS = {
    "role_policies": "pass one model as --policy",
    "role_learning_rates": "pass --learning-rate",
    "role_micro_batch_tokens": "pass --micro-batch-tokens",
    "frozen_roles": "leave it out, or train the roles in turns with --alternate-period",
}
"""Settings of single roles that shared weights cannot honour, and what to do instead."""
REMEMBERED = ("removed_cache_decay", "retrospect")
"""Settings by which a process remembers its own rollouts; a checkpoint holds those of one."""
AT_LEAST_ZERO = (
    *(
        "alternate_period",
        "warmup_steps",
        "eval_every",
        "eval_every_tokens",
        "completions_every",
        "seed",
    ),
    *("resample_rounds", "retrospect"),
)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(
    RecordSettings,
    UpdateSettings,
    MeasurementSettings,
    RoleSettings,
    RunSettings,
    LearningSettings,
    TeamSettings,
    StartSettings,  # the help begins with the fields of the last class
):
    """Train a team of language models with per-agent credit."""

    def check(self) -> None:
        """Raise ValueError if a name is unknown or a number out of range.

        Separate from construction, so that the command line can print a one-line error.
        """
        require_known("allocator", self.allocator, ALLOCATORS)
        require_known("optimizer", self.optimizer, OPTIMIZERS)
        require_known("tracker", self.tracker, TRACKERS)
        require_known("topology", self.topology, TEAMS)
        require_known("verifier", self.verifier, VERIFIER_NAMES)
        least = OPTIMIZERS[self.optimizer].min_group_size
        if self.group_size < least > 1:
            alone = [name for name, own in OPTIMIZERS.items() if own.min_group_size == 1]
            raise ValueError(
                f"group_size must be >= {least} because {self.optimizer} compares the rollouts of "
                f"a group, got {self.group_size}; pass --group-size {least} or more, or for groups "
                f"of one --optimizer {' or '.join(alone)}"
            )
        require_at_least("group_size", self.group_size, least)
        for name in AT_LEAST_ONE:
            require_at_least(name, getattr(self, name), 1)
        for name in AT_LEAST_ZERO:
            require_at_least(name, getattr(self, name), 0)
        if self.record_every is not None:
            require_at_least("record_every", self.record_every, 0)
        require_positive("max_grad_norm", self.max_grad_norm, such_as=1.0)
        require_positive("temperature", self.temperature, such_as=1.0)
        require_positive("checkpoint_minutes", self.checkpoint_minutes, such_as=15)
        require_positive("learning_rate", self.learning_rate, such_as=EMBEDDED_LEARNING_RATE)
        self._check_shared()
        for role, rate in self.role_learning_rates.items():
            require_positive(f"role_learning_rates of {role}", rate, such_as=1e-6)
        for role, size in self.role_micro_batch_tokens.items():
            require_at_least(f"role_micro_batch_tokens of {role}", size, 1)
        for role in {*self.role_temperatures, *self.role_max_tokens, *self.role_stops}:
            require_positive(f"temperature of {role}", self.sampling(role).temperature, such_as=1.0)
        if self.resume != "no" and self.out_dir is None:
            raise ValueError(
                "--resume must come with the folder of the run, got none; pass --out-dir runs/NAME"
            )
        read_allocator_args(self.allocator, self.allocator_args)
        if "features" in ALLOCATORS[self.allocator].needs:
            find_categorize(self.message_categories)
        optimizer = OPTIMIZERS[self.optimizer].read_hyperparameters(self.optimizer_args)
        self._check_reuse(is_per_token=optimizer.is_per_token)

    def _check_reuse(self, *, is_per_token: bool) -> None:
        """Check the settings of what is sampled and trained on besides the rollouts of a step."""
        if self.train_on == "all" and is_per_token:
            raise ValueError(
                f"train_on must be 'team' with an advantage per token, got 'all' with "
                f"{self.optimizer} and {self.optimizer_args}; leave out gamma and reward_kl"
            )
        if "clip_low" not in OPTIMIZERS[self.optimizer].tunable:
            self._check_without_ratio()
        if self.retrospect:
            self._check_retrospect()
        require_at_least("probe_tasks", self.probe_tasks, 2, why="a standard error needs two")
        if not 0.0 <= self.retrospect_damping <= 1.0:
            raise ValueError(
                f"retrospect_damping must be in [0, 1], got {self.retrospect_damping}; pass e.g. "
                f"--retrospect-damping 0.1"
            )

    def _check_without_ratio(self) -> None:
        """Check that a loss without importance ratio is used on-policy only."""
        for name, most in (("num_epochs", 1), ("num_minibatches", 1), ("retrospect", 0)):
            value = getattr(self, name)
            if value > most:
                raise ValueError(
                    f"{name} must be {most} with {self.optimizer}, whose loss has no importance "
                    f"ratio for a second update after sampling, got {value}; leave it out, or pass "
                    f"--optimizer reinforce_pp"
                )

    def _check_retrospect(self) -> None:
        require_at_least("retrospect", self.retrospect, 2, why="it needs a standard deviation")
        if self.retrospect >= self.steps:
            raise ValueError(
                f"retrospect must be < steps, {self.steps}, because its first pass is in the step "
                f"after so many, got {self.retrospect}; pass --steps {self.retrospect + 1} or more"
            )

    def check_processes(self, world_size: int) -> None:
        """Raise ValueError if a setting does not fit this number of processes."""
        for name in REMEMBERED:
            value = getattr(self, name)
            if value and world_size > 1:
                raise ValueError(
                    f"{name} must be 0 with several processes, which would remember different "
                    f"rollouts, got {value}; leave it out"
                )

    def _check_shared(self) -> None:
        for name, remedy in NEEDS_OWN_WEIGHTS.items():
            value = getattr(self, name)
            if self.weights == "shared" and value:
                shown = dict(value) if isinstance(value, dict) else list(value)
                raise ValueError(
                    f"{name} must be empty with weights shared, where one policy with one update "
                    f"speaks for every role, got {shown}; {remedy}, or pass --weights separate"
                )

    @property
    def step_size(self) -> float:
        """The learning rate, with its default filled in."""
        if self.learning_rate is not None:
            return self.learning_rate
        return EMBEDDED_LEARNING_RATE if self.policy in EMBEDDED else PRETRAINED_LEARNING_RATE

    def sampling(self, role: Role) -> Sampling:
        """Return the sampling parameters of a role."""
        return Sampling(
            temperature=self.role_temperatures.get(role, self.temperature),
            max_tokens=self.role_max_tokens.get(role, self.max_tokens),
            stop=self.role_stops.get(role),
        )

    def update_options(self) -> UpdateOptions:
        """Return the options of an updater.

        Raises:
            ValueError: If a value is out of range.
        """
        return UpdateOptions(
            num_epochs=self.num_epochs,
            num_minibatches=self.num_minibatches,
            old_logprobs=self.old_logprobs,
            tis_cap=self.tis_cap,
            autocast=self.bf16,
            gradient_checkpointing=self.gradient_checkpointing,
            on_nonfinite=self.on_nonfinite,
            adam_betas=(ADAM_BETA1, self.adam_beta2),
            weight_decay=self.weight_decay,
            shuffle_seed=self.seed,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the config as JSON values, with defaults filled in."""
        values = asdict(replace(self, learning_rate=self.step_size))
        values["frozen_roles"] = list(self.frozen_roles)  # JSON has no tuples
        for name in ("config", "preset", "resume", "out_dir", "trust_remote_code"):
            del values[name]
        return values


FIRST_FLAGS = (
    *("policy", "tasks", "topology", "allocator", "optimizer", "group_size", "steps"),
    *("learning_rate", "seed", "out_dir", "resume", "preset", "config", "weights", "tracker"),
)
"""Flags in ``ccpo train --help``; ``--help-all`` shows all."""
