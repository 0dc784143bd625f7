"""The settings that config.json of a run has, with the type of each, for all that read one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_NAMES: Mapping[type, str] = {
    str: """
        policy tasks topology verifier allocator optimizer train_on weights role_order
        start_role message_categories old_logprobs on_nonfinite tracker push_to_hub
    """,
    int: """
        shuffle_choices num_thinkers num_voters num_debaters num_rounds group_size
        tasks_per_step steps seed lora_rank max_tokens alternate_period removed_samples
        branch_samples resample_rounds warmup_steps micro_batch_tokens num_epochs
        num_minibatches retrospect probe_tasks eval_every eval_every_tokens num_eval_tasks
        checkpoint_every keep_checkpoints completions_every record_every record_rollouts
    """,
    bool: """
        unsafe_no_namespaces measure_removed measure_influence bf16 gradient_checkpointing
    """,
    dict: """
        allocator_args optimizer_args role_policies role_learning_rates role_temperatures
        role_max_tokens role_stops role_micro_batch_tokens
    """,
    float: """
        learning_rate temperature removed_cache_decay max_grad_norm tis_cap
        retrospect_damping adam_beta2 weight_decay checkpoint_minutes
    """,
    list: """
        frozen_roles
    """,
}
RUN_SETTINGS: Mapping[str, type] = {
    name: kind for kind, names in _NAMES.items() for name in names.split()
}
"""Type of each setting in JSON; null is checked by the code that reads it."""


def check_run_settings(saved: Mapping[str, Any], path: Path) -> None:
    """Raise ValueError, which names the file, if a setting is unknown or of another type.

    Args:
        saved: What the file holds.
        path: The file.
    """
    for name, value in saved.items():
        if name not in RUN_SETTINGS:
            raise ValueError(
                f"settings in {path} must be those of this version, got the unknown {name!r}; "
                f"restore the file from a copy, or train again"
            )
        wanted = RUN_SETTINGS[name]
        is_number = wanted is float and type(value) is int
        if value is not None and type(value) is not wanted and not is_number:
            raise ValueError(
                f"{name} in {path} must be of type {wanted.__name__}, got {value!r}; restore the "
                f"file from a copy"
            )
