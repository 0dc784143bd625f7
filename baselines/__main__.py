"""``ccpo``: every command under one name."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version

from baselines.common.errors import BAD_INPUT, STOPPED, print_message
from baselines.common.output import OutputError, guarded_output

COMMANDS: Mapping[str, tuple[str, str]] = {
    "train": ("baselines.train.command", "Train a team with per-agent credit."),
    "evaluate": ("baselines.evaluate.command", "Evaluate a team, and what each agent adds to it."),
    "advise": (
        "baselines.advise.command",
        "Measure which credit is worth its tokens, before training.",
    ),
    "report": ("baselines.report.command", "Write the page of training runs again."),
    "compare": ("baselines.compare.command", "Compare training runs and evaluations on one page."),
    "explore": ("baselines.explore.command", "Look at the credit of a run, message by message."),
    "audit": (
        "baselines.audit.command",
        "Find the formula of the advantages in the file of any trainer.",
    ),
    "play": ("baselines.evaluate.human_play", "Play one agent of a team yourself."),
    "bench": ("baselines.bench.command", "Measure speed, and the accuracy of credit."),
    "experiment": (
        "baselines.experiment.command",
        "Compare allocators and optimizers over seeds, at equal cost.",
    ),
    "train_sb3": (
        "baselines.train_sb3.command",
        "Train one role of the signal game with Stable-Baselines3.",
    ),
}
"""By name: the module whose main runs it, and one line of help. --help imports none of them."""


def usage() -> str:
    """Return what --help prints."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name.ljust(width)}{text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: ccpo COMMAND [flags]",
            "",
            "commands:",
            *lines,
            "",
            "ccpo COMMAND --help shows the flags of a command; ccpo --version shows the version.",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands: ``ccpo train --help``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        return _say(usage()) if given else _say(usage()) or BAD_INPUT
    if given[0] == "--version":
        return _say(f"ccpo {version('ccpo-env')}")
    if given[0] not in COMMANDS:
        close = difflib.get_close_matches(given[0], COMMANDS, n=1)
        remedy = f"did you mean {close[0]!r}?" if close else "see ccpo --help"
        names = ", ".join(COMMANDS)
        print_message("error", f"command must be one of {names}, got {given[0]!r}; {remedy}")
        return BAD_INPUT
    module, _ = COMMANDS[given[0]]
    code: int = import_module(module).main(given[1:])
    return code


def _say(text: str) -> int:
    """Print a text and return 0, or the exit code of output that cannot be written."""
    try:
        with guarded_output():
            print(text)
    except OutputError as error:
        print_message("error", str(error))
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
