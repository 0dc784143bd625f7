"""How a command ends that is told to stop, or whose output or disk cannot be written."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from baselines import __main__ as cli
from baselines.common.command import command
from baselines.common.errors import StorageError, Terminated, report_and_exit
from baselines.common.files import make_folder
from baselines.common.output import OutputError, guarded_output, watched_output
from baselines.train import command as train_command
from baselines.train.checkpoint_times import CheckpointTimes
from baselines.train.logging.progress import LiveProgress
from tests.rl.report_runs import draw_only
from tests.rl.teams import write_tasks


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Words of a command that trains for a moment; its report has no figures."""
    draw_only(monkeypatch)
    sizes = {"steps": 3, "tasks-per-step": 1, "group-size": 2, "num-eval-tasks": 2}
    others = {"eval-every": 0, "checkpoint-every": 100, "out-dir": tmp_path / "run"}
    tasks = write_tasks(tmp_path / "tasks.jsonl")
    flags = {"tasks": tasks, **sizes, **others}
    return [word for name, value in flags.items() for word in (f"--{name}", str(value))]


def checkpoints(run):
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def full():
    return open("/dev/full", "w", encoding="utf-8")


def closed():
    read, write = os.pipe()
    os.close(read)
    return os.fdopen(write, "w", encoding="utf-8")


BROKEN = {"No space left on device": full, "Broken pipe": closed}


def test_training_whose_output_is_full_saves_a_checkpoint(small, tmp_path, monkeypatch, capsys):
    with full() as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        assert train_command.main(small) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "error: standard output must be writable, got 'No space left on device'; "
    )
    assert error.endswith(f"the run is saved after step 1, in {tmp_path / 'run'}\n")
    assert error.count("\n") == 1
    assert checkpoints(tmp_path / "run") == ["step_000001"]
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize(
    ("name", "more", "saved"),
    [("SIGTERM", (), [2]), ("SIGHUP", ("--checkpoint-minutes", "1e-9"), [1, 2])],
)
def test_signal_ends_training_with_checkpoint_report_and_its_code(
    small, tmp_path, monkeypatch, name, more, saved
):
    number, show = getattr(signal, name), LiveProgress.show

    def show_and_stop(progress, row):
        show(progress, row)
        if row["step"] == 2:
            signal.raise_signal(number)

    monkeypatch.setattr(LiveProgress, "show", show_and_stop)
    assert train_command.main([*small, *more]) == 128 + number
    run = tmp_path / "run"
    assert checkpoints(run) == [f"step_{step:06d}" for step in saved]
    assert (run / "report.html").is_file()
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert (summary["status"], summary["steps_done"]) == ("interrupted", 2)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signal_ends_any_command_with_its_code_and_no_traceback(name, capsys):
    number, before = getattr(signal, name), signal.getsignal(getattr(signal, name))
    with pytest.raises(Terminated) as ended:
        command(lambda: signal.raise_signal(number))()
    assert signal.getsignal(number) == before
    with pytest.raises(SystemExit) as left:
        report_and_exit(type(ended.value), ended.value, None)
    assert (left.value.code, capsys.readouterr().err) == (128 + number, "interrupted\n")


def test_command_leaves_a_signal_ignored_that_nohup_ignores():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert command(lambda: signal.raise_signal(signal.SIGHUP) or 5)() == 5
    finally:
        signal.signal(signal.SIGHUP, before)


def test_command_on_a_full_disk_ends_in_one_line(capsys):
    @command
    def main():
        raise StorageError("a file must be written,\x1b[2J got another")

    assert main() == 1
    assert capsys.readouterr().err == "error: a file must be written,\\x1b[2J got another\n"


@pytest.mark.parametrize("reason", BROKEN)
def test_command_whose_output_is_closed_ends_in_one_line(monkeypatch, capsys, reason):
    done = []

    @command
    def main():
        print("one")
        sys.stdout.flush()
        done.append("two")

    with BROKEN[reason]() as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        assert main() == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not done


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_that_cannot_be_printed_ends_in_one_line(monkeypatch, capsys, flag):
    with full() as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        assert cli.main([flag]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: standard output must be writable")
    assert error.count("\n") == 1


def test_output_that_only_fails_at_the_end_is_reported(monkeypatch, capsys):
    with full() as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        assert command(lambda: print("in the buffer") or 0)() == 1
    assert "No space left" in capsys.readouterr().err


def test_watched_output_discards_what_follows_a_failure(monkeypatch):
    class Failing(io.StringIO):
        def flush(self):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(sys, "stdout", Failing())
    with guarded_output():
        with watched_output() as output:
            print("one", flush=True)
            assert "Input/output error" in str(output.failure)
            print("two", flush=True)
        sys.stdout.flush()
    with pytest.raises(OutputError), guarded_output():
        sys.stdout.flush()


def test_output_escapes_what_the_terminal_cannot_encode(monkeypatch, tmp_path):
    path = tmp_path / "out"
    with path.open("w", encoding="ascii") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        with guarded_output():
            print("95 % … \ud800")
    assert path.read_text(encoding="ascii") == "95 % \\u2026 \\ud800\n"


def test_checkpoint_is_due_after_steps_or_minutes():
    now = [0.0]
    times = CheckpointTimes(10, 2.0, clock=lambda: now[0])
    for step, seconds, is_due in [(1, 119, False), (2, 120, True), (3, 239, False), (4, 240, True)]:
        now[0] = float(seconds)
        assert times.is_due(step) is is_due
        if is_due:
            times.saved()
    assert times.is_due(10)
    now[0] = 1e9
    assert not CheckpointTimes(10, None, clock=lambda: now[0]).is_due(7)


def test_no_command_writes_to_a_console_of_its_own():
    root = Path(train_command.__file__).parents[1]
    used = {p for p in root.rglob("*.py") if " Console(" in p.read_text(encoding="utf-8")}
    assert used == set()


def test_folder_whose_name_is_no_text_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must be a name in the encoding of the system"):
        make_folder(tmp_path / os.fsdecode(b"a\xff"))
