"""Presets from the scripts of the paper, for a small model and for groups of one.

The reference of the presets paper/… trains on 192 prompts of MATH per step with 16 rollouts each,
in 8 updates, alternating roles every 10 steps. Its scripts for the second allocator differ only in
the allocator: add --allocator self_evaluation. Its single-model baselines differ in sizes. Its PPO
script needs a critic and is not included.

They train full weights, with 16 bytes a parameter: 234 GB for two roles of 7 billion parameters,
whole in every process or divided over those of ``--shard``. Their micro-batches were chosen for a
trainer that never holds the logits of all tokens, and take 53 to 67 GB here: with a smaller
``--micro-batch-tokens`` the update is the same. The page docs/scaling.md says what fits where.

Source: repository bhai114/ccpo at commit ea50d3a, the shell scripts of its two current trees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccpo_env.errors import unknown_name

Settings = Mapping[str, Any]

_COMMON: Settings = {
    "tasks": "math",
    "allocator": "counterfactual",
    "group_size": 16,
    "tasks_per_step": 192,
    "num_minibatches": 8,
    "steps": 390,  # nominally 500, but the data ends after 10 epochs of 39 steps
    "alternate_period": 10,
    "learning_rate": 1e-6,
    "warmup_steps": 0,
    "max_grad_norm": 1.0,
    "weight_decay": 0.01,
    "adam_beta2": 0.999,
    "role_max_tokens": {"thinker": 4096, "solver": 6144},
    "micro_batch_tokens": 30_720,
    "old_logprobs": "recompute",
    "bf16": True,
    "gradient_checkpointing": True,
    "eval_every": 5,
    "num_eval_tasks": 500,
}
_QWEN, _QWEN3 = "Qwen/Qwen2.5-1.5B-Instruct", "Qwen/Qwen3-4B-Base"
_OLMO = "allenai/Olmo-3-7B-Instruct"

_TEAM: Settings = {**_COMMON, "removed_samples": 16}
_SINGLE: Settings = {
    **_COMMON,
    "topology": "vote",  # of one: a single agent
    "num_voters": 1,
    "allocator": "shared",
    "alternate_period": 0,
    "eval_every": 10,
}

_SMOLLM2: Settings = {
    "policy": "smollm2",
    "weights": "lora",
    "tasks": "lookup",
    "verifier": "number",  # the model rarely writes \boxed{}
    # Whitened over the tasks of a step, margin credit is no multiple of the shared reward.
    "allocator": "counterfactual",
    "allocator_args": {"mode": "margin"},
    "optimizer": "reinforce_pp",
    "group_size": 4,
    "tasks_per_step": 4,
    "removed_samples": 4,
    "steps": 10,
    "learning_rate": 5e-4,
    "warmup_steps": 1,
    "temperature": 0.7,
    "max_tokens": 32,
    "role_stops": {"thinker": ".", "solver": "."},  # one sentence each
    "eval_every": 0,
    "num_eval_tasks": 16,
    "checkpoint_every": 2,
}

_ONE_ROLLOUT: Settings = {
    "allocator": "shared",
    "optimizer": "reinforce_pp",  # compares with the whole step, so that a task needs no group
    "group_size": 1,
    "tasks_per_step": 256,  # as many rollouts per step as 32 groups of 8
}
"""Distinct tasks in place of several rollouts of each."""

_ARITHMETIC_CHOICE: Settings = {"policy": "tiny_choice", "tasks": "arithmetic_choice"}
"""Multiple choice, from guessing to knowing, with the embedded model that reads options."""

PRESETS: Mapping[str, Settings] = {
    "paper/grpo-qwen2.5-1.5b": {**_TEAM, "optimizer": "grpo", "policy": _QWEN},
    "paper/gspo-qwen2.5-1.5b": {**_TEAM, "optimizer": "gspo", "policy": _QWEN},
    "paper/gspo-qwen3-4b": {**_TEAM, "optimizer": "gspo", "policy": _QWEN3},
    "paper/gspo-olmo3-7b": {**_TEAM, "optimizer": "gspo", "policy": _OLMO},
    "paper/gspo-olmo3-7b-to-qwen2.5-1.5b": {
        **_TEAM,
        "optimizer": "gspo",
        "policy": _OLMO,
        "role_policies": {"solver": _QWEN},
    },
    "paper/gspo-qwen2.5-1.5b-to-olmo3-7b": {
        **_TEAM,
        "optimizer": "gspo",
        "policy": _QWEN,
        "role_policies": {"solver": _OLMO},
    },
    "paper/single-gspo-qwen2.5-1.5b": {
        **_SINGLE,
        "optimizer": "gspo",
        "optimizer_args": {"std": "true"},
        "policy": _QWEN,
        "tasks_per_step": 256,
        "role_max_tokens": {"voter": 8192},
        "steps": 290,  # 10 epochs of 29 steps
    },
    "paper/single-grpo-qwen3-4b": {
        **_SINGLE,
        "optimizer": "grpo",
        "optimizer_args": {"std": "true", "kl_weight": "0.001"},
        "policy": _QWEN3,
        "group_size": 4,
        "tasks_per_step": 64,
        "num_minibatches": 2,
        "role_max_tokens": {"voter": 2048},
        "steps": 585,  # 5 epochs of 117 steps
    },
    "smollm2": _SMOLLM2,
    "one-rollout": _ONE_ROLLOUT,
    "arithmetic-choice": _ARITHMETIC_CHOICE,
}
"""Presets by name; "A-to-B" has a thinker A and a solver B, "single" is a single model."""


def preset(name: str) -> Settings:
    """Return the settings of a preset.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS)
    return PRESETS[name]
