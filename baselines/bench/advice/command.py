"""``ccpo bench advice``: pilots of a team against the table of an experiment with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

from baselines.advise.command import FIRST_FLAGS, advice_of
from baselines.advise.commands import piloted
from baselines.advise.efficiency import Efficiency
from baselines.advise.settings import AdviseConfig
from baselines.advise.wording import efficiency_text
from baselines.bench.advice.agreement import Agreement, agreement
from baselines.bench.advice.areas import Gain, read_gains
from baselines.common.checks import require_at_least
from baselines.common.command_line import parse
from baselines.common.errors import exit_on_bad_input
from baselines.common.files import make_folder, write_json
from baselines.common.wording import plural

RESULT_FILE = "advice_against_training.json"
Found = Mapping[str, Mapping[str, Efficiency]]
"""Efficiency of each allocator with the sizes of the pilot, by optimizer."""


@dataclass(frozen=True, kw_only=True)
class AgainstTrainingConfig(AdviseConfig):
    """Compare advice before training with what training found.

    The other flags are those of ccpo advise. The table names no team, so give the team and the
    tasks of its experiment. Its allocators and optimizers are compared.
    """

    table: Path
    """Table of the experiment, table.md, as ccpo experiment writes it."""
    pilots: int = 5
    """Pilots, with seeds from --seed on."""

    def check(self) -> None:
        """Raise ValueError if a name is unknown or a number out of range."""
        super().check()
        require_at_least("pilots", self.pilots, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the agreement of all pilots, and write it."""
    flags = ("table", "pilots", *FIRST_FLAGS)
    config = parse(AgainstTrainingConfig, arguments, "ccpo bench advice", first=flags)
    with exit_on_bad_input():
        from baselines.advise.recorded import settings_of_run  # loads torch

        team = settings_of_run(config)
        gains = read_gains(config.table)
        if config.out_dir is not None:
            make_folder(config.out_dir)
        print(f"Piloted: {piloted(team)}")
        print(f"This must be the team of {config.table}, which does not name it.", flush=True)
        pilots = [
            efficiencies(replace(team, seed=seed), gains)
            for seed in range(config.seed, config.seed + config.pilots)
        ]
    results = {}
    for optimizer, own in gains.items():
        found = [pilot[optimizer] for pilot in pilots]
        each = [agreement(pilot, own) for pilot in found]
        total = reduce(Agreement.plus, each)
        _print(optimizer, total, own, found)
        results[optimizer] = {
            "agreement": asdict(total),
            "right_share": total.right_share,
            "gains": {name: asdict(gain) for name, gain in own.items()},
            "pilots": [{name: asdict(one) for name, one in pilot.items()} for pilot in found],
        }
    if config.out_dir is not None:
        written = {"table": str(config.table), "piloted": piloted(team), "optimizers": results}
        write_json(config.out_dir / RESULT_FILE, written)
    return 0


def efficiencies(config: AdviseConfig, gains: Mapping[str, Mapping[str, Gain]]) -> Found:
    """Play a pilot, and return its efficiencies for the methods of a table."""
    from baselines.advise.pilot import play_pilot  # loads torch

    names = tuple(dict.fromkeys(name for own in gains.values() for name in own))
    first, *others = gains
    own = replace(config, allocators=names, optimizer=first, optimizers=tuple(others) or (first,))
    advice = advice_of(own, play_pilot(own, lambda _: None))
    most = max(row.variant.num_samples for row in advice.rows)
    return {
        optimizer: {
            row.variant.credit: row.efficiency
            for row in advice.rows
            if row.variant.optimizer == optimizer
            and row.variant.group_size == config.group_size
            and row.variant.num_samples in (0, most)
        }
        for optimizer in gains
    }


def _print(
    optimizer: str,
    total: Agreement,
    gains: Mapping[str, Gain],
    found: Sequence[Mapping[str, Efficiency]],
) -> None:
    print(f"{optimizer}, {plural(len(found), 'pilot')}")
    for name, gain in gains.items():
        texts = [efficiency_text(pilot[name]) for pilot in found if name in pilot]
        print(f"  {name:<16} gain {gain.value:+.3f} +- {gain.half_width:.3f}; {'; '.join(texts)}")
    right = total.measured - len(total.wrong)
    print(
        f"  pairs that training told apart {total.pairs}, measured by the pilots {total.measured}, "
        f"in the right order {right}{_named(total.wrong)}"
    )
    print(
        f"  efficiency excludes 1 and gain excludes 0: {total.sides}, on the same side "
        f"{total.sides - len(total.wrong_sides)}{_named(total.wrong_sides)}",
        flush=True,
    )


def _named(wrong: Sequence[Any]) -> str:
    names = sorted({own if isinstance(own, str) else " > ".join(own) for own in wrong})
    return f" (not: {', '.join(names)})" if names else ""
