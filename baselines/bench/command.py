"""The command line of the benches: one by name, or without a name all speed benches."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from baselines.bench.measuring import EnvironmentBenchConfig
from baselines.bench.registry import BENCHES
from baselines.common.command import command
from baselines.common.command_line import parse
from baselines.common.errors import BAD_INPUT, print_message
from ccpo_env.errors import unknown_name


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench named by the first argument, or all speed benches."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and not given[0].startswith("-"):
        if given[0] not in BENCHES:
            print_message("error", str(unknown_name("bench", given[0], BENCHES)))
            return BAD_INPUT
        return BENCHES[given[0]](given[1:])
    _run_speed(parse(EnvironmentBenchConfig, given, "ccpo bench", description=_description()))
    return 0


def _run_speed(config: EnvironmentBenchConfig) -> None:
    from baselines.bench import environment_speed, sampler_speed, verifier_speed

    environment_speed.run(config)  # first: its memory is measured as growth of the peak
    verifier_speed.run(config)
    sampler_speed.run(config)


def _description() -> str:
    return (
        f"Measure the speed of environment, verifier and sampler, each against a reference. "
        f"One bench: ccpo bench NAME [flags], where NAME is {', '.join(BENCHES)}; each "
        f"takes --help."
    )
