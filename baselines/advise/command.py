"""``python -m baselines.advise``: which credit, optimizer and group size are worth their tokens."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from baselines.advise.advice import Advice, advise
from baselines.advise.commands import in_lines, repeat_command, train_command
from baselines.advise.missing import missing_rows
from baselines.advise.pilot_data import orthogonal_sketches
from baselines.advise.settings import AdviseConfig
from baselines.advise.tables import grids
from baselines.advise.wording import LEGEND, recommendation, source_text, warnings
from baselines.common.command import command
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import as_written, make_folder
from baselines.common.terminal import Terminal

if TYPE_CHECKING:
    from baselines.advise.pilot import Played

FIRST_FLAGS = (
    *("policy", "tasks", "from_", "groups", "group_size", "samples", "seed", "out_dir"),
    *("topology", "num_thinkers", "num_voters", "weights", "max_tokens", "ratings", "optimizer"),
)
"""Flags in ``ccpo advise --help``; ``--help-all`` shows all."""


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Play a pilot, print what it says, and write it."""
    config = parse(AdviseConfig, arguments, "ccpo advise", first=FIRST_FLAGS)
    console = Terminal()
    with exit_on_bad_input():
        from baselines.advise.pilot import play_pilot  # loads torch
        from baselines.advise.recorded import recorded_pilot, settings_of_run

        with as_written(config.from_ or Path(config.policy or "tiny")):
            config = settings_of_run(config)
        if config.out_dir is not None:
            make_folder(config.out_dir)

        def show(done: str) -> None:
            console.print(f"{done} …", highlight=False, markup=False, style="dim")

        played = play_pilot(config, show) if config.from_ is None else recorded_pilot(config, show)
        show("comparing allocators, optimizers and sizes")
        advice = advice_of(config, played)
    print_advice(console, config, advice, played)
    if config.out_dir is not None:
        from baselines.advise.output import write_outputs  # loads matplotlib

        for path in write_outputs(config.out_dir, config, advice, played):
            console.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)
    return 0


def print_advice(console: Console, config: AdviseConfig, advice: Advice, played: Played) -> None:
    """Print tables, recommendation, warnings and the next commands."""
    for grid in grids(advice):
        console.print(grid.for_terminal())
    said = [
        *LEGEND,
        missing_rows(config, advice, played),
        recommendation(advice),
        *warnings(advice, played),
        source_text(played),
    ]
    for sentence in filter(None, said):
        console.print(sentence, highlight=False, markup=False)
    repeat = repeat_command(config, advice)
    commands = {"To train:": train_command(config, advice)}
    if repeat is not None:
        commands["To measure more rows of the first table:"] = repeat
    for purpose, line in commands.items():
        console.print(purpose, highlight=False)
        console.print(in_lines(line), highlight=False, markup=False, soft_wrap=True)


def advice_of(config: AdviseConfig, played: Played) -> Advice:
    """Return the advice of a pilot."""
    data = played.data
    if data.sketches is None:
        data = replace(data, sketches=orthogonal_sketches(data.num_tokens.shape, config.seed))
    sizes = [size for size in config.group_sizes if size <= data.group_size]
    return advise(
        data,
        allocators=config.compared,
        optimizers=config.compared_optimizers,
        group_sizes=sizes,
        seed=config.seed,
    )


if __name__ == "__main__":
    sys.exit(main())
