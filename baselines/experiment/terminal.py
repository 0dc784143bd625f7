"""What ``ccpo experiment`` prints at its end: tables, conclusions and the next command."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import RenderableType

from baselines.common.stats import MIN_TESTED
from baselines.common.wording import named, plural
from baselines.evaluate.tables import Grid
from baselines.experiment.aggregate import REFERENCE, Aggregate
from baselines.experiment.tables import MEANINGS, gains_grids, verdicts

MAX_NAMED = 8
"""Most methods that a sentence names."""


def printed(found: Aggregate) -> Iterator[RenderableType]:
    """Yield the tables, which fit 80 columns and share one legend, and the sentences."""
    grids = [grid for name in ("joint", "area") for grid in gains_grids(found, name)]
    yield from (grid.for_terminal() for grid in with_one_note(grids))
    yield from verdicts(found)
    yield from conclusions(found)


def with_one_note(grids: Sequence[Grid]) -> list[Grid]:
    """Return the tables, with a note that several share only below the last of them."""
    return [
        replace(grid, note="") if any(grid.note == later.note for later in grids[place:]) else grid
        for place, grid in enumerate(grids, start=1)
    ]


def conclusions(found: Aggregate) -> list[str]:
    """Return for the accuracy at the end and over training which methods differ from shared."""
    said = []
    for quantity in ("joint", "area"):
        gains = {
            found.name_of(row): row.gains[quantity] for row in found.rows if quantity in row.gains
        }
        tested = {name: gain for name, gain in gains.items() if gain.p_value is not None}
        if not gains:
            continue
        words = f"{MEANINGS[quantity][0].upper()}{MEANINGS[quantity][1:]}"
        compared = f"{plural(len(gains), 'method')} compared with {REFERENCE} credit"
        if not tested:
            said.append(f"{words}, {compared}: no verdict, nothing was tested.")
            continue
        groups = {
            outcome: [name for name, gain in tested.items() if gain.conclusion == outcome]
            for outcome in ("above", "below", "inconclusive")
        }
        groups["not tested"] = [name for name in gains if name not in tested]
        parts = [
            f"{outcome}: {named(names, MAX_NAMED)}" for outcome, names in groups.items() if names
        ]
        said.append(f"{words}, {compared}: {'; '.join(parts)}.")
    return said


def next_commands(found: Aggregate, out_dir: Path, words: Sequence[str] = ()) -> dict[str, str]:
    """Return the commands to type next, each with what it does.

    Args:
        found: The results.
        out_dir: Folder of the experiment.
        words: The command line of the experiment.
    """
    known = [row for row in found.rows if "joint" in row.means]
    commands = {}
    seeds = [gain.num_units for row in found.rows for gain in row.gains.values()]
    if seeds and min(seeds) < MIN_TESTED:
        again = shlex.join(["ccpo", "experiment", *words, "--num-seeds", str(MIN_TESTED)])
        commands[again] = "enough seeds for a test; finished runs are kept"
    if known:
        best = max(known, key=lambda row: row.means["joint"].value)
        run = shlex.quote(str(out_dir / f"{best.allocator}_{best.optimizer}"))
        commands[
            f"ccpo train --allocator {best.allocator} --optimizer {best.optimizer} --out-dir {run}"
        ] = "a run of the method with the highest mean, to look at"
    return commands
