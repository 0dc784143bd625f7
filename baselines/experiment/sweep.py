"""Sweeps: parallel runs whose results are appended to a JSONL file, so that a sweep can resume."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from rich.console import Console
from rich.progress import Progress, TextColumn

from baselines.common.files import CONFIG_FILE, write_json
from baselines.common.jsonl import append_row, read_rows, truncate_torn_line
from baselines.common.workers import waiting_for_workers, worker_pool
from baselines.experiment.remaining_time import RemainingTime

RUNS_FILE = "runs.jsonl"
"""File name, in the folder of a sweep; one JSON object per finished run."""


class SweepResult(Protocol):
    """The result of a run, with the key of the run; serializable as JSON."""

    @property
    def key(self) -> Hashable:
        """Key of the run, unique in the sweep."""

    @property
    def seconds(self) -> float:
        """Time that the run took."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the result from the values of `to_json`."""


Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result", bound=SweepResult)


def keep_settings(out_dir: Path, settings: Mapping[str, object]) -> None:
    """Write the settings of all runs in a folder to config.json, or check that they are equal.

    Args:
        out_dir: The folder of the sweep.
        settings: JSON values; sequences may be tuples.

    Raises:
        ValueError: If the folder holds runs with other settings.
        StorageError: If the file cannot be written.
    """
    path = out_dir / CONFIG_FILE
    shared = json.loads(json.dumps(settings))
    has_runs = (out_dir / RUNS_FILE).exists()
    if has_runs and path.exists() and json.loads(path.read_text(encoding="utf-8")) != shared:
        raise ValueError(
            f"out_dir must hold runs with these settings, got others in {path}; pass another "
            f"--out-dir"
        )
    write_json(path, shared)


def run_sweep(
    run_once: Callable[[Key], Result],
    keys: Sequence[Key],
    result_type: type[Result],
    *,
    path: Path,
    num_workers: int,
) -> Iterator[Result]:
    """Yield the results of all runs: first those in the file, then new ones as they finish.

    Each new result is appended to the file before it is yielded, so that the same call resumes an
    interrupted sweep.

    Args:
        run_once: Executes one run; picklable if there are several workers.
        keys: Keys of the runs.
        result_type: Type of the results, which parses them from the file.
        path: The file; it is created with the first result.
        num_workers: Number of parallel runs, each in its own process; 1: in this process.

    Raises:
        StorageError: If a result cannot be written.
    """
    truncate_torn_line(path)
    known = {result.key: result for result in read_results(path, result_type)}
    yield from (known[key] for key in keys if key in known)
    missing = [key for key in keys if key not in known]
    with closing(_results(run_once, missing, num_workers)) as results:
        for result in results:
            append_row(path, result.to_json())
            yield result


def with_progress(
    results: Iterable[Result],
    total: int,
    console: Console,
    *,
    num_workers: int,
    num_known: int = 0,
    clock: Callable[[], float] = time.monotonic,
) -> list[Result]:
    """Return all results, and show how many of the runs are finished and the time they will take.

    Args:
        results: Results as they become known, those of an earlier call first.
        total: Number of all runs.
        console: Shows a progress bar and, once the first run of this call or the runs of an earlier
            call are known, the estimate on a line of its own.
        num_workers: Number of parallel runs.
        num_known: Number of results of an earlier call.
        clock: Returns the time in seconds.
    """
    found: list[Result] = []
    remaining = RemainingTime(total, num_workers, clock=clock)
    columns = (*Progress.get_default_columns()[:-1], TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("runs", total=total, left="")
        for result in results:
            found.append(result)
            remaining.add(result.seconds)
            progress.update(bar, completed=len(found), left=remaining)
            if len(found) == max(num_known, 1) and len(found) < total:
                at_a_time = f", {num_workers} at a time" if num_workers > 1 else ""
                text = f"{len(found)} of {total} runs finished; {remaining}{at_a_time}"
                progress.console.print(text, highlight=False)
    return found


def num_finished(path: Path, keys: Sequence[Key], result_type: type[Result]) -> int:
    """Return how many of the runs are in the file of an earlier call."""
    known = {result.key for result in read_results(path, result_type)}
    return sum(key in known for key in keys)


def read_results(path: Path, result_type: type[Result]) -> list[Result]:
    """Return the results in a file, none if there is no file; a torn last line is left out."""
    return [result_type.from_json(row) for row in read_rows(path)]


def _results(
    run_once: Callable[[Key], Result], keys: Sequence[Key], num_workers: int
) -> Generator[Result, None, None]:
    if num_workers == 1 or not keys:
        yield from map(run_once, keys)
        return
    pool = worker_pool(min(num_workers, len(keys)))
    waiting = iter(keys)
    try:
        # Runs already given to a worker continue after an error, so none is queued in advance.
        going = {pool.submit(run_once, key) for key in islice(waiting, num_workers)}
        while going:
            with waiting_for_workers():
                done, going = wait(going, return_when=FIRST_COMPLETED)
                going |= {pool.submit(run_once, key) for key in islice(waiting, len(done))}
            for future in done:
                with waiting_for_workers():
                    result = future.result()
                yield result
    finally:
        pool.shutdown(cancel_futures=True)
