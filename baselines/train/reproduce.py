"""The command line that reproduces a run: the flags that differ from the defaults."""

from __future__ import annotations

import shlex
from dataclasses import asdict

from baselines.common.checks import flag_of
from baselines.train.config import TrainConfig

_OF_ONE_RUN = {"config", "preset", "resume", "out_dir"}
"""Settings that say where a run comes from and goes to."""


def command(config: TrainConfig) -> str:
    """Return the command, which `ccpo train` reads back as the same config."""
    words = ["ccpo", "train"]
    defaults = asdict(TrainConfig())
    for name, value in asdict(config).items():
        if name in _OF_ONE_RUN or value == defaults[name] or value is None:
            continue
        flag = flag_of(name)
        if isinstance(value, bool):
            words += [flag] if value else []  # flags are off by default
        elif isinstance(value, dict):
            words += [flag, *(str(part) for pair in value.items() for part in pair)]
        elif isinstance(value, (list, tuple)):
            words += [flag, *map(str, value)]
        elif str(value).startswith("--"):
            words.append(f"{flag}={value}")
        else:
            words += [flag, str(value)]
    return shlex.join(words)
