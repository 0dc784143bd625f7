"""Command lines that advice prints: to train, and to repeat the pilot with more tasks."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace

from baselines.advise.advice import Advice
from baselines.advise.settings import AdviseConfig, CandidateSettings, PilotSettings, WeightSettings
from baselines.common.checks import flag_of
from baselines.rollouts.team_env import TEAM_SIZES, taskless_env, unread_size
from baselines.train.config import TrainConfig
from baselines.train.unread import what_reads

MAX_LINE = 78
"""Widest line of a command, in characters; a long path alone may be wider."""
MOST_GROWTH = 8
"""By how many times more tasks a pilot is worth repeating."""
PILOT_FLAGS = tuple(
    field.name
    for settings in (CandidateSettings, WeightSettings, PilotSettings)
    for field in fields(settings)
)
"""Settings of a pilot that a repetition keeps."""
VERIFIER_FLAGS = ("verifier", "unsafe_no_namespaces")
SAMPLING_FLAGS = ("weights", "temperature", "max_tokens")


def train_command(config: AdviseConfig, advice: Advice) -> str:
    """Return the command line that trains with the recommended setup at equal tokens per step."""
    best = advice.best
    rows = advice.row(best), advice.row(advice.reference)
    per_task = rows[1].tokens_per_task / max(1e-9, rows[0].tokens_per_task)
    tasks_per_step = max(1, round(TrainConfig.tasks_per_step * per_task))
    values: dict[str, object] = {
        **_subject_flags(config),
        "allocator": best.allocator,
        **({"allocator_args": best.arguments} if best.arguments else {}),
        "optimizer": best.optimizer,
        "group_size": best.group_size,
        "tasks_per_step": tasks_per_step,
    }
    if best.num_samples:
        run = replace(TrainConfig(), **asdict(config.team), allocator=best.allocator)
        names = ("removed_samples", "branch_samples")
        values |= {name: best.num_samples for name in names if what_reads(run, name) is None}
    return f"ccpo train {_joined(values)}"


def piloted(config: AdviseConfig) -> str:
    """Return the flags of what a pilot is of: model, tasks, team, weights and group size."""
    return _joined(_subject_flags(config) | {"group_size": config.group_size})


def repeat_command(config: AdviseConfig, advice: Advice) -> str | None:
    """Return the command line of a pilot with enough groups for rows of the first table.

    Enough for the most demanding row that needs at most MOST_GROWTH times the tasks of this pilot.
    None if no row does, or the sketches of so many tasks need too much memory.
    """
    needed = [
        count
        for row in advice.credit_rows
        if row.efficiency.value is None and (count := row.efficiency.tasks_needed) is not None
    ]
    within = [count for count in needed if count <= MOST_GROWTH * advice.num_tasks]
    if not within:
        return None
    groups = 1 << (max(*within, config.groups + 1) - 1).bit_length()
    larger = replace(config, groups=groups)
    try:
        larger.check_memory(taskless_env(config.team).unwrapped.topology)
    except ValueError:
        return None
    policy = config.policy or "tiny"  # new rollouts, also of a run whose recorded ones were read
    subject = {"policy": policy, "tasks": config.tasks or "arithmetic"}
    flags = _team_flags(config) | _changed(config, VERIFIER_FLAGS, TrainConfig)
    changed = _changed(larger, PILOT_FLAGS, AdviseConfig) | {"groups": groups}
    return f"ccpo advise {_joined(subject | flags | changed)}"


def in_lines(command: str) -> str:
    """Return a command line with a backslash at the end of each line but the last.

    A flag and its values stay on one line.
    """
    parts: list[str] = []
    for word in shlex.split(command):
        quoted = shlex.quote(word)
        if parts and not word.startswith("--"):
            parts[-1] += f" {quoted}"
        else:
            parts.append(quoted)
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) + 3 <= MAX_LINE:
            lines[-1] += f" {part}"
        else:
            lines.append(f"    {part}")
    return " \\\n".join(lines)


def _subject_flags(config: AdviseConfig) -> dict[str, object]:
    """Return the flags of model, tasks, team, weights and sampling."""
    return {
        "policy": config.policy or "tiny",
        "tasks": config.tasks or "arithmetic",
        **_team_flags(config),
        **_changed(config, (*VERIFIER_FLAGS, *SAMPLING_FLAGS), TrainConfig),
        **({"lora_rank": config.lora_rank} if config.weights == "lora" else {}),
    }


def _team_flags(config: AdviseConfig) -> dict[str, object]:
    team = config.team
    sizes = [name for name in TEAM_SIZES if unread_size(team, name) is None]
    return {"topology": team.topology, **{name: getattr(team, name) for name in sizes}}


def _changed(config: AdviseConfig, names: Sequence[str], defaults: type) -> dict[str, object]:
    given = {name: getattr(config, name) for name in names}
    return {name: value for name, value in given.items() if value != getattr(defaults, name)}


def _joined(values: Mapping[str, object]) -> str:
    """Return flags with their values, quoted for a shell."""
    pairs = values.items()
    return shlex.join([word for name, own in pairs for word in (flag_of(name), *_words(own))])


def _words(value: object) -> list[str]:
    """Return the words after a flag; none for a switch."""
    if value is True:
        return []
    if isinstance(value, tuple):
        return [word for own in value for word in _words(own)]
    return [str(value)]
