"""What every command has in common: locked folders, signals, one line when it cannot go on."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from baselines.common.errors import (
    STOPPED,
    RolloutError,
    StorageError,
    WorkerError,
    is_lost_peer,
    is_out_of_memory,
    lost_peer_message,
    memory_message,
    print_message,
)
from baselines.common.folder_lock import locks_until_end
from baselines.common.output import OutputError, guarded_output
from baselines.common.signals import ending_signals

Parameters = ParamSpec("Parameters")


def command(main: Callable[Parameters, int]) -> Callable[Parameters, int]:
    """Decorate the main function of a command.

    While it runs, no other process can write in its output folders, SIGTERM and SIGHUP raise an
    exception, and its output is guarded. It returns 1 after one line if a file or the output can
    no longer be written, memory is exhausted, a worker process was killed, or no rollout can be
    measured.
    """

    @wraps(main)
    def run(*arguments: Parameters.args, **named: Parameters.kwargs) -> int:
        try:
            with ending_signals(), locks_until_end(), guarded_output():
                return main(*arguments, **named)
        except (StorageError, OutputError, WorkerError, RolloutError) as error:
            print_message("error", str(error))
            return STOPPED
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                print_message("error", memory_message(error))
            elif is_lost_peer(error):
                print_message("error", lost_peer_message(error))
            else:
                raise
            return STOPPED

    return run
