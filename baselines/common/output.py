"""Standard output that may be closed or full: a command then ends in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class OutputError(Exception):
    """Standard output cannot be written; the message gives the reason."""


class _Output:
    """A stream that reports its first failure, and discards what is written after it.

    Args:
        stream: The standard output of the process.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OutputError | None = None
        self.raises = True

    def write(self, text: str) -> int:
        """Write a text, as `TextIO.write`."""
        if self.failure is None:
            try:
                self._stream.write(text)
            except UnicodeEncodeError as error:  # of a terminal that is not UTF-8
                known = text.encode(error.encoding, "backslashreplace").decode(error.encoding)
                self.write(known)
            except OSError as error:
                self._fail(error)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        if self.failure is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._fail(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _fail(self, error: OSError) -> None:
        self.failure = OutputError(
            f"standard output must be writable, got {error.strerror!r}; write it to a file or a "
            f"terminal"
        )
        # What the stream still holds would otherwise fail again at the end of the process.
        with suppress(OSError, ValueError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._stream.fileno())
            os.close(nothing)
        if self.raises:
            raise self.failure from None


@contextmanager
def guarded_output() -> Iterator[None]:
    """Raise OutputError once where standard output cannot be written, also by `print`."""
    before = sys.stdout
    guarded = _Output(before)
    sys.stdout = guarded
    try:
        yield
        guarded.flush()
    finally:
        sys.stdout = before


class OutputWatch:
    """Whether standard output has failed, instead of an exception; see `watched_output`."""

    def __init__(self) -> None:
        self._output = sys.stdout if isinstance(sys.stdout, _Output) else None

    @property
    def failure(self) -> OutputError | None:
        """The failure; None as long as there is none."""
        return None if self._output is None else self._output.failure


@contextmanager
def watched_output() -> Iterator[OutputWatch]:
    """Continue when standard output fails, for a run that then saves what it has done."""
    watch = OutputWatch()
    output = watch._output
    if output is None:
        yield watch
        return
    output.raises = False
    try:
        yield watch
    finally:
        output.raises = True
