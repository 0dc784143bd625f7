"""Two processes never write in one folder of results."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import pytest

from baselines.advise import command as advise_command
from baselines.bench import command as bench_command
from baselines.common.command import command
from baselines.common.files import make_folder
from baselines.common.folder_lock import LOCK_FILE, locks_until_end
from baselines.compare import command as compare_command
from baselines.evaluate import command as evaluate_command
from baselines.experiment import command as experiment_command
from baselines.train import command as train_command
from baselines.train_sb3 import command as sb3_command
from tests.rl.launching import ROOT

HOLD = """
import sys
from pathlib import Path
from baselines.common.files import make_folder
from baselines.common.folder_lock import locks_until_end
with locks_until_end():
    make_folder(Path(sys.argv[1]))
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(folder):
    """Hold the lock of a folder in another process, whose number is yielded."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """The name of this host, and of its process ids, as a lock file has it."""
    folder = tmp_path_factory.mktemp("host")
    with locks_until_end():
        make_folder(folder)
        return (folder / LOCK_FILE).read_text(encoding="utf-8").splitlines()[1]


def write_lock(folder, *, pid, host, token=""):
    folder.mkdir(exist_ok=True)
    (folder / LOCK_FILE).write_text(f"{pid}\n{host}\n{token}", encoding="utf-8")


def test_lock_names_its_process_and_ends_with_it(tmp_path):
    with held_elsewhere(tmp_path) as process:
        with locks_until_end(), pytest.raises(ValueError, match="no other process") as refused:
            make_folder(tmp_path)
        text = f"which is locked by process {process.pid} on {os.uname().nodename}; pass another "
        assert str(refused.value).endswith(f"{text}--out-dir or wait for it to end")
        process.kill()
        process.wait()
        with locks_until_end():
            make_folder(tmp_path)
            make_folder(tmp_path)  # of the same command
            pid, *_ = (tmp_path / LOCK_FILE).read_text(encoding="utf-8").split()
            assert pid == str(os.getpid())
    assert not list(tmp_path.iterdir())


def test_lock_of_a_process_whose_number_was_given_again_is_replaced(tmp_path, host):
    write_lock(tmp_path, pid=os.getppid(), host=host, token="12345\n")
    with locks_until_end():
        make_folder(tmp_path)


@pytest.mark.parametrize(
    ("pid", "host", "remedy"),
    [
        (4321, "node17", "process 4321 on node17; .* or if that process no longer runs there, "),
        (4321, "pod?pidns-f1", "process 4321 on pod; .* or if that process no longer runs there"),
        ("", "", "an unknown process; .* or if none writes there, delete .*/.lock$"),
    ],
)
def test_lock_that_cannot_be_checked_says_what_to_do(tmp_path, pid, host, remedy):
    if pid:
        write_lock(tmp_path, pid=pid, host=host)
    else:
        (tmp_path / LOCK_FILE).touch()
    with locks_until_end(), pytest.raises(ValueError, match=remedy):
        make_folder(tmp_path)


def test_one_of_three_commands_in_one_process_gets_the_folder(tmp_path):
    begun, done, codes = threading.Barrier(3), threading.Event(), []

    @command
    def main():
        begun.wait()
        try:
            make_folder(tmp_path)
        except ValueError:
            return 2
        done.wait()
        return 0

    threads = [threading.Thread(target=lambda: codes.append(main())) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(codes) < 2 and any(thread.is_alive() for thread in threads):
        done.wait(0.01)
    assert codes == [2, 2]
    done.set()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [0, 2, 2]


def test_folder_of_a_refused_command_is_removed_and_that_of_another_kept(tmp_path):
    with locks_until_end():
        make_folder(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    with locks_until_end():
        make_folder(tmp_path / "old")
    assert (tmp_path / "old").is_dir()


def test_folder_that_may_be_shared_is_not_locked(tmp_path):
    with locks_until_end():
        make_folder(tmp_path, is_shared=True)
        assert not list(tmp_path.iterdir())


COMMANDS = {
    "train": (train_command, ()),
    "train --resume auto": (train_command, ("--resume", "auto")),
    "evaluate": (evaluate_command, ("--policy", "tiny", "--limit", "1")),
    "experiment": (experiment_command, ("--num-seeds", "2")),
    "advise": (advise_command, ()),
    "train_sb3": (sb3_command, ("--demonstration",)),
    "bench credit": (bench_command, ("credit",)),
    "bench learning": (bench_command, ("learning",)),
    "bench map": (bench_command, ("map", "--quick")),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_command_refuses_a_folder_in_which_another_writes(tmp_path, host, capsys, name):
    module, words = COMMANDS[name]
    write_lock(tmp_path, pid=os.getppid(), host=host)
    flag = (*words, "--out-dir", str(tmp_path))
    if words[:1] in (("credit",), ("learning",), ("map",)):
        flag = (words[0], "--out-dir", str(tmp_path), *words[1:])
    with pytest.raises(SystemExit) as ended:
        module.main(flag)
    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert printed.err.startswith("error: out_dir must be a folder that no other process writes to")
    assert printed.err.count("\n") == 1
    assert f"process {os.getppid()} on " in printed.err
    assert [path.name for path in tmp_path.iterdir()] == [LOCK_FILE]


def test_compare_refuses_a_folder_in_which_another_writes(tmp_path, host, monkeypatch, capsys):
    nothing = SimpleNamespace(folders=(), path=None, seed=0, out_dir=tmp_path)
    monkeypatch.setattr(compare_command, "parse", lambda *_args: nothing)
    for place in ("folders.read_methods", "comparison.compare"):
        monkeypatch.setattr(f"baselines.compare.{place}", lambda *_args, **_named: [])
    write_lock(tmp_path, pid=os.getppid(), host=host)
    with pytest.raises(SystemExit):
        compare_command.main([])
    assert "no other process writes to" in capsys.readouterr().err


@pytest.mark.skipif("CCPO_SLOW" not in os.environ, reason="starts 20 processes; set CCPO_SLOW=1")
@pytest.mark.parametrize("resume", ["no", "auto"])
def test_one_of_twenty_concurrent_starts_trains(tmp_path, resume):
    small = ("--tasks-per-step", "1", "--group-size", "2", "--num-eval-tasks", "2")
    words = ("--steps", "40", "--eval-every", "0", *small, "--resume", resume)
    start = partial(
        subprocess.Popen,
        [sys.executable, "-m", "baselines.train", *words, "--out-dir", str(tmp_path / "run")],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    processes = [start() for _ in range(20)]
    errors = [process.communicate()[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0] + [2] * 19
    for code, error in zip(codes, errors, strict=True):
        assert code == 0 or (error.startswith("error: ") and error.count("\n") == 1)
    rows = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 40
