"""Turns errors of the input, missing packages, no memory and Ctrl-C into one line and a code."""

from __future__ import annotations

import shutil
import signal
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Literal

STOPPED = 1
"""Exit code of a program that cannot go on: no disk or memory is left, its output is closed, or a
server refuses everything."""
BAD_INPUT = 2
"""Exit code for arguments and files that cannot be used."""
SIGNALLED = 128
"""Exit code of a program that a signal has ended, minus the number of the signal."""
INTERRUPTED = SIGNALLED + signal.SIGINT
"""Exit code of a program that Ctrl-C has ended."""
OURS = ("baselines", "ccpo_env")
NO_MEMORY = ("DefaultCPUAllocator", "out of memory", "can't start new thread")
"""What a RuntimeError says without memory: torch on a CPU, on an accelerator, and Python."""
NO_PEER = ("third_party/gloo", "Connection closed by peer", "NCCL")
"""What a RuntimeError of torch says when another process of a run has ended."""


class StorageError(OSError):
    """A file of a run cannot be written; the message gives the reason and what to do."""


class WorkerError(Exception):
    """A worker process was killed; the message says what to do."""


class RolloutError(Exception):
    """No rollout can be measured, as a server or a verifier fails; the message says why."""


class NotEnoughMemory(MemoryError):
    """Memory is exhausted; the message gives the reason and what to do."""


class Terminated(KeyboardInterrupt):
    """A signal other than Ctrl-C ends the program.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = SIGNALLED + number


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of torch or Python is an out-of-memory error."""
    text = str(error)
    is_said = isinstance(error, RuntimeError) and any(words in text for words in NO_MEMORY)
    return isinstance(error, MemoryError) or is_said


def is_lost_peer(error: BaseException) -> bool:
    """Return whether an error of torch says that another process of a run has ended."""
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_PEER)


def lost_peer_message(error: BaseException) -> str:
    """Return one sentence for an error while waiting for other processes."""
    return (
        f"all processes of a run must go on together, got {type(error).__name__} while waiting "
        f"for the others, as when one has ended; read what that one says, and pass --resume "
        f"to go on from the newest checkpoint"
    )


def memory_message(error: BaseException) -> str:
    """Return one sentence for an out-of-memory error, which says what to do."""
    if isinstance(error, NotEnoughMemory):
        return str(error)
    reason = " ".join(str(error).split()) or type(error).__name__
    return (
        f"memory must hold what the command works on, got {reason!r}; free memory or raise its "
        f"limit, or lower --tasks-per-step, --group-size or --tasks-per-batch: files saved "
        f"earlier are intact"
    )


@contextmanager
def exit_on_bad_input() -> Iterator[None]:
    """Print an input error as one line and exit, instead of a traceback.

    Use it only around code that reads arguments, files and checkpoints: a later error is a bug.
    A file that cannot be written is no error of the input; `baselines.common.command` reports it.
    """
    try:
        yield
    except StorageError:
        raise
    except (ValueError, TypeError, OSError, ImportError) as error:
        # Messages of libraries may span several lines.
        message = missing_package(error, "baselines") or " ".join(str(error).split())
        print_message("error", message)
        sys.exit(BAD_INPUT)


def print_message(kind: Literal["error", "warning"], message: str) -> None:
    """Print an error or a warning to stderr: one line, which a terminal shows without cut words."""
    line = f"{kind}: {message}"
    if not line.isprintable():  # only then, because an error may be that this cannot be imported
        from ccpo_env.text import printable

        line = printable(line)
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        line = textwrap.fill(
            line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    with suppress(OSError):  # closed, or full
        print(line, file=sys.stderr)


def missing_package(error: BaseException, program: str) -> str | None:
    """Return a message with the command to install a package that one of our modules needs.

    Args:
        error: The exception.
        program: Name of the program that cannot start.

    Returns:
        One sentence; None for other errors, including a missing dependency of another package.
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
    """Return whether Python is starting ``ccpo`` or any module with ``python -m``.

    Args:
        argv: `sys.argv` while the package is imported; its first entry is "-m" until Python has
            located the module.
    """
    return argv[:1] == ["-m"] or (bool(argv) and Path(argv[0]).stem == "ccpo")


def report_and_exit(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Print a missing package, too little memory or Ctrl-C as one line, other errors as traceback.

    Replaces `sys.excepthook` in a command, whose imports may fail or be interrupted before any
    of its own code could catch the exception.
    """
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, Terminated) else INTERRUPTED)
    if is_out_of_memory(error):
        print_message("error", memory_message(error))
        sys.exit(STOPPED)
    message = missing_package(error, "baselines")
    if message is None:
        sys.__excepthook__(kind, error, traceback)
        return
    print_message("error", message)
    sys.exit(BAD_INPUT)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in OURS


def _last_module(traceback: TracebackType | None) -> str:
    """Return the name of the module that raised; that of a script is only in its spec."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    spec = None if traceback is None else traceback.tb_frame.f_globals.get("__spec__")
    return "" if spec is None else spec.name
