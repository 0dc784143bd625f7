"""Settings of a training run in groups, which `baselines.train.config` combines.

The first line of each class is the title of its group of flags in the help.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from baselines.common.flags import Alone, Choices
from baselines.credit import ALLOCATORS
from baselines.optimizers import OPTIMIZERS
from baselines.rollouts.categories import CATEGORIES
from baselines.train.logging.trackers import TRACKERS
from baselines.train.presets import PRESETS
from baselines.train.schedule import Order
from baselines.train.update.options import OldLogprobs, OnNonfinite
from ccpo_env.tasks import TASK_SOURCES

Weights = Literal["separate", "shared", "lora"]
Resume = Literal["no", "yes", "auto"]
TrainOn = Literal["team", "all"]


@dataclass(frozen=True, kw_only=True)
class StartSettings:
    """Model and tasks."""

    policy: str = "tiny"
    """Initial model of all roles: "tiny", "tiny_teams", "tiny_choice", "smollm2", a folder, a
    .gguf file or a name on the Hugging Face hub."""
    trust_remote_code: bool = False
    """Run the code that the folder or hub repository of a model holds, also that of the base model
    of an adapter. Read it first: it can do whatever you can."""
    tasks: Annotated[str, Choices((*TASK_SOURCES, "a .jsonl or .parquet file"))] = "arithmetic"
    """Training and evaluation tasks, from the splits "train" and "test"."""
    shuffle_choices: int | None = None
    """Random seed of another order of the options of multiple-choice tasks. None: their own."""


@dataclass(frozen=True, kw_only=True)
class LearningSettings:
    """Credit and optimization."""

    allocator: Annotated[str, Choices(ALLOCATORS)] = "leave_one_out"
    """Credit-assignment method: how the team reward becomes credit for each agent."""
    allocator_args: dict[str, str] = field(default_factory=dict)
    """Hyperparameters of the allocator, such as: weight 0.5 mode margin. docs/credit.md lists
    them for each allocator."""
    optimizer: Annotated[str, Choices(OPTIMIZERS)] = "reinforce_pp"
    """Policy-gradient method: advantage estimator and loss."""
    optimizer_args: dict[str, str] = field(default_factory=dict)
    """Hyperparameters of the optimizer, such as: clip_low 0.1. docs/optimizers.md lists them for
    each optimizer."""
    train_on: TrainOn = "team"
    """Episodes whose completions are trained on. team: the rollouts of the whole team. all: also
    the continuations and the episodes without an agent that credit was measured with."""
    group_size: int = 8
    """Rollouts per task (group)."""
    tasks_per_step: int = 32
    """Tasks per training step, each with one group of rollouts."""
    steps: int = 80
    """Number of training steps; each active role is updated once per step."""
    learning_rate: float | None = None
    """Learning rate of AdamW after warm-up. None: 5e-4 for the policies "tiny",
    "tiny_teams" and "tiny_choice", else 1e-6."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Seed, folder and settings of the run."""

    seed: int = 0
    """Random seed; runs with the same seed and config are identical."""
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
    """separate: each role has its own weights. shared: one policy for all roles. lora: one base
    model with a low-rank adapter per role."""
    lora_rank: int = 16
    """Rank of the LoRA adapters, with --weights lora."""
    temperature: float = 1.0
    """Sampling temperature, in training and evaluation."""
    max_tokens: int | None = None
    """Maximum completion length per turn, in tokens. None: the model's default."""
    role_policies: dict[str, str] = field(default_factory=dict)
    """Initial models of single roles, in place of --policy, such as: thinker runs/a solver smollm2.
    Model families and tokenizers may differ, because roles exchange text only. Not with --weights
    shared."""
    role_learning_rates: dict[str, float] = field(default_factory=dict)
    """Learning rates of single roles, such as: thinker 1e-5; not with --weights shared."""
    role_temperatures: dict[str, float] = field(default_factory=dict)
    """Sampling temperatures of single roles, such as: solver 0.7."""
    role_max_tokens: dict[str, int] = field(default_factory=dict)
    """Maximum completion lengths of single roles in tokens, such as: thinker 256."""
    role_stops: dict[str, str] = field(default_factory=dict)
    """Stop strings of single roles, such as: solver "\\n"; included in the completion."""
    role_micro_batch_tokens: dict[str, int] = field(default_factory=dict)
    """Micro-batch sizes in tokens of single roles, such as: thinker 8192; not with --weights
    shared."""
    alternate_period: int = 0
    """Train one role at a time, and alternate every so many steps. With --weights shared, the one
    policy is then updated from the completions of one role at a time. 0: train all roles in every
    step."""
    role_order: Order = "turns"
    """With --alternate-period: order of the roles, in turns or drawn at random."""
    start_role: str | None = None
    """With --alternate-period: role that is trained first. None: the first speaker."""
    frozen_roles: tuple[str, ...] = ()
    """Roles that are never trained; not with --weights shared."""


@dataclass(frozen=True, kw_only=True)
class MeasurementSettings:
    """Rollouts with an agent removed, continuations, and categories of messages."""

    removed_samples: int = 4
    """Rollouts per task without an agent that all others depend on, for credit that compares with
    the team without it."""
    branch_samples: int = 4
    """Continuations per rollout, after an agent's turn or without an agent, the messages that it
    cannot have changed being kept, for credit that needs them."""
    removed_cache_decay: float = 0.0
    """Cache rollouts with an agent removed: factor in (0, 1] on their weight after each update of
    the other policies; they are resampled when the weight is too small. 0: no cache."""
    resample_rounds: int = 0
    """Maximum number of times that a step samples more tasks to replace dropped groups, such as
    those of equal rewards with dapo. 0: no replacement."""
    message_categories: Annotated[str, Choices((*CATEGORIES, "module:function"))] = "answer"
    """Categories of messages, for credit that compares them. answer: by the answer where a message
    has one, else by clusters of texts of similar meaning. text: equal texts. Or a function of your
    own, (texts, task, verifier) -> integers."""
    measure_removed: bool = False
    """Measure removals of each agent but the last on all tasks, even if credit does not need them,
    for the help rate, the hurt rate and the calibration of ratings."""
    measure_influence: bool = False
    """Score each message again without the one that it reads, even if credit does not need it, for
    the influence of each agent and the rate of its lazy messages."""


@dataclass(frozen=True, kw_only=True)
class UpdateSettings:
    """Policy update."""

    warmup_steps: int = 5
    """Number of updates with linear warm-up of the learning rate."""
    max_grad_norm: float = 1.0
    """Maximum gradient norm, for clipping."""
    micro_batch_tokens: int = 16384
    """Tokens per forward and backward pass, including padding; with a Llama on the CPU, a prefix
    shared by completions counts once. Decrease it if memory runs out."""
    num_epochs: int = 1
    """Number of passes over the completions of a step."""
    num_minibatches: int = 1
    """Number of updates per pass; decrease the learning rate if above one."""
    old_logprobs: OldLogprobs = "sampler"
    """Log-probabilities in the denominator of the importance ratio. sampler: as reported by the
    sampler. recompute: recomputed with the policy before the step."""
    tis_cap: float | None = None
    """With --old-logprobs recompute: upper bound of the weights in truncated importance sampling.
    None: no correction."""
    bf16: bool = False
    """Compute matrix products in bfloat16; weights, gradients and loss stay float32."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass, which saves memory and takes time."""
    on_nonfinite: OnNonfinite = "raise"
    """On a non-finite loss or gradient, raise an error or skip the update. In both cases, the batch
    is saved in the folder of the run."""
    retrospect: int = 0
    """Before each step, one more pass over the rollouts of the step before, signed by how the mean
    reward on a fixed probe set compares with that in so many earlier steps, such as 8. 0: off."""
    retrospect_damping: float = 0.1
    """With --retrospect: factor on the pass if the reward has decreased, in [0, 1]."""
    probe_tasks: int = 64
    """With --retrospect: number of training tasks in the probe set, each played once per step."""
    adam_beta2: float = 0.99
    """beta2 of AdamW; 0.99 averages over about 100 updates, which suits short runs."""
    weight_decay: float = 0.0
    """Weight decay of AdamW."""


@dataclass(frozen=True, kw_only=True)
class RecordSettings:
    """Evaluation, checkpoints and logging."""

    eval_every: int = 10
    """Steps between evaluations on held-out tasks. 0: only before and after training."""
    eval_every_tokens: int = 0
    """Tokens sampled in training between evaluations, in place of steps, so that methods whose
    steps cost different numbers of tokens are evaluated alike: after the first step that reaches
    each multiple. 0: count steps."""
    num_eval_tasks: int = 400
    """Number of held-out tasks per evaluation."""
    checkpoint_every: int = 10
    """Steps between checkpoints."""
    checkpoint_minutes: float | None = None
    """Also save a checkpoint after the step that ends so many minutes after the last one, such as
    15. None: count steps alone."""
    keep_checkpoints: int = 2
    """Number of newest checkpoints to keep, in addition to the best. With 1, there is no fallback
    if it is corrupt."""
    completions_every: int = 10
    """Steps between logs of completions with their credit, in completions.jsonl and the tracker.
    0: none."""
    record_every: int | None = None
    """Steps between steps whose rollouts are recorded in rollouts.jsonl, for ccpo explore. None:
    each of the first 128 steps, every second one up to 256, every fourth one up to 512 and so on.
    0: none."""
    record_rollouts: int = 96
    """Number of rollouts recorded in each of these steps, of whole tasks and at least one task;
    96 take less than 1 % of a step of the embedded team."""
    tracker: Annotated[str, Choices(TRACKERS)] = "none"
    """Experiment tracker that logs the metrics, in addition to metrics.jsonl."""
    push_to_hub: str | None = None
    """Upload the trained models to this repository on the Hugging Face hub, such as owner/team. A
    new repository is private."""
