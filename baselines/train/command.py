"""``python -m baselines.train``: train a team and write a report of the run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from baselines.common.checks import flag_of
from baselines.common.command import command
from baselines.common.command_line import Given, parse
from baselines.common.errors import exit_on_bad_input, print_message
from baselines.common.files import CONFIG_FILE, as_written, read_object
from baselines.train.config import FIRST_FLAGS, TrainConfig
from baselines.train.config_file import read_settings, with_settings
from baselines.train.presets import preset
from baselines.train.resumed_config import expect_known_settings
from baselines.train.unread import expect_read, what_reads


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and train; flags and their help come from TrainConfig."""
    config = read_config(arguments)
    with exit_on_bad_input():
        from baselines.train.training_run import train  # loads torch
    return train(config)


def read_config(arguments: Sequence[str] | None) -> TrainConfig:
    """Return the validated config of a run; exit if it is invalid."""
    return parse(TrainConfig, arguments, "ccpo train", first=FIRST_FLAGS, settle=settle)


def settle(given: Given) -> TrainConfig:
    """Return the config of a run from the parsed command line.

    Flags override the settings of a resumed run or, in a new run, those of the config file, which
    override those of the preset. Settings of a file or preset that have no effect because of the
    flags are reset to their defaults.

    Raises:
        ValueError: If a file or a preset cannot be read, or a setting has no effect.
    """
    chosen = preset(given["preset"]) if given.get("preset") else {}
    written = read_settings(given["config"]) if given.get("config") else {}
    start = with_settings(TrainConfig(), {**chosen, **written})
    out_dir = given.get("out_dir", start.out_dir)
    saved = None if out_dir is None else out_dir / CONFIG_FILE
    resume = given.get("resume", "no")
    if resume == "auto" and saved is not None:
        resume = "yes" if saved.exists() else "no"
    if resume == "yes" and saved is not None and saved.exists():
        of_run = read_object(saved)
        expect_known_settings(of_run, saved.parent)
        with as_written(saved.parent):
            start = with_settings(start, of_run)
    config = replace(start, **{**given, "resume": resume})
    config.check()
    for name, needed in expect_read(config, given).items():
        print_message("warning", f"{flag_of(name)} has no effect in this run; pass {needed}")
    _expect_layer_read(TrainConfig(), chosen, config)
    _expect_layer_read(with_settings(TrainConfig(), chosen), written, config)
    unset = {name for name in {**chosen, **written} if what_reads(config, name) is not None}
    return replace(config, **{name: getattr(TrainConfig(), name) for name in unset - {*given}})


def _expect_layer_read(
    below: TrainConfig, settings: Mapping[str, Any], config: TrainConfig
) -> None:
    """Check that each setting of a preset or file has an effect, alone or in the complete config.

    A flag may disable a setting of a preset, or enable one that has no effect in its file alone.
    """
    own = with_settings(below, settings)
    try:
        own.check()
        expect_read(own, settings)
    except ValueError:
        expect_read(config, settings)


if __name__ == "__main__":
    sys.exit(main())
