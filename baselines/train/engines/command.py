"""``python -m baselines.train.engines``: `ccpo train` in several processes and with servers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields

from baselines.common.command import command
from baselines.common.command_line import Given, parse
from baselines.common.errors import exit_on_bad_input
from baselines.train.command import settle as settle_training
from baselines.train.config import FIRST_FLAGS, TrainConfig
from baselines.train.engines.config import EnginesConfig, ProcessSettings

PROGRAM = "python -m baselines.train.engines"

FIRST = (*(field.name for field in fields(ProcessSettings)), *FIRST_FLAGS)
"""Flags in --help; --help-all shows all."""


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Train in this process, one of those that a launcher has started."""
    config = parse(EnginesConfig, arguments, PROGRAM, first=FIRST, settle=settle)
    with exit_on_bad_input():
        from baselines.train.engines.member import train  # loads torch
    return train(config)


def settle(given: Given) -> EnginesConfig:
    """Return the config from the parsed command line; see `baselines.train.command.settle`.

    Raises:
        ValueError: If a value is invalid.
    """
    own = {f.name for f in fields(ProcessSettings)}
    training = settle_training({key: value for key, value in given.items() if key not in own})
    rest = {key: value for key, value in given.items() if key in own}
    known = {f.name: getattr(training, f.name) for f in fields(TrainConfig)}
    return EnginesConfig(**known, **rest)


if __name__ == "__main__":
    sys.exit(main())
