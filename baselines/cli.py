"""``ccpo``: the scripts under one command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from ccpo_env.errors import unknown_name


def _train(arguments: Sequence[str]) -> int:
    from baselines.train import main

    return main(arguments)


def _evaluate(arguments: Sequence[str]) -> int:
    from baselines.evaluate import main

    return main(arguments)


def _bench(arguments: Sequence[str]) -> int:
    from baselines.bench import main

    return main(arguments)


def _experiment(arguments: Sequence[str]) -> int:
    from baselines.experiment import main

    return main(arguments)


def _train_sb3(arguments: Sequence[str]) -> int:
    from baselines.train_sb3 import main

    return main(arguments)


def _compare(arguments: Sequence[str]) -> int:
    from baselines.compare import main

    return main(arguments)


def _play(arguments: Sequence[str]) -> int:
    from baselines.play import main

    return main(arguments)


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
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
        return 0 if given else 2
    if given[0] not in COMMANDS:
        print(f"error: {unknown_name('command', given[0], COMMANDS)}", file=sys.stderr)
        return 2
    return COMMANDS[given[0]](given[1:])


if __name__ == "__main__":
    sys.exit(main())
