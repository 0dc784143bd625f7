"""A run that was cut off anywhere and resumed is the run that was not."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import replace
from itertools import product

import pytest

from baselines.common.files import write_json
from baselines.common.jsonl import read_rows
from baselines.policies.checkpoints import best_checkpoint, newest_checkpoint
from baselines.train.command import main, read_config
from baselines.train.trainer import Trainer
from tests.rl.teams import quietly, write_tasks
from tests.rl.warm import WarmProcess

pytestmark = pytest.mark.first
STEPS = 6
TIMEOUT_S = 200.0
MODES = {
    f"{order}-{weights}": ("--alternate-period", period, "--weights", weights, *rank)
    for (order, period), (weights, rank) in product(
        {"simultaneous": 0, "alternate": 2}.items(),
        {"separate": (), "shared": (), "lora": ("--lora-rank", 4)}.items(),
    )
}
MODES["critic"] = ("--allocator", "critic")
MODES["retrospect"] = (
    *("--retrospect", 2, "--probe-tasks", 12, "--learning-rate", "5e-3"),
    *("--allocator", "branch", "--branch-samples", 1, "--train-on", "all"),
)
OFTEN = ("--eval-every", 2, "--checkpoint-every", 2, "--completions-every", 1, "--steps", 4)
"""Shorter runs, with a checkpoint, an evaluation or both after every other step."""
NUM_KILLS = 20


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    tasks = write_tasks(tmp_path_factory.mktemp("tasks") / "tasks.jsonl")
    sizes = ("--tasks-per-step", 3, "--group-size", 4, "--num-eval-tasks", 5, "--warmup-steps", 4)
    often = ("--eval-every", 3, "--checkpoint-every", 2, "--completions-every", 1)
    return ("--tasks", tasks, "--steps", STEPS, *sizes, *often)


@pytest.fixture(scope="module")
def uninterrupted(flags, tmp_path_factory):
    """The folder of the run that nobody stopped."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    code, printed = quietly(main, *flags, "--out-dir", folder)
    assert code == 0, printed
    return folder


def start(flags, folder, module=("baselines.train",)) -> WarmProcess:
    return WarmProcess(*module, *flags, "--out-dir", folder)


def stop_when(process, condition, number) -> str:
    """Send a signal when a condition holds, and return what was printed."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.0005)
    process.send_signal(number)
    return printed_by(process)


def printed_by(process) -> str:
    done = process.wait(TIMEOUT_S)
    return done.stdout + done.stderr


def kill(flags, folder, after, wait_s=0.0) -> None:
    """Train until the process kills itself at a write, or a little later: see killed_run."""
    process = start(flags, folder, ("tests.rl.killed_run", str(after), str(wait_s)))
    printed = printed_by(process)
    assert process.returncode == -signal.SIGKILL, printed


def num_rows(folder) -> int:
    return len(read_rows(folder / "metrics.jsonl"))


def resume(flags, folder) -> str:
    code, printed = quietly(main, *flags, "--out-dir", folder, "--resume")
    assert code == 0, printed
    return printed


def assert_same_run(folder, other):
    """Compare all that does not measure time."""
    runs = []
    for run in (folder, other):
        rows = read_rows(run / "metrics.jsonl")
        runs.append([{k: v for k, v in r.items() if not k.startswith("time/")} for r in rows])
    assert runs[0] == runs[1]
    for name in ("completions.jsonl", "evaluations.jsonl", "rollouts.jsonl"):
        lines = [(run / name).read_bytes() for run in (folder, other)]
        assert lines[0] == lines[1] != b"", name
    for name in ("summary.json", "examples.json", "config.json"):
        texts = [json.loads((run / name).read_text(encoding="utf-8")) for run in (folder, other)]
        assert texts[0] == texts[1], name
    last = [newest_checkpoint(run / "checkpoints") for run in (folder, other)]
    assert last[0].name == last[1].name
    weights = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.safetensors")}
        for folder in last
    ]
    assert weights[0] == weights[1]
    assert weights[0]
    best = [best_checkpoint(run / "checkpoints") for run in (folder, other)]
    assert (best[0].step, best[0].accuracy) == (best[1].step, best[1].accuracy)


def test_resume_after_sigkill_between_two_checkpoints_gives_the_same_run(
    flags, uninterrupted, tmp_path
):
    run = tmp_path / "run"
    process = start(flags, run)
    printed = stop_when(process, lambda: num_rows(run) >= 3, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, printed
    assert "resumed after step " in resume(flags, run)
    assert_same_run(run, uninterrupted)


def test_resume_after_sigkill_while_a_checkpoint_is_written_gives_the_same_run(
    flags, uninterrupted, tmp_path
):
    run = tmp_path / "run"
    kill(flags, run, "checkpoint")
    assert list((run / "checkpoints").glob("part_*"))
    resume(flags, run)
    assert_same_run(run, uninterrupted)
    assert not list((run / "checkpoints").glob("part_*"))


def test_resume_after_sigkill_before_the_first_checkpoint_begins_anew(
    flags, uninterrupted, tmp_path
):
    run = tmp_path / "run"
    (run / "checkpoints" / "part_000002" / "thinker").mkdir(parents=True)
    (run / "config.json").write_text("{}", encoding="utf-8")
    (run / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2, "accu', encoding="utf-8")
    assert "resumed after" not in resume(flags, run)
    assert_same_run(run, uninterrupted)


def test_sigint_ends_the_run_after_a_step_and_resume_goes_on(flags, uninterrupted, tmp_path):
    run = tmp_path / "run"
    process = start(flags, run)
    printed = stop_when(process, lambda: num_rows(run) >= 2, signal.SIGINT)
    assert process.returncode == 130, printed
    done = num_rows(run)
    assert 2 <= done < STEPS
    assert "stopping after this step; press Ctrl-C again to stop immediately" in printed
    how = f"interrupted after step {done} of {STEPS}; resume with --resume --out-dir {run}\n"
    assert how in printed
    assert "Traceback" not in printed
    assert newest_checkpoint(run / "checkpoints").name == f"step_{done:06d}"
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert (summary["status"], summary["steps_done"]) == ("interrupted", done)
    assert summary["final"] is None
    assert (run / "report.html").exists()
    assert f"resumed after step {done}\n" in resume(flags, run)
    assert_same_run(run, uninterrupted)


def test_second_sigint_ends_the_run_at_once_and_resume_goes_on(
    flags, uninterrupted, tmp_path, monkeypatch
):
    run, step_of = tmp_path / "run", Trainer._step

    def interrupted(trainer, step):
        if step == 4:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return step_of(trainer, step)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", interrupted)
        code, printed = quietly(main, *flags, "--out-dir", run)
    assert code == 130
    assert "stopped after step 3; resume from the newest checkpoint, " in printed
    assert printed.endswith(f"--resume --out-dir {run}\n")
    assert "resumed after step 2\n" in resume(flags, run)
    assert_same_run(run, uninterrupted)


def test_resume_of_a_finished_run_changes_nothing(flags, uninterrupted):
    before = (uninterrupted / "metrics.jsonl").read_bytes()
    printed = resume(flags, uninterrupted)
    assert f"resumed after step {STEPS}\n" in printed
    assert (uninterrupted / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("auto", [("--resume", "auto"), ("--resume=auto",)])
def test_resume_auto_begins_a_run_and_then_goes_on_with_it(flags, uninterrupted, tmp_path, auto):
    run = tmp_path / "run"
    few = [3 if flag == STEPS else flag for flag in flags]
    code, printed = quietly(main, *auto, *few, "--out-dir", run)
    assert (code, num_rows(run), "resumed" in printed) == (0, 3, False)
    code, printed = quietly(main, *auto, *flags, "--out-dir", run)
    assert (code, "resumed after step 3\n" in printed) == (0, True)
    assert_same_run(run, uninterrupted)


def test_resume_auto_finds_the_folder_that_a_config_file_names(tmp_path):
    path, run = tmp_path / "mine.toml", tmp_path / "run"
    path.write_text(f'out_dir = "{run}"\nsteps = 5\n', encoding="utf-8")
    given = ["--config", str(path), "--resume", "auto"]
    config = read_config(given)
    assert (config.resume, config.out_dir, config.steps) == ("no", run, 5)
    run.mkdir()
    write_json(run / "config.json", replace(config, group_size=3).to_json())
    config = read_config(given)
    assert (config.resume, config.out_dir, config.group_size) == ("yes", run, 3)
    assert read_config([*given, "--group-size", "6"]).group_size == 6


def test_resume_auto_needs_a_folder(capsys):
    assert quietly(main, "--resume", "auto")[0] == 2
    assert "--resume must come with the folder of the run, got none" in capsys.readouterr().err


def test_resume_with_more_steps_goes_on_as_if_they_had_been_asked_for(
    flags, uninterrupted, tmp_path
):
    run = tmp_path / "run"
    few = [5 if flag == STEPS else flag for flag in flags]
    code, _ = quietly(main, *few, "--out-dir", run)
    assert (code, num_rows(run)) == (0, 5)
    resume(flags, run)
    assert_same_run(run, uninterrupted)


class PowerCut(BaseException):
    """Ends a run between two writes, which nothing catches, as SIGKILL would."""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Flags of a run of a second, without its mode."""
    tasks = write_tasks(tmp_path_factory.mktemp("tasks") / "tasks.jsonl")
    sizes = ("--tasks-per-step", 2, "--group-size", 2, "--num-eval-tasks", 4, "--warmup-steps", 2)
    return ("--tasks", tasks, *sizes, *OFTEN)


@pytest.fixture(scope="module")
def undisturbed(small, tmp_path_factory):
    """The run of each mode that nobody stopped, and how often it pushed a file to the disk."""
    runs = {}

    def of(mode):
        if mode not in runs:
            folder, times = tmp_path_factory.mktemp("undisturbed") / "run", []
            with pytest.MonkeyPatch.context() as patch:
                cut_power(patch, after=None, times=times)
                code, printed = quietly(main, *small, *MODES[mode], "--out-dir", folder)
            assert code == 0, printed
            runs[mode] = (folder, len(times))
        return runs[mode]

    return of


def cut_power(patch, *, after, times):
    """Raise PowerCut the first time that a file is pushed to the disk after so many others."""
    fsync = os.fsync

    def push(handle):
        times.append(handle)
        if len(times) == after:
            raise PowerCut
        fsync(handle)

    patch.setattr(os, "fsync", push)


@pytest.mark.parametrize("mode", [mode for mode in MODES if not mode.startswith("simultaneous")])
def test_resume_after_the_power_was_cut_at_some_write_gives_the_same_run(
    small, undisturbed, tmp_path, mode
):
    run, times = tmp_path / "run", []
    expected, num_writes = undisturbed(mode)
    # The last writes are those of summary and report, after the run.
    after = random.Random(mode).randrange(num_writes // 4, num_writes - 8)
    flags = (*small, *MODES[mode])
    with pytest.MonkeyPatch.context() as patch:
        cut_power(patch, after=after, times=times)
        with pytest.raises(PowerCut):
            quietly(main, *flags, "--out-dir", run)
    resume(flags, run)
    assert_same_run(run, expected)


def test_resume_after_sigkill_repeats_the_last_batch_of_a_run_with_retrospect(
    small, undisturbed, tmp_path
):
    run, flags = tmp_path / "run", (*small, *MODES["retrospect"])
    expected, num_writes = undisturbed("retrospect")
    kill(flags, run, num_writes // 2)
    resume(flags, run)
    assert_same_run(run, expected)
    rows = read_rows(run / "metrics.jsonl")
    assert any(row.get("retrospect/solver/grad_norm") for row in rows)


@pytest.mark.slow
@pytest.mark.skipif("CCPO_SLOW" not in os.environ, reason="minutes; set CCPO_SLOW to run it")
@pytest.mark.parametrize("number", range(NUM_KILLS))
def test_resume_after_sigkill_at_a_random_moment_gives_the_same_run(
    small, undisturbed, tmp_path, number
):
    mode = list(MODES)[number % len(MODES)]
    rng, run = random.Random(number), tmp_path / "run"
    expected, num_writes = undisturbed(mode)
    flags = (*small, *MODES[mode])
    # At a write, most of which are those of checkpoints, or between two. Not at the first, that of
    # config.json, before which there is no run; and before the last quarter, so that the process
    # dies before it has finished however long it waits.
    after = rng.randrange(2, num_writes * 3 // 4)
    kill(flags, run, after, wait_s=rng.choice([0.0, rng.uniform(0.0, 0.05)]))
    resume(flags, run)
    assert_same_run(run, expected)
