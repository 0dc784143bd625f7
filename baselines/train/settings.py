"""Groups of settings that a training run is made of; `baselines.train.config` joins them.

The first line of each class is the title of its flags in the help.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from baselines.common.flags import Alone, Choices
from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS
from baselines.train.logging.trackers import TRACKERS
from baselines.train.presets import PRESETS
from baselines.train.schedule import Order
from baselines.train.update.options import OldLogprobs, OnNonfinite
from ccpo_env.tasks import TASK_SOURCES

Weights = Literal["separate", "shared", "lora"]
Resume = Literal["no", "yes", "auto"]


@dataclass(frozen=True, kw_only=True)
class StartSettings:
    """Model and tasks."""

    policy: str = "tiny"
    """Model that every role starts from: "tiny", "smollm2", a folder, a .gguf file or a name on
    the Hugging Face hub."""
    tasks: Annotated[str, Choices((*TASK_SOURCES, "a .jsonl or .parquet file"))] = "arithmetic"
    """Tasks to train on. Training uses the split "train", evaluation the split "test"."""


@dataclass(frozen=True, kw_only=True)
class LearningSettings:
    """Credit and optimization."""

    allocator: Annotated[str, Choices(ALLOCATORS)] = "counterfactual"
    """Credit-assignment method: how the team reward becomes credit for each agent."""
    allocator_args: dict[str, str] = field(default_factory=dict)
    """Hyperparameters of the allocator by name, such as: weight 0.5 mode margin. docs/credit.md
    lists those of each, with range and default."""
    optimizer: Annotated[str, Choices(OPTIMIZERS)] = "grpo"
    """Policy-gradient method: how credit becomes advantages, and their loss."""
    optimizer_args: dict[str, str] = field(default_factory=dict)
    """Hyperparameters of the optimizer by name, such as: clip_low 0.1. docs/optimizers.md lists
    those of each, with range and default."""
    group_size: int = 8
    """Rollouts of the whole team per task."""
    tasks_per_step: int = 32
    """Tasks per training step; each has one group of rollouts."""
    steps: int = 80
    """Training steps; in each, every active role is updated once."""
    learning_rate: float | None = None
    """Learning rate of AdamW after warm-up. None: 5e-4 for the policy "tiny", 1e-6 for others."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Seed, folder and settings of the run."""

    seed: int = 0
    """Seeds tasks and sampling. Same seed and config, same run."""
    out_dir: Path | None = None
    """Folder of the run. None: a new folder under runs/."""
    resume: Annotated[Resume, Alone("yes")] = "no"
    """Resume from the newest checkpoint in out_dir. auto: resume if out_dir holds a run, else
    start one."""
    preset: Annotated[str | None, Choices(PRESETS)] = None
    """Settings to start from; the config file and flags override it."""
    config: Path | None = None
    """A TOML, YAML or JSON file of settings; flags override it."""


@dataclass(frozen=True, kw_only=True)
class RoleSettings:
    """Roles: weights, sampling and turns."""

    weights: Weights = "separate"
    """separate: each role has weights of its own. shared: one policy for all roles. lora: one base
    model, and a low-rank adapter for each role."""
    lora_rank: int = 16
    """Rank of the adapters, with --weights lora."""
    temperature: float = 1.0
    """Sampling temperature, in training and evaluation."""
    max_tokens: int | None = None
    """Longest completion of a turn, in tokens. None: the model's own default."""
    role_policies: dict[str, str] = field(default_factory=dict)
    """Roles that start from another model than --policy, such as: thinker runs/a solver smollm2.
    Model families and tokenizers may differ: roles only exchange text."""
    role_learning_rates: dict[str, float] = field(default_factory=dict)
    """Learning rates of single roles, such as: thinker 1e-5."""
    role_temperatures: dict[str, float] = field(default_factory=dict)
    """Sampling temperatures of single roles, such as: solver 0.7."""
    role_max_tokens: dict[str, int] = field(default_factory=dict)
    """Longest completions of single roles in tokens, such as: thinker 256."""
    role_stops: dict[str, str] = field(default_factory=dict)
    """Stop strings of single roles, such as: solver "\\n"; a completion keeps its stop string."""
    role_micro_batch_tokens: dict[str, int] = field(default_factory=dict)
    """Tokens of a micro-batch of single roles, such as: thinker 8192."""
    alternate_period: int = 0
    """Steps that one role is trained before the next role's turn. 0: all roles in every step."""
    role_order: Order = "turns"
    """With --alternate-period: take turns, or draw the role at random."""
    start_role: str | None = None
    """With --alternate-period: role that has the first turn. None: the first speaker."""
    frozen_roles: tuple[str, ...] = ()
    """Roles that are never trained."""


@dataclass(frozen=True, kw_only=True)
class MeasurementSettings:
    """Measurement: rollouts with an agent removed, and continuations."""

    removed_samples: int = 4
    """Rollouts per task with an agent removed, if credit compares with the team without it."""
    branch_samples: int = 4
    """Continuations per rollout: after an agent's turn, or without a later agent, if credit needs
    them."""
    removed_cache_decay: float = 0.0
    """Weight, in (0, 1], that a rollout with an agent removed keeps after each update of the other
    policies; it is sampled again when too little weight is left. 0: always sample again."""
    resample_rounds: int = 0
    """How often a step samples more tasks to replace groups that were dropped: with dapo, those of
    equal rewards. 0: a dropped group is not replaced."""
    measure_removed: bool = False
    """Remove each agent but the last on every task, even where neither credit nor the update needs
    it, so that help rate, hurt rate and the calibration of ratings are known everywhere."""


@dataclass(frozen=True, kw_only=True)
class UpdateSettings:
    """Policy update."""

    warmup_steps: int = 5
    """Updates over which the learning rate rises to its value."""
    max_grad_norm: float = 1.0
    """Largest norm of a gradient; larger ones are scaled down to it."""
    micro_batch_tokens: int = 16384
    """Tokens of one forward and backward pass, padding included; with a plain Llama a prefix that
    completions share counts once. Lower it if memory runs out."""
    num_epochs: int = 1
    """Passes over the completions of a step."""
    num_minibatches: int = 1
    """Updates per pass; lower the learning rate with more than one."""
    old_logprobs: OldLogprobs = "sampler"
    """Denominator of the probability ratio. sampler: log-probabilities that the sampler reported.
    recompute: those of the policy before the step, computed again."""
    tis_cap: float | None = None
    """With --old-logprobs recompute: cap of the weights of truncated importance sampling. None: no
    correction."""
    bf16: bool = False
    """Compute matrix products in bfloat16; weights, gradients and loss stay float32."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    on_nonfinite: OnNonfinite = "raise"
    """What follows a loss or gradient that is not finite: an error, or a skipped update. The
    batch is saved in the folder of the run either way."""
    adam_beta2: float = 0.99
    """Decay of the second moment of AdamW; 0.99 averages over 100 updates, which suits short
    runs."""
    weight_decay: float = 0.0
    """Weight decay of AdamW."""


@dataclass(frozen=True, kw_only=True)
class RecordSettings:
    """Evaluation, checkpoints and logging."""

    eval_every: int = 10
    """Steps between evaluations on held-out tasks. 0: only before and after training."""
    num_eval_tasks: int = 400
    """Held-out tasks of an evaluation."""
    checkpoint_every: int = 10
    """Steps between checkpoints."""
    keep_checkpoints: int = 2
    """Newest checkpoints to keep, besides the best. With 1, nothing replaces a corrupt one."""
    completions_every: int = 10
    """Steps between tables of completions with their credit, in completions.jsonl and in the
    tracker. 0: none."""
    tracker: Annotated[str, Choices(TRACKERS)] = "none"
    """Experiment tracker that gets the metrics, besides metrics.jsonl."""
    push_to_hub: str | None = None
    """Repository on the Hugging Face hub, such as owner/team, to upload the trained models to. A
    new one is private."""
