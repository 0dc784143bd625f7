"""Many runs: in parallel, each written when it is done, none made twice, one set of settings."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import pytest
from rich.console import Console

from baselines.common.command import command
from baselines.common.errors import StorageError, Terminated
from baselines.common.jsonl import read_rows
from baselines.experiment import sweep
from baselines.experiment.remaining_time import RemainingTime
from baselines.experiment.sweep import (
    RUNS_FILE,
    keep_settings,
    num_finished,
    read_results,
    run_sweep,
    with_progress,
)


@dataclass(frozen=True)
class Squared:
    """The square of a number, and the process that computed it."""

    key: int
    square: int
    process: int = 0

    @property
    def seconds(self) -> float:
        return 60.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Squared:
        return cls(**values)


def square(key: int) -> Squared:
    return Squared(key, key * key, os.getpid())


@pytest.fixture
def path(tmp_path):
    return tmp_path / RUNS_FILE


def swept(path, keys, *, run_once=square, num_workers=1):
    return run_sweep(run_once, keys, Squared, path=path, num_workers=num_workers)


def squares(path, keys, **settings):
    return {run.key: run.square for run in swept(path, keys, **settings)}


@pytest.mark.parametrize("num_workers", [1, 2])
def test_run_sweep_makes_each_run_once_and_writes_it(path, num_workers):
    assert squares(path, [3, 1, 2], num_workers=num_workers) == {3: 9, 1: 1, 2: 4}
    found = read_results(path, Squared)
    assert sorted(run.key for run in found) == [1, 2, 3]
    assert all((run.process == os.getpid()) == (num_workers == 1) for run in found)
    assert squares(path, [3, 1, 2, 4])[4] == 16
    assert read_results(path, Squared)[:3] == found
    assert [run.key for run in read_results(path, Squared)[3:]] == [4]


def test_run_sweep_yields_finished_runs_first_and_leaves_runs_of_other_keys(path):
    assert squares(path, [2, 1]) == {2: 4, 1: 1}
    assert [run.key for run in swept(path, [5, 1])] == [1, 5]
    assert [run.key for run in read_results(path, Squared)] == [2, 1, 5]


@pytest.mark.parametrize("num_bytes", [1, 12])
def test_run_sweep_makes_the_run_of_a_torn_last_line_again(path, num_bytes):
    assert squares(path, [1, 2]) == {1: 1, 2: 4}
    whole = path.read_bytes()
    path.write_bytes(whole[:-num_bytes])
    assert [run.key for run in read_results(path, Squared)] == [1]
    made = []

    def count(key):
        made.append(key)
        return square(key)

    assert squares(path, [1, 2], run_once=count) == {1: 1, 2: 4}
    assert made == [2]
    assert path.read_bytes() == whole


def fail_at(failing: int, key: int) -> Squared:
    if key == failing:
        raise RuntimeError(f"no square of {key}")
    return square(key)


def test_run_that_fails_ends_the_sweep_and_finished_runs_are_not_made_again(path):
    with pytest.raises(RuntimeError, match="no square of 3"):
        squares(path, [1, 2, 3, 4], run_once=partial(fail_at, 3))
    assert [row["key"] for row in read_rows(path)] == [1, 2]
    assert squares(path, [1, 2, 4], run_once=partial(fail_at, 2)) == {1: 1, 2: 4, 4: 16}


def test_interrupted_sweep_in_this_process_starts_no_further_run(path):
    made = []

    def count(key):
        made.append(key)
        return square(key)

    going = swept(path, [1, 2, 3], run_once=count)
    first = next(going)
    going.close()  # as a KeyboardInterrupt does
    assert made == [1]
    assert read_results(path, Squared) == [first]


def test_interrupted_sweep_in_processes_starts_no_further_run(path, monkeypatch):
    submitted, ended = [], []

    class Pool:
        """Finishes the first run; the others are still going."""

        def __init__(self, num_workers):
            assert num_workers == 2

        def submit(self, run_once, key):
            submitted.append(key)
            future = Future()
            if key == 1:
                future.set_result(run_once(key))
            return future

        def shutdown(self, **settings):
            ended.append(settings)

    monkeypatch.setattr(sweep, "worker_pool", Pool)
    going = swept(path, [1, 2, 3, 4, 5, 6], num_workers=2)
    first = next(going)
    assert submitted == [1, 2, 3]  # two at a time, and none in advance
    going.close()  # as a KeyboardInterrupt does
    assert submitted == [1, 2, 3]
    assert ended == [{"cancel_futures": True}]
    assert read_results(path, Squared) == [first]


def end_parent(number, _key):
    os.kill(os.getppid(), number)
    time.sleep(600)


def test_signal_ends_a_sweep_and_its_workers(path):
    run_once = partial(end_parent, signal.SIGTERM)
    with pytest.raises(Terminated):
        command(lambda: len(list(swept(path, [1], run_once=run_once, num_workers=2))))()
    assert not multiprocessing.active_children()


def test_worker_that_is_killed_ends_a_sweep_in_one_line(path, monkeypatch, capsys):
    class Pool:
        """Finishes the first run; then a worker is killed."""

        def __init__(self, _num_workers):
            self.results = [{"result": square(1)}, {"exception": BrokenProcessPool()}]

        def submit(self, _run_once, _key):
            future = Future()
            for kind, value in self.results.pop(0).items():
                getattr(future, f"set_{kind}")(value)
            return future

        def shutdown(self, **settings):
            pass

    monkeypatch.setattr(sweep, "worker_pool", Pool)
    assert command(lambda: len(list(swept(path, [1, 2], num_workers=2))))() == 1
    error = capsys.readouterr().err
    assert error.startswith("error: worker processes must run to their end, got one that was kill")
    assert error.count("\n") == 1


def test_run_sweep_on_a_full_disk_is_a_storage_error_and_keeps_what_was_written(path, monkeypatch):
    going = swept(path, [1, 2])
    first = next(going)

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StorageError, match=r"No space left .*runs\.jsonl"):
            next(going)
    assert read_results(path, Squared) == [first]
    assert squares(path, [1, 2]) == {1: 1, 2: 4}


def test_keep_settings_writes_them_and_refuses_others_once_there_are_runs(tmp_path):
    keep_settings(tmp_path, {"steps": 3, "rates": (0.1, 0.2)})
    file = tmp_path / "config.json"
    assert json.loads(file.read_text(encoding="utf-8")) == {"steps": 3, "rates": [0.1, 0.2]}
    keep_settings(tmp_path, {"steps": 4})  # there are no runs yet
    (tmp_path / RUNS_FILE).write_text("", encoding="utf-8")
    keep_settings(tmp_path, {"steps": 4})
    with pytest.raises(ValueError, match="out_dir must hold runs with these settings, got others"):
        keep_settings(tmp_path, {"steps": 5})
    assert json.loads(file.read_text(encoding="utf-8")) == {"steps": 4}


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("finished", "num_workers", "expected"),
    [
        ([], 1, "time unknown before the first run"),
        ([30.0], 1, "about 4 min left"),  # 9 runs of 30 s
        ([10.0], 2, "about 45 s left"),
        ([100.0, 300.0], 2, "about 13 min left"),  # 8 runs of 200 s, two at a time
        ([100.0] * 9, 4, "about 100 s left"),  # the last one takes its whole time
        ([1000.0], 1, "about 2.5 h left"),
        ([30.0] * 10, 2, "about 0 s left"),
    ],
)
def test_remaining_time_is_that_of_the_missing_runs(finished, num_workers, expected):
    remaining = RemainingTime(10, num_workers, clock=FakeClock())
    for seconds in finished:
        remaining.add(seconds)
    assert str(remaining) == expected


def test_remaining_time_counts_down_between_runs():
    clock = FakeClock()
    remaining = RemainingTime(3, 1, clock=clock)
    assert remaining.seconds is None
    clock.now = 40.0
    remaining.add(40.0)
    assert remaining.seconds == 80.0
    clock.now = 70.0
    assert remaining.seconds == 50.0
    clock.now = 500.0
    assert remaining.seconds == 0.0


def test_with_progress_prints_an_estimate_after_the_first_run(capsys):
    clock, console = FakeClock(), Console(width=80)
    results = (Squared(key, key * key) for key in range(4))
    found = with_progress(results, 4, console, num_workers=2, clock=clock)
    assert len(found) == 4
    # 3 runs of 60 s, two at a time
    assert "1 of 4 runs finished; about 90 s left, 2 at a time" in capsys.readouterr().out


def test_with_progress_of_a_resumed_sweep_estimates_from_all_finished_runs(path, capsys):
    squares(path, [1, 2, 3])
    keys = [1, 2, 3, 4, 5]
    known = num_finished(path, keys, Squared)
    assert known == 3
    console = Console(width=80)
    with_progress(swept(path, keys), 5, console, num_workers=1, num_known=known, clock=FakeClock())
    printed = capsys.readouterr().out
    assert "3 of 5 runs finished; about 2 min left" in printed
    assert "1 of 5" not in printed
    with_progress(swept(path, keys), 5, console, num_workers=1, num_known=5, clock=FakeClock())
    assert "runs finished" not in capsys.readouterr().out
