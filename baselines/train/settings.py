"""Groups of settings that a training run is made of; `baselines.train.config` joins them.

The first ones are those that a newcomer needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from baselines.common.command_line import Flag
from baselines.train.schedule import Order
from baselines.train.update.options import OldLogprobs, OnNonfinite

Weights = Literal["separate", "shared", "lora"]


@dataclass(frozen=True, kw_only=True)
class StartSettings:
    """What is trained, and on which tasks."""

    policy: str = "tiny"
    """Model that every role starts from: "tiny", "smollm2", a folder, a .gguf file or a name."""
    tasks: str = "arithmetic"
    """Tasks to train on: a registered name, or a .jsonl or .parquet file. Its split "train" is
    trained on, its split "test" is held out."""


@dataclass(frozen=True, kw_only=True)
class LearningSettings:
    """Who is paid what, how far the policies step, how long, and where the run is kept."""

    allocator: str = "counterfactual"
    """Who earned the team reward: a name from ALLOCATORS."""
    allocator_args: dict[str, str] = field(default_factory=dict)
    """Hyperparameters of the allocator by name, such as: weight 0.5 mode margin. docs/credit.md
    lists those of each, with range and default."""
    optimizer: str = "grpo"
    """How the policies step: a name from OPTIMIZERS."""
    optimizer_args: dict[str, str] = field(default_factory=dict)
    """Hyperparameters of the optimizer by name, such as: clip_low 0.1. docs/optimizers.md lists
    those of each, with range and default."""
    group_size: int = 8
    """Rollouts of the whole team per task, the G of every shape."""
    tasks_per_step: int = 32
    """Groups per step."""
    steps: int = 80
    """Steps of training; in each, every role whose turn it is is updated once."""
    learning_rate: float | None = None
    """Of AdamW, after warm-up. None: 5e-4 for the policy "tiny", 1e-6 for any other."""
    seed: int = 0
    """Seeds tasks and sampling. Same seed and config, same run."""
    out_dir: Path | None = None
    """Folder of the run. None: a new folder under runs/."""
    resume: Flag = False
    """Go on from the newest checkpoint of out_dir; with the word auto behind it only if there is
    a run, else begin one."""
    preset: str | None = None
    """Settings to start from, such as paper/gspo-qwen2.5-1.5b or smollm2; config and flags count
    more."""
    config: Path | None = None
    """A TOML, YAML or JSON file of settings; flags that are given as well count more."""


@dataclass(frozen=True, kw_only=True)
class RoleSettings:
    """Which policy each role has, how it samples and when it is trained."""

    weights: Weights = "separate"
    """"separate": each role has weights of its own; "shared": one policy speaks for all;
    "lora": one base model, and a low-rank adapter of its own for each role."""
    lora_rank: int = 16
    """Rank of the adapters, with weights lora."""
    temperature: float = 1.0
    """Sampling temperature, in training and evaluation."""
    max_tokens: int | None = None
    """Longest completion of a turn, in tokens. None: the model's own default."""
    role_policies: dict[str, str] = field(default_factory=dict)
    """Roles that start from another model than --policy, such as: thinker runs/a solver smollm2.
    Families and tokenizers may differ: roles only exchange text."""
    role_learning_rates: dict[str, float] = field(default_factory=dict)
    """Learning rates of single roles, such as: thinker 1e-5."""
    role_temperatures: dict[str, float] = field(default_factory=dict)
    """Sampling temperatures of single roles."""
    role_max_tokens: dict[str, int] = field(default_factory=dict)
    """Longest completions of single roles, in tokens."""
    role_stops: dict[str, str] = field(default_factory=dict)
    """A text for single roles at which a completion ends, kept in it."""
    role_micro_batch_tokens: dict[str, int] = field(default_factory=dict)
    """Tokens of a micro-batch, for single roles."""
    alternate_period: int = 0
    """Steps that one role is trained before the next one's turn; 0: all roles in every step."""
    role_order: Order = "turns"
    """With an alternate period: take turns, or draw the role at random."""
    start_role: str | None = None
    """Role that has the first turn; None: the first speaker."""
    frozen_roles: tuple[str, ...] = ()
    """Roles that are never trained."""


@dataclass(frozen=True, kw_only=True)
class MeasurementSettings:
    """What is played besides the rollouts of the whole team, where credit needs it."""

    removed_samples: int = 4
    """Rollouts per task with an agent removed, measured once for the task."""
    branch_samples: int = 4
    """Continuations per rollout: after an agent's turn, or without a later agent."""
    removed_cache_decay: float = 0.0
    """What a rollout without an agent is still worth after an update of the policies that were
    left, in (0, 1]; it is not played again while enough is known. 0: always play again."""
    resample_rounds: int = 0
    """How often a step plays as many tasks again, until tasks_per_step groups are left of which
    none was dropped: with dapo, for equal rewards. 0: a dropped group is not replaced."""
    measure_removed: Flag = False
    """Play without each agent but the last even where the credit or the update needs none of it,
    so that help, hurt and the calibration of ratings are known for every task."""


@dataclass(frozen=True, kw_only=True)
class UpdateSettings:
    """How a policy is updated, beyond the optimizer."""

    warmup_steps: int = 5
    """Updates over which the learning rate rises."""
    max_grad_norm: float = 1.0
    """A gradient with a larger Euclidean norm is scaled down to it."""
    micro_batch_tokens: int = 16384
    """Tokens of one forward and backward pass, padding counted, or with a plain Llama a beginning
    that completions share counted once; lower it if memory runs out."""
    num_epochs: int = 1
    """How often the completions of a step are gone through."""
    num_minibatches: int = 1
    """Updates into which each of those is cut; lower the learning rate with more than one."""
    old_logprobs: OldLogprobs = "sampler"
    """What ratios are taken to: the log-probabilities that the sampler reported, or those of the
    policy before the step, recomputed."""
    tis_cap: float | None = None
    """With recompute: largest weight of truncated importance sampling. None: no correction."""
    bf16: Flag = False
    """Compute matrix products in bfloat16; weights, gradients and loss stay float32."""
    gradient_checkpointing: Flag = False
    """Compute activations again in the backward pass: less memory, more time."""
    on_nonfinite: OnNonfinite = "raise"
    """What a loss or gradient that is not finite does: stop the run, or skip the update. The
    batch is saved in the folder of the run either way."""
    adam_beta2: float = 0.99
    """Decay of AdamW's second moment: 0.99 remembers 100 updates, for short runs."""
    weight_decay: float = 0.0
    """Of AdamW."""


@dataclass(frozen=True, kw_only=True)
class RecordSettings:
    """What is evaluated, saved and shown during a run."""

    eval_every: int = 10
    """Steps between evaluations on held-out tasks; 0: only before and after training."""
    num_eval_tasks: int = 400
    """Held-out tasks of an evaluation."""
    checkpoint_every: int = 10
    """Steps between checkpoints."""
    keep_checkpoints: int = 2
    """Newest checkpoints that stay, besides the best: with one, a damaged one has none before."""
    completions_every: int = 10
    """Steps between tables of what the agents said and were paid, in completions.jsonl and with
    the tracker; 0: none."""
    tracker: str = "none"
    """Where metrics go besides metrics.jsonl: a name from TRACKERS."""
    push_to_hub: str | None = None
    """Repository of the Hugging Face hub, such as owner/team, that gets the trained models. It is
    private if it is new."""
