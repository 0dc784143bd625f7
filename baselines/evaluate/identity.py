"""The settings that identify an evaluation; with equal settings, the same episodes are played."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.policies.checkpoints import CHECKPOINTS, newest_checkpoint
from baselines.policies.endpoint.address import ENDPOINT_PREFIX, parse_endpoint
from ccpo_env.types import Task


def settings_of(
    policy: str, benchmarks: Mapping[str, Sequence[Task]], chosen: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings that a journal stores.

    Args:
        policy: Value of --policy.
        benchmarks: Maps a name to its tasks, which are identified by their texts, not their file.
        chosen: All other settings, as JSON values.
    """
    texts = {
        name: _digest([_texts_of(task) for task in tasks]) for name, tasks in benchmarks.items()
    }
    settings = {"policy": policy_identity(policy), "tasks": texts, **chosen}
    as_json: dict[str, Any] = json.loads(json.dumps(settings))
    return as_json


def _texts_of(task: Task) -> list[object]:
    """Return the texts of a task that prompts or verifiers read, by which it is identified."""
    further = [task.choices, task.context, task.answers, task.tests]
    return [task.id, task.question, task.answer, *(further if any(further) else [])]


def policy_identity(policy: str) -> str:
    """Return an identifier of a policy that is cheap to compute.

    A folder is identified by the names and sizes of the files of its newest checkpoint, a server by
    the requested model, not by its address. Weights are not read.
    """
    if policy.startswith(ENDPOINT_PREFIX):
        config = parse_endpoint(policy)
        return f"{ENDPOINT_PREFIX}{config.server}/{config.api}#{config.model or 'the only model'}"
    place = Path(policy)
    folder = newest_checkpoint(place / CHECKPOINTS) or place
    files = sorted(f for f in (folder.rglob("*") if folder.is_dir() else [folder]) if f.is_file())
    if not files:
        return policy
    sizes = [[str(file.relative_to(place.parent)), file.stat().st_size] for file in files]
    return f"{policy} ({folder.name}, {_digest(sizes)[:12]})"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
