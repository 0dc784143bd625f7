"""``ccpo``: the scripts under one command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from baselines.common.errors import BAD_INPUT, missing_package
from ccpo_env.errors import unknown_name

Script = Callable[[Sequence[str]], int]


def _train() -> Script:
    from baselines.train.command import main

    return main


def _evaluate() -> Script:
    from baselines.evaluate.command import main

    return main


def _bench() -> Script:
    from baselines.bench import main

    return main


def _experiment() -> Script:
    from baselines.experiment import main

    return main


def _train_sb3() -> Script:
    from baselines.train_sb3.command import main

    return main


def _compare() -> Script:
    from baselines.compare.command import main

    return main


def _play() -> Script:
    from baselines.evaluate.human_play import main

    return main


COMMANDS: Mapping[str, Callable[[], Script]] = {
    "train": _train,
    "evaluate": _evaluate,
    "compare": _compare,
    "play": _play,
    "bench": _bench,
    "experiment": _experiment,
    "train_sb3": _train_sb3,
}
"""Each imports its script when it is called, so that --help needs no torch."""

USAGE = f"usage: ccpo {{{','.join(COMMANDS)}}} [flags]; each takes --help"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the scripts: ``ccpo train --help``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if given else BAD_INPUT
    if given[0] not in COMMANDS:
        print(f"error: {unknown_name('command', given[0], COMMANDS)}", file=sys.stderr)
        return BAD_INPUT
    try:
        script = COMMANDS[given[0]]()
    except ModuleNotFoundError as error:
        told = missing_package(error, f"ccpo {given[0]}")
        if told is None:
            raise
        print(f"error: {told}", file=sys.stderr)
        return BAD_INPUT
    return script(given[1:])


if __name__ == "__main__":
    sys.exit(main())
