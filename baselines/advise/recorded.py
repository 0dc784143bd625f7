"""Pilots of rollouts that a run has recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from baselines.advise.pilot import Played
from baselines.advise.settings import AdviseConfig
from baselines.common.files import CONFIG_FILE


def settings_of_run(config: AdviseConfig) -> AdviseConfig:
    """Return the config, with the team, tasks and sampling of the run that it names, if any."""
    from pathlib import Path

    run = config.from_ or Path(config.policy or "tiny")
    path = run / CONFIG_FILE
    saved: Mapping[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    if "topology" not in saved:  # the folder of a model has a config.json of its own
        saved = {}
    return replace(
        config.of_run(saved),
        policy=config.policy or (str(config.from_) if config.from_ else "tiny"),
        tasks=config.tasks or saved.get("tasks", "arithmetic"),
    )


def recorded_pilot(config: AdviseConfig, on_progress: Callable[[str], None]) -> Played:
    raise NotImplementedError
