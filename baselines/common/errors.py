"""Turns errors of the input, missing packages and Ctrl-C into one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

BAD_INPUT = 2
"""Exit code for arguments and files that cannot be used."""
INTERRUPTED = 130
"""Exit code of a program that Ctrl-C has ended."""
OURS = ("baselines", "ccpo_env")


@contextmanager
def exit_on_bad_input() -> Iterator[None]:
    """Print an error of the input as one sentence and exit, instead of a traceback.

    Wraps reading arguments, files and checkpoints, and nothing else: an error after that is ours.
    """
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError) as error:
        # Libraries spread theirs over several lines.
        told = missing_package(error, "baselines") or " ".join(str(error).split())
        print(f"error: {told}", file=sys.stderr)
        sys.exit(BAD_INPUT)


def missing_package(error: BaseException, program: str) -> str | None:
    """Return what to install if one of our modules imports a package that is not there.

    Args:
        error: What was raised.
        program: What cannot start, for the sentence.

    Returns:
        One sentence; None for any other error, as that of a package that misses one of its own.
    """
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    if _is_ours(error.name) or not _is_ours(_last_module(error.__traceback__)):
        return None
    return (
        f"{program} must have the packages of the extra hf installed, got no {error.name!r}; "
        f"pip install 'ccpo-env[hf]'"
    )


def is_command(argv: Sequence[str]) -> bool:
    """Return whether Python is about to run a command of ours, or any other with ``python -m``.

    Args:
        argv: `sys.argv` while the package is imported: "-m" stands in place of the name of the
            module until Python has found it.
    """
    return argv[:1] == ["-m"] or (bool(argv) and Path(argv[0]).stem == "ccpo")


def report_and_exit(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Print a missing package or Ctrl-C as one line, and any other error as Python does.

    Takes the place of `sys.excepthook` in a command, whose imports may fail or be interrupted
    before any line of it could catch that.
    """
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    told = missing_package(error, "baselines")
    if told is None:
        sys.__excepthook__(kind, error, traceback)
        return
    print(f"error: {told}", file=sys.stderr)
    sys.exit(BAD_INPUT)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in OURS


def _last_module(traceback: TracebackType | None) -> str:
    """Return the module that raised; a script has its own name in its spec only."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    spec = None if traceback is None else traceback.tb_frame.f_globals.get("__spec__")
    return "" if spec is None else spec.name
