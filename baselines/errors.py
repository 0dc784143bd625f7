"""The border between a program and the person at its command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

BAD_INPUT = 2
"""Exit code for arguments and files that cannot be used."""


@contextmanager
def exit_on_bad_input() -> Iterator[None]:
    """Print an error of the input as one sentence and exit, instead of a traceback.

    Wraps reading arguments, files and checkpoints, and nothing else: an error after that is ours.
    """
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError) as error:
        # Libraries spread theirs over several lines.
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(BAD_INPUT)
